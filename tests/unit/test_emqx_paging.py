"""A list of pages ends, whatever the server says."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from components.emqx import paging
from components.emqx.errors import GaveUp
from components.emqx.models import Credentials
from components.emqx.v5.cluster import ClusterApi
from tests.handles import cluster_at

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("meta", "said"), [({"count": 3}, "count of 3"), ({}, "count of nothing")])
async def test_a_server_that_always_has_a_next_page_is_given_up_with_node_page_and_count(
    meta: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "SPARE_PAGES", 5)
    monkeypatch.setattr(paging, "MOST_PAGES", 7)
    asked: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["page"])
        return httpx.Response(200, json={"data": ["one"], "meta": {"hasnext": True, **meta}})

    credentials = Credentials(api_key="k", api_secret="s")
    async with ClusterApi(cluster_at("a"), credentials, transport=httpx.MockTransport(serve)) as api:
        with pytest.raises(GaveUp, match=rf"emqx@a: page {5 if meta else 7} .*{said}"):
            async for _ in api.http.pages("/clients", limit=100):
                pass
    assert len(asked) == (5 if meta else 7)
