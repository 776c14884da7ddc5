"""A version and an edition are claims until a running node has said the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.cutover.words import Edition
from components.emqx.base import Cluster
from components.emqx.errors import Refused
from components.emqx.models import Credentials
from components.emqx.registry import cluster_of
from components.guards.declared import refuse_misdeclared
from tests.handles import cluster_at

pytestmark = pytest.mark.unit

RECORDED = json.loads((Path(__file__).parent / "recordings/emqx/02_nodes_cluster_stats.json").read_text())
ROWS = next(row["body"] for row in RECORDED if row["url"].endswith("/nodes"))


def cluster(declared: str, edition: Edition | None, real: dict[str, Any]) -> Cluster:
    rows = [{**row, **real} for row in ROWS]
    handle = cluster_at("a", version=declared).model_copy(update={"edition": edition})
    answer = httpx.MockTransport(lambda _: httpx.Response(200, json=rows))
    return cluster_of(handle, Credentials(api_key="k", api_secret="s"), transport=answer, patience_seconds=0)


@pytest.mark.parametrize(
    ("version", "edition", "real"),
    [
        ("5.8.11", "ee", {"version": "5.8.11", "edition": "Enterprise"}),
        ("e5.8.11", "ee", {"version": "5.8.11-g4bf6f4a1", "edition": "Enterprise"}),
        ("5.8.11", None, {"version": "5.8.11", "edition": "Opensource"}),
        ("5.8.11", "ce", {"version": None, "edition": None}),
        ("5.8.11", "ce", {"version": "5.8.9", "edition": "Enterprise", "node_status": "stopped"}),
    ],
)
async def test_what_the_running_nodes_confirm_or_do_not_tell_passes(
    version: str, edition: Edition | None, real: dict[str, Any]
) -> None:
    async with cluster(version, edition, real) as api:
        await refuse_misdeclared(api)


@pytest.mark.parametrize(
    ("version", "edition", "real", "told"),
    [
        ("5.8.11", "ee", {"edition": "Opensource"}, "emqx:clusters.blue.edition says ee, and the node says ce"),
        ("5.8.6", "ee", {"version": "5.8.9"}, "emqx:clusters.blue.version says 5.8.6, and the node says 5.8.9"),
    ],
)
async def test_another_version_or_edition_is_refused_with_path_claim_and_truth(
    version: str, edition: Edition, real: dict[str, Any], told: str
) -> None:
    rows = {"version": version, "edition": "Enterprise", **real}
    async with cluster(version, edition, rows) as api:
        with pytest.raises(Refused, match="Next: set emqx:clusters") as refused:
            await refuse_misdeclared(api)
    assert told in str(refused.value)


async def test_in_one_cluster_the_other_colours_nodes_are_not_judged_with_it() -> None:
    rows = [
        {"node": "emqx@a", "node_status": "running", "version": "5.8.9", "edition": "Opensource"},
        {"node": "emqx@b", "node_status": "running", "version": "5.8.8", "edition": "Opensource"},
    ]
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=rows))
    key = Credentials(api_key="k", api_secret="s")
    async with cluster_of(cluster_at("a", version="5.8.9"), key, transport=transport, patience_seconds=0) as api:
        await refuse_misdeclared(api, own_only=True)
        with pytest.raises(Refused, match=r"the node says 5\.8\.8"):
            await refuse_misdeclared(api)
