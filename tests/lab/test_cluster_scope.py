"""A colour that has two of a cluster's three nodes: what it lists, counts and evacuates is theirs, whatever happens on the third."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from components.cutover.evacuation import Evacuation
from components.emqx.base import Cluster, Scope, of_colour
from components.emqx.models import ClusterHandle, Credentials, Node
from components.emqx.registry import cluster_of
from lab.node.process import Managed
from tests.lab.recordings.bed import AUTH, cluster, host
from tests.lab.recordings.device import Device

pytestmark = pytest.mark.lab

MINE = {1: ["a1", "a2"], 2: ["b1"]}
THEIRS = ["c1", "c2", "c3", "c4"]


def half(managed: Managed, scope: Scope) -> Cluster:
    """The first two nodes as a colour."""
    nodes = tuple(
        Node(name=f"emqx@{address}", api=f"http://{address}:18083", mqtt=f"{address}:1883")
        for address in (host(managed, 1), host(managed, 2))
    )
    handle = ClusterHandle(colour="blue", nodes=nodes, version=managed.settings.version)
    return cluster_of(handle, Credentials(api_key=AUTH[0], api_secret=AUTH[1]), scope=scope, patience_seconds=2.0)


@asynccontextmanager
async def shared(directory: Path) -> AsyncIterator[Managed]:
    """Three nodes with clients on each; every second one on the third is persistent and one of ours is offline."""
    async with cluster(directory, max_sessions=0) as managed, AsyncExitStack() as devices:
        for number, ids in {**MINE, 3: THEIRS}.items():
            for one in ids:
                kept = one.endswith("2")
                device = await Device.connect(host(managed, number), one, level=5, persistent=kept)
                devices.push_async_callback(device.close)
        gone = await Device.connect(host(managed, 1), "offline", level=5, persistent=True)
        await gone.close()
        yield managed


async def test_a_colours_clients_sessions_and_connections_are_those_of_its_nodes(tmp_path: Path) -> None:
    async with shared(tmp_path) as managed, half(managed, "colour") as mine, half(managed, "cluster") as whole:
        first, second = mine.node_names
        assert await mine.connected_client_ids() == ["a1", "a2", "b1"]
        assert sorted([one async for page in mine.connected_pages() for one in page]) == ["a1", "a2", "b1"]
        assert await mine.live_connections() == {first: 2, second: 1}
        assert (await mine.session_totals())[:2] == (1, 1)
        assert len(await whole.connected_client_ids()) == 7
        assert (await whole.session_totals())[:2] == (2, 1)
        assert len(await mine.nodes()) == 3, "the cluster is told whole, so that a node nobody declared is seen"
        assert set(of_colour(mine, await mine.nodes())) == {first, second}


async def test_a_colours_counters_are_those_of_its_nodes(tmp_path: Path) -> None:
    async with shared(tmp_path) as managed:
        async with half(managed, "colour") as mine, half(managed, "cluster") as whole:
            ours, all_of_it = await mine.metrics(), await whole.metrics()
        assert (ours["packets.connack.sent"], all_of_it["packets.connack.sent"]) == (4, 8)
        assert ours.keys() == all_of_it.keys()


async def test_a_cohort_that_is_listed_and_kicked_leaves_the_other_colours_clients_alone(tmp_path: Path) -> None:
    async with shared(tmp_path) as managed, half(managed, "colour") as mine, half(managed, "cluster") as whole:
        await mine.kick(await mine.connected_client_ids())
        assert await mine.connected_client_ids() == []
        assert await whole.connected_client_ids() == THEIRS


async def test_an_evacuation_of_the_other_colours_node_is_not_ours(tmp_path: Path) -> None:
    async with shared(tmp_path) as managed, half(managed, "colour") as mine:
        third = next(facts.name for facts in await mine.nodes() if facts.name not in mine.node_names)
        assert await mine.evacuation_start(third, Evacuation(wait_health_check_seconds=60, conn_evict_rate=1))
        assert await mine.evacuations() == {}
        assert [one["node"] for one in (await mine.evacuation_status())["evacuations"]] == [third]
        assert await mine.evacuation_stop(third)


async def test_a_node_that_is_down_has_no_clients_and_does_not_end_the_listing(tmp_path: Path) -> None:
    async with shared(tmp_path) as managed:
        await managed.kill_node(managed.names()[1])
        async with half(managed, "colour") as mine:
            assert await mine.connected_client_ids() == ["a1", "a2"]


async def test_a_sample_is_pages_of_the_fleet_and_says_how_long_the_list_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.emqx.listing.SMALL_PAGE", 2)
    async with shared(tmp_path) as managed, half(managed, "cluster") as whole, half(managed, "colour") as mine:
        part, ours = await whole.sample(4), await mine.sample(100)
    assert (part.sessions, part.looked_at) == (8, 4)
    assert (ours.sessions, ours.looked_at) == (4, 4)
    assert sorted(ours.connected_ids) == ["a1", "a2", "b1"]
    assert ours.persistent[:2] == (1, 1)
