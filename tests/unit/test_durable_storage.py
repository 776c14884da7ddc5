"""Durable storage: its replicas are off the old nodes before one of them stops, and what cannot be moved is refused before anybody is."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import httpx
import pytest

from components.cutover.words import COLOURS
from components.emqx.effective import durable_sessions
from components.emqx.errors import GaveUp, NotNow, Refused, Unreachable
from components.emqx.models import Credentials
from components.emqx.storage import Replica, Shard
from components.emqx.v5.cluster import ClusterApi
from components.ledger.base import LEASE
from components.links.leave import leave
from components.links.opening import open_run
from components.links.storage import left, stands_still, unsettled
from tests.handles import cluster_at
from tests.unit.fake_world import UNFINISHED, Killed
from tests.unit.one_cluster_bed import Keeper, OneCluster

pytestmark = [pytest.mark.unit, *UNFINISHED]

ON = "durable_sessions { enable = true }"


class FakeStorage:
    """One storage of two shards; what is asked for comes true one replica at each look."""

    def __init__(self, world: OneCluster, *sites: str) -> None:
        self.world = world
        self.of = {f"{node}-site": f"emqx@{node}" for node in sites}
        self.wanted = {"blue-site"}
        self.at = [{"blue-site"}, {"blue-site"}]
        self.stuck = False
        self.placed: list[list[str]] = []

    async def sites(self) -> dict[str, str]:
        return dict(self.of)

    async def storages(self) -> tuple[str, ...]:
        return ("messages",)

    async def replicas(self, _storage: str) -> tuple[str, ...]:
        return tuple(sorted(self.wanted))

    async def place(self, storage: str, sites: Collection[str]) -> None:
        assert storage == "messages"
        self.world.act()
        assert not self.world.member("blue").stopped, "its replicas were to be copied from it"
        self.placed.append(sorted(sites))
        self.wanted = set(sites)

    async def shards(self, _storage: str) -> tuple[Shard, ...]:
        found = tuple(
            Shard(str(number), tuple(Replica(site, True, site not in self.wanted) for site in sorted(kept)))
            for number, kept in enumerate(self.at)
        )
        behind = next((kept for kept in self.at if kept != self.wanted), None)
        if behind is not None and not self.stuck:
            if missing := self.wanted - behind:
                behind.add(min(missing))
            else:
                behind.discard(min(behind - self.wanted))
        return found


def world_of(*sites: str) -> tuple[OneCluster, FakeStorage]:
    world = OneCluster([], evacuates=False)
    world.ledger.memory[LEASE] = "a"
    storage = FakeStorage(world, *sites)
    for api in world.apis.values():
        api.storage = storage
    return world, storage


async def gone(world: OneCluster, keeper: Keeper, *, may_end: bool = False) -> dict[str, Any]:
    return await leave(world.run("a"), world.member("blue"), "green", keeper, sessions_may_end=may_end)  # type: ignore[arg-type]


async def test_replicas_are_on_the_new_nodes_and_off_the_old_ones_before_one_is_stopped() -> None:
    world, storage = world_of("blue", "green")
    keeper = Keeper(world, "blue")
    facts = await gone(world, keeper)
    assert storage.at == [{"green-site"}, {"green-site"}]
    assert storage.placed == [["green-site"]], "the whole list at once moves each shard once"
    assert facts["storage"] == {"storages": ["messages"], "sites": ["green-site"]}
    assert keeper.asked[0] == ("stop", "emqx@blue")


@pytest.mark.parametrize("act", range(1, 6))
async def test_killed_at_any_act_the_next_run_ends_with_the_replicas_moved(act: int) -> None:
    world, storage = world_of("blue", "green")
    world.die_at = act
    keeper = Keeper(world, "blue")
    try:
        await gone(world, keeper)
    except Killed:
        world.die_at = None
        await gone(world, keeper)
    assert storage.at == [{"green-site"}, {"green-site"}]
    assert world.left == {"blue"}


async def test_replicas_that_do_not_go_stop_the_leaving_with_every_node_running() -> None:
    world, storage = world_of("blue", "green")
    storage.stuck = True
    keeper = Keeper(world, "blue")
    with pytest.raises(GaveUp, match=r"durable storage messages: 2 replicas on nodes that leave.*nothing was stopped"):
        await gone(world, keeper)
    assert keeper.asked == []
    storage.stuck = False
    await gone(world, keeper)
    assert world.left == {"blue"}


async def test_without_a_node_that_can_keep_them_nothing_is_stopped_unless_they_may_end() -> None:
    world, _ = world_of("blue")
    keeper = Keeper(world, "blue")
    with pytest.raises(Refused, match="no node of green has a site of durable storage, and messages is kept on blue"):
        await gone(world, keeper)
    assert keeper.asked == []
    await gone(world, keeper, may_end=True)
    assert world.left == {"blue"}


async def test_durable_sessions_whose_storage_is_not_replicated_are_refused_before_anything() -> None:
    world, storage = world_of()
    world.member("blue").text = ON
    storage.of.clear()
    assert world.ledger.memory == {LEASE: "a"}
    with pytest.raises(Refused, match=r"durable sessions are on \(durable_sessions.enable\)"):
        await opened(world, ())
    assert world.ledger.memory == {LEASE: "a"}
    world.member("blue").text = "durable_sessions { enable = false }"
    await opened(world, ())
    assert [durable_sessions(text) for text in (ON, "mqtt {}", "", "{{")] == [True, False, False, False]


async def opened(world: OneCluster, acknowledged: tuple[str, ...]) -> None:
    world.at["dev"] = "blue"
    await open_run(world.run("b"), "green", COLOURS, acknowledged, budget_per_second=50, keep_stale=False)


def test_what_keeps_a_node_is_told_in_one_line() -> None:
    here = Replica("a", True, moves=False)
    assert left("messages", [Shard("0", (here,))], ()) == ""
    assert left("messages", [Shard("0", (here, Replica("b", None, moves=True)))], ["a"]) == (
        "durable storage messages: 1 replicas on nodes that leave, 1 on their way"
    )
    assert left("messages", [Shard("0", (Replica("b", False, moves=False),))], ()) == (
        "durable storage messages: down at b"
    )


async def test_a_node_that_is_back_in_a_roll_is_ready_once_its_replicas_are_up() -> None:
    world, storage = world_of("blue")
    assert await unsettled(None) == ""
    assert await unsettled(storage) == ""
    storage.wanted = {"green-site"}
    assert "on their way" in await unsettled(storage)
    assert world.acts == 0


async def test_a_roll_says_which_shards_stand_still_while_a_node_is_out() -> None:
    _, storage = world_of("blue", "green")
    assert await stands_still(None) == ""
    assert "2 shards of messages have fewer than 3 replicas" in await stands_still(storage)
    storage.wanted = {"a", "b", "c"}
    storage.at = [set(storage.wanted), set(storage.wanted)]
    assert await stands_still(storage) == ""


PATHS: dict[str, Any] = {
    "/ds/sites": ["B2A7", "F4E9"],
    "/ds/sites/B2A7": {"node": "emqx@127.0.1.1", "up": True, "shards": []},
    "/ds/sites/F4E9": {"node": "'emqx@127.0.1.2'", "up": False, "shards": []},
    "/ds/storages": ["messages"],
    "/ds/storages/messages/replicas": ["B2A7"],
    "/ds/storages/messages": {
        "name": "messages",
        "shards": [
            {"id": "0", "replicas": [{"site": "B2A7", "status": "up"}, {"site": "F4E9", "transition": "joining"}]},
            {"id": "1", "replicas": [{"site": "B2A7", "status": "lost", "transition": "leaving"}]},
        ],
    },
}


def node_api(answer: Any) -> ClusterApi:
    key = Credentials(api_key="k", api_secret="s")
    return ClusterApi(cluster_at("127.0.1.1"), key, transport=httpx.MockTransport(answer), patience_seconds=0)


async def test_the_api_is_read_as_emqx_documents_it() -> None:
    asked: list[tuple[str, str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v5")
        if request.method == "PUT":
            asked.append((request.method, path, json.loads(request.content)))
            return httpx.Response(202, json="OK")
        return httpx.Response(200, json=PATHS[path])

    async with node_api(answer) as api:
        storage = api.storage
        assert await storage.sites() == {"B2A7": "emqx@127.0.1.1", "F4E9": "emqx@127.0.1.2"}
        assert await storage.storages() == ("messages",)
        assert await storage.replicas("messages") == ("B2A7",)
        assert await storage.shards("messages") == (
            Shard("0", (Replica("B2A7", True, False), Replica("F4E9", None, True))),
            Shard("1", (Replica("B2A7", False, True),)),
        )
        await storage.place("messages", {"F4E9", "B2A7"})
    assert asked == [("PUT", "/ds/storages/messages/replicas", ["B2A7", "F4E9"])]


@pytest.mark.parametrize("booting", [False, True])
async def test_a_cluster_without_it_has_no_sites_and_one_that_boots_is_not_taken_for_such(booting: bool) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/nodes") and not booting:
            return httpx.Response(200, json=[])
        return httpx.Response(404, text="<html>404</html>")

    async with node_api(answer) as api:
        if booting:
            with pytest.raises(Exception, match="404"):
                await api.storage.sites()
        else:
            assert await api.storage.sites() == {}
    off = {"code": "NOT_FOUND", "message": "Durable storage is disabled"}
    async with node_api(lambda _: httpx.Response(404, json=off)) as api:
        assert await api.storage.sites() == {}
    for status, kind in ((500, NotNow), (503, NotNow)):
        async with node_api(lambda _, status=status: httpx.Response(status)) as api:
            with pytest.raises((kind, Unreachable)):
                await api.storage.sites()
