"""What a cluster counts and dates by itself: clients that speak MQTT 5, and its own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from components.emqx.models import Credentials
from components.emqx.registry import cluster_of
from tests.handles import cluster_at

pytestmark = pytest.mark.unit


def asked(answer: Callable[[httpx.Request], httpx.Response], question: str) -> Any:
    async def go() -> Any:
        handle = cluster_at("n1", "n2", version="5.8.9")
        transport = httpx.MockTransport(answer)
        async with cluster_of(handle, Credentials(api_key="k", api_secret="s"), transport=transport) as api:
            return await getattr(api, question)(**({"patience_seconds": 0} if question == "brokers_now" else {}))

    return asyncio.run(go())


def test_clients_that_speak_mqtt_5_are_counted_by_one_call() -> None:
    seen: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(dict(request.url.params))
        return httpx.Response(200, json={"data": [{}], "meta": {"count": 812, "limit": 1, "page": 1, "hasnext": True}})

    assert asked(answer, "mqtt5_clients") == 812
    assert seen == [{"conn_state": "connected", "proto_ver": "5", "limit": "1"}]


def test_the_clock_is_the_brokers_and_the_latest_of_them() -> None:
    dates = iter(["Sun, 22 Nov 2026 10:51:53 GMT", "Sun, 22 Nov 2026 10:51:58 GMT"])
    assert asked(lambda _: httpx.Response(200, json=[], headers={"date": next(dates)}), "brokers_now") == 1795344718.0


def test_a_node_that_does_not_answer_or_has_no_clock_leaves_it_to_the_others() -> None:
    answers = iter(
        [httpx.Response(503), httpx.Response(200, json=[], headers={"date": "Sun, 22 Nov 2026 10:51:53 GMT"})]
    )
    assert asked(lambda _: next(answers), "brokers_now") == 1795344713.0
    assert asked(lambda _: httpx.Response(200, json=[]), "brokers_now") is None


@pytest.mark.parametrize(("mine", "edition"), [("n1", "ce"), ("n2", "ee")])
async def test_a_colour_of_a_cluster_that_goes_to_enterprise_has_an_edition_of_its_own(mine: str, edition: str) -> None:
    """As the nodes of a mixed cluster list themselves (recording F1_ce_to_ee_mixed_and_roll)."""
    rows = [
        {"node": "emqx@n1", "node_status": "running", "edition": "Opensource"},
        {"node": "emqx@n2", "node_status": "running", "edition": "Enterprise"},
    ]
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=rows))
    key = Credentials(api_key="k", api_secret="s")
    async with cluster_of(cluster_at(mine, version="5.8.9"), key, scope="colour", transport=transport) as api:
        assert await api.edition() == edition


def test_who_speaks_mqtt_5_is_told_in_the_same_listing() -> None:
    rows = [
        {"clientid": "a", "connected": True, "proto_ver": 5},
        {"clientid": "b", "connected": True, "proto_ver": 4},
        {"clientid": "c", "connected": False, "proto_ver": 5},
    ]
    told: list[str] = []

    async def go() -> list[str]:
        transport = httpx.MockTransport(
            lambda _: httpx.Response(200, json={"data": rows, "meta": {"count": 3, "hasnext": False}})
        )
        credentials = Credentials(api_key="k", api_secret="s")
        async with cluster_of(cluster_at("n1", version="5.8.9"), credentials, transport=transport) as api:
            return await api.connected_client_ids(mqtt5=told.append)

    assert asyncio.run(go()) == ["a", "b"]
    assert told == ["a"]
