"""A preview looks at a part of a large fleet: few calls whatever its size, and numbers that add up to what was counted."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.cohort import cohort_counts
from components.cutover.forecast import Fleet, Sample
from components.cutover.sample import Looked, fleet_of
from components.emqx.base import Scope
from components.emqx.models import Credentials
from components.emqx.v5.cluster import ClusterApi
from tests.handles import cluster_at

pytestmark = pytest.mark.unit

IDS = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=60)


class Fleetful:
    """The listing of a node that has these rows, and how often it was asked for."""

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self.rows = list(rows)
        self.asked: list[tuple[str, int]] = []
        self.fields: set[str] = set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/nodes"):
            names = sorted({row["node"] for row in self.rows})
            return httpx.Response(
                200, json=[{"node": one, "node_status": "running", "live_connections": 1} for one in names]
            )
        query = request.url.params
        page, limit = int(query["page"]), int(query["limit"])
        some = [row for row in self.rows if query.get("node", row["node"]) == row["node"]]
        self.asked.append((query.get("node", ""), page))
        self.fields.add(query["fields"])
        shown = some[(page - 1) * limit : page * limit]
        return httpx.Response(200, json={"data": shown, "meta": {"count": len(some), "page": page, "limit": limit}})

    def cluster(self, scope: Scope = "cluster") -> ClusterApi:
        credentials = Credentials(api_key="k", api_secret="s")
        return ClusterApi(
            cluster_at("a", "b"),
            credentials,
            transport=httpx.MockTransport(self.answer),
            scope=scope,
            patience_seconds=0,
        )


def row(number: int, node: str, chance: random.Random) -> dict[str, Any]:
    """One of ten is offline, three of ten persist, and what is offline has two messages waiting."""
    offline, kept = chance.random() < 0.1, chance.random() < 0.3
    return {
        "clientid": f"dev-{number}",
        "node": node,
        "connected": not offline,
        "expiry_interval": 3600 if kept or offline else 0,
        "mqueue_len": 2 if offline else 0,
        "inflight_cnt": 0,
        "listener": "ws:default" if chance.random() < 0.2 else "tcp:default",
    }


def fleet(count: int, *nodes: str) -> Fleetful:
    """Node after node, as EMQX lists them."""
    chance = random.Random(7)
    return Fleetful(row(number, nodes[number * len(nodes) // count], chance) for number in range(count))


def seen(found: Any, clients: int) -> Fleet:
    """As preview makes it."""
    kept = found.persistent
    looked = Looked(
        found.looked_at, found.connected_ids, kept.connected, kept.offline, kept.queued_messages, found.websocket_ids
    )
    return fleet_of(looked, found.sessions, clients)


@pytest.mark.parametrize("count", [60_000, 600_000])
async def test_the_calls_do_not_grow_with_the_fleet_and_all_of_it_is_looked_over(count: int) -> None:
    node = fleet(count, "emqx@a", "emqx@b", "emqx@c")
    async with node.cluster() as api:
        found = await api.sample(10_000)
    pages = [page for _, page in node.asked]
    assert len(pages) == len(set(pages)) == 5
    assert (found.sessions, found.looked_at) == (count, 10_000)
    seen_of = {node.rows[(page - 1) * 2_000]["node"] for page in pages}
    assert seen_of == {"emqx@a", "emqx@b", "emqx@c"}


async def test_an_estimate_is_near_what_is_there_and_says_from_how_many_it_was_made() -> None:
    node = fleet(60_000, "emqx@a", "emqx@b")
    live = [one["clientid"] for one in node.rows if one["connected"]]
    async with node.cluster() as api:
        found = seen(await api.sample(10_000), len(live))
    assert (found.clients, found.sample) == (len(live), Sample(looked_at=10_000, sessions=60_000))
    cohorts, _ = cohort_counts(live)
    assert found.cohorts is not None
    for share in (10, 50):
        assert abs(sum(found.cohorts[:share]) - sum(cohorts[:share])) < 0.02 * len(live)
    assert found.persistent_offline == pytest.approx(60_000 * 0.1, rel=0.1)
    assert found.persistent_connected == pytest.approx(60_000 * 0.9 * 0.3, rel=0.1)
    assert found.queued_messages == pytest.approx(60_000 * 0.2, rel=0.1)


async def test_a_fleet_that_fits_is_counted_and_nothing_is_called_an_estimate() -> None:
    node = fleet(9_999, "emqx@a")
    async with node.cluster() as api:
        totals, found = await api.session_totals(), seen(await api.sample(10_000), 0)
    assert found.sample is None
    assert found.clients == sum(one["connected"] for one in node.rows)
    assert (found.persistent_connected, found.persistent_offline, found.queued_messages) == tuple(totals)


async def test_who_came_by_websocket_is_counted_apart_where_that_is_asked() -> None:
    node = fleet(60_000, "emqx@a", "emqx@b")
    live = [one for one in node.rows if one["connected"]]
    async with node.cluster() as api:
        found = seen(await api.sample(10_000, websocket=True), len(live))
        assert await api.websocket_clients() == {one["clientid"] for one in live if one["listener"] == "ws:default"}
    assert node.fields == {"all"}
    assert found.websocket == pytest.approx(0.2 * len(live), rel=0.1)
    assert found.cohorts is not None
    assert sum(found.cohorts) + found.assigned + found.websocket == len(live)


async def test_a_colours_sample_is_of_its_nodes() -> None:
    node = fleet(60_000, "emqx@a", "emqx@b", "emqx@c")
    async with node.cluster("colour") as api:
        found = await api.sample(10_000)
    assert {name for name, _ in node.asked} == {"emqx@a", "emqx@b"}
    assert (found.sessions, found.looked_at, len(node.asked)) == (40_000, 10_000, 5)


@given(ids=IDS, offline=st.integers(0, 50), sessions=st.integers(0, 10_000), clients=st.integers(0, 10_000))
def test_estimated_cohorts_add_up_to_the_clients_that_were_counted(
    ids: list[str], offline: int, sessions: int, clients: int
) -> None:
    looked = Looked(len(ids) + offline, ids, len(ids) // 2, offline, offline, ids[::3])
    found = fleet_of(looked, sessions, clients)
    assert found.cohorts is not None
    assert min(found.cohorts) >= 0
    whole = looked.sessions >= sessions
    assert sum(found.cohorts) + found.assigned + found.websocket == (len(ids) if whole else clients) == found.clients
    assert (found.sample is None) == whole
