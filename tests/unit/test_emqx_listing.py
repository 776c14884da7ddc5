"""What a cluster counts and dates by itself: clients that speak MQTT 5, and its own clock."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.emqx.clients import ConnectedClient, ConnectedClients
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


FLEET = 20_000
MOST_BYTES_A_CLIENT = 80
"""With an id of 17 characters and an address of 14; a string of both would need 96."""


def whereabouts(answer: Callable[[httpx.Request], httpx.Response]) -> ConnectedClients:
    async def go() -> ConnectedClients:
        credentials, transport = Credentials(api_key="k", api_secret="s"), httpx.MockTransport(answer)
        async with cluster_of(cluster_at("n1", version="5.8.9"), credentials, transport=transport) as api:
            return await api.connected_clients()

    return asyncio.run(go())


def placed(number: int, port: int = 40_000) -> dict[str, Any]:
    return {"clientid": f"dev-{number:013}", "connected": True, "ip_address": "10.0.0.7", "port": port, "proto_ver": 4}


def test_where_clients_are_is_listed_in_the_order_of_their_ids_and_the_later_of_two_rows_counts() -> None:
    rows = [placed(3), placed(1, port=1), placed(2), placed(1, port=2)]
    body = {"data": rows, "meta": {"count": 4, "hasnext": False}}
    listed = whereabouts(lambda _: httpx.Response(200, json=body))
    assert [(one.client_id[-1], one.address) for one in listed] == [
        ("1", "10.0.0.7:2"),
        ("2", "10.0.0.7:40000"),
        ("3", "10.0.0.7:40000"),
    ]
    assert [one.client_id[-1] for one in listed.take(2)] == ["1", "2"]
    assert [one.client_id[-1] for one in listed] == ["3"]


def test_a_client_and_its_address_need_little_more_than_their_letters() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        page, limit = (int(request.url.params[name]) for name in ("page", "limit"))
        rows = [placed(number) for number in range((page - 1) * limit, page * limit)]
        return httpx.Response(200, json={"data": rows, "meta": {"count": FLEET, "hasnext": page * limit < FLEET}})

    tracemalloc.start()
    try:
        listed = whereabouts(answer)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(listed) == FLEET
    assert held < FLEET * MOST_BYTES_A_CLIENT


def by_id(one: ConnectedClient) -> str:
    return one.client_id


@example([ConnectedClient("a", "x"), ConnectedClient("a\0", "y"), ConnectedClient("a", "z")])
@given(st.lists(st.builds(ConnectedClient, st.text(), st.text())))
def test_a_list_of_clients_is_what_a_table_of_them_would_be(some: list[ConnectedClient]) -> None:
    table = {one.client_id: one for one in some}
    assert list(ConnectedClients(some)) == sorted(table.values(), key=by_id)
    listed = ConnectedClients(some)
    listed.leave_out(lambda one: len(one) % 2 == 1)
    assert [one for portion in iter(lambda: list(listed.take(3)), []) for one in portion] == sorted(
        (one for one in table.values() if len(one.client_id) % 2 == 0), key=by_id
    )
