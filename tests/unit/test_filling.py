"""A licence that fills up: the balancer lets in as many as it has room for, from before it is full until the update is over, and nobody out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.facts import Thresholds
from components.cutover.words import COLOURS, Colour
from components.emqx.answers import LicenseFacts, NodeFacts
from components.emqx.errors import LeaseLost, Stopped, Unreachable, UpgradeError
from components.ledger.base import LEASE
from components.links.filling import RESERVE, bounded, bounds_of, room
from components.routers.base import Bound
from components.routers.haproxy.bounding import NO_BOUND, Door, commands, door
from tests.fake_balancer import FakeLedger, FakeRouter
from tests.unit.cutover_bed import CLOSE, manner, up
from tests.unit.fake_world import UNFINISHED, World

pytestmark = [pytest.mark.unit, *UNFINISHED]

LIMIT = 20
UNGATED = Thresholds(connect_latency_p99_milliseconds=None, license_headroom_fraction=None)
BOTH: frozenset[Colour] = frozenset(COLOURS)


def node(name: str, live: int, offline: int = 0, **more: Any) -> NodeFacts:
    row = {"node": name, "node_status": "running", "edition": "Enterprise"}
    return NodeFacts.model_validate({**row, "live_connections": live, "connections": live + offline, **more})


@pytest.mark.parametrize(
    ("nodes", "balanced", "most"),
    [
        ([node("a", 9), node("b", 9)], 18, LIMIT - RESERVE),
        ([node("a", 9, offline=4), node("b", 5)], 14, LIMIT - RESERVE - 4),
        ([node("a", 9), node("b", 9)], 15, LIMIT - RESERVE - 3),
        ([node("a", 12, offline=12)], 12, LIMIT - RESERVE - 12),
        ([node("a", 30)], 30, LIMIT - RESERVE),
        ([node("a", 8)], 8, None),
        ([node("a", 9), node("b", 9, edition="Opensource")], 18, None),
    ],
)
def test_there_is_room_for_whom_the_licence_still_takes_and_far_from_it_nobody_counts(
    nodes: list[NodeFacts], balanced: int, most: int | None
) -> None:
    assert room(LicenseFacts(max_sessions=LIMIT), nodes, balanced) == most
    assert room(LicenseFacts(max_sessions=0), nodes, balanced) is None


DOORS = st.lists(
    st.builds(
        Door,
        st.sampled_from(["one", "two"]),
        st.sampled_from([f"{colour}/n{number}" for colour in COLOURS for number in (1, 2, 3)]),
        st.just("blue"),
        st.integers(0, 40),
        st.booleans(),
        st.integers(0, 60),
    ).map(lambda one: one._replace(colour="blue" if one.server.startswith("blue") else "green")),
    unique_by=lambda one: (one.replica, one.server),
)


@given(
    doors=DOORS,
    clients=st.integers(0, 300),
    colours=st.sets(st.sampled_from(COLOURS), min_size=1),
    older=st.integers(0, 50),
)
def test_all_doors_together_never_take_more_than_there_is_room_for_and_nobody_is_put_out(
    doors: list[Door], clients: int, colours: set[Colour], older: int
) -> None:
    bound, elsewhere = Bound(frozenset(colours), clients), dict.fromkeys(colours, older)
    told = commands(doors, [bound], elsewhere)
    words = {(replica, line.split()[3]): int(line.split()[4]) for replica, lines in told.items() for line in lines}
    after = [one._replace(most=words.get((one.replica, one.server), one.most)) for one in doors]
    inside = [one for one in after if one.colour in colours]
    least = sum(max(1, one.held) for one in inside)
    assert sum(one.most for one in inside) <= max(least, clients - older * len(colours))
    assert all(one.most >= max(1, one.held) for one in inside), "0 would be no bound"
    assert all(one.most == NO_BOUND for one in after if one.colour not in colours)
    if any(one.up for one in inside) and clients - older * len(colours) >= least:
        assert sum(one.most for one in inside) == clients - older * len(colours), "no place stays free"
    assert commands(after, [bound], elsewhere) == {}, "what it has already it is not told again"
    freed = {line for lines in commands(after, [], {}).values() for line in lines}
    assert all(line.endswith(f" {NO_BOUND}") for line in freed)
    assert len(freed) <= len(inside)


def test_a_line_of_haproxys_statistics_is_read() -> None:
    row = {"pxname": "green_ws", "svname": "emqx:40n1", "scur": "3", "status": "UP 1/2", "slim": ""}
    assert door("one", "green", row) == Door("one", "green_ws/emqx:40n1", "green", 3, up=True, most=NO_BOUND)
    assert not door("one", "green", {**row, "status": "MAINT"}).up


class Bounding(FakeRouter):
    """Keeps what it was told; ``silent`` answers nothing."""

    silent = False

    def __init__(self, ledger: FakeLedger) -> None:
        super().__init__(ledger)
        self.told: list[Sequence[Bound]] = []

    async def bound(self, bounds: Sequence[Bound]) -> None:
        if self.silent:
            raise Unreachable("bounding", node="balancer", seen="nothing", todo="start it")
        self.told.append(tuple(bounds))


class Licensed(World):
    """Nobody passes the balancer, as it says, so every connection is one of somebody else's: green is full soon."""

    def __init__(self, clients: int, limit: int | None = LIMIT) -> None:
        super().__init__([f"dev-{number}" for number in range(clients)], evacuates=False)
        router = Bounding(self.ledger)
        router.acting, router.closed, router.held = self.router.acting, self.router.closed, self.router.held
        self.router: Bounding = router
        self.apis["green"].licensed = limit


async def test_from_before_it_is_full_until_the_update_is_over_nobody_is_let_in_beyond_it() -> None:
    world = Licensed(18)
    await up(world, manner([50, 100], mover=CLOSE, gates=UNGATED), "a")
    assert set(world.at.values()) == {"green"}
    assert (Bound(frozenset({"green"}), LIMIT - RESERVE - 18),) in world.router.told
    assert world.router.told[-1] == ()


async def test_a_colour_without_a_licence_is_never_bounded() -> None:
    world = Licensed(18, limit=None)
    await up(world, manner([100], mover=CLOSE), "a")
    assert {tuple(told) for told in world.router.told} == {()}


async def test_nodes_of_one_cluster_have_one_licence_whatever_their_colour() -> None:
    world = Licensed(18)
    world.apis["blue"].licensed = LIMIT
    run = replace(world.run("a"), scope="colour")
    assert [one.colours for one in await bounds_of(run)] == [BOTH]


async def a_while() -> None:
    """Let whoever watches have some looks."""
    for _ in range(50):
        await asyncio.sleep(0)


def full() -> Licensed:
    world = Licensed(18)
    world.at = dict.fromkeys(world.at, "green")
    return world


async def block(world: Licensed, *, last: bool, then: UpgradeError | None = None, lease: str = "a") -> None:
    run = world.run("a")
    world.ledger.memory[LEASE] = lease
    async with bounded(run, last=last):
        await a_while()
        if then is not None:
            raise then


@pytest.mark.parametrize("last", [False, True])
async def test_between_two_links_it_stays_and_after_the_last_one_it_goes(last: bool) -> None:
    world = full()
    await block(world, last=last)
    assert any(world.router.told)
    assert (world.router.told[-1] == ()) is last


async def test_after_a_failure_it_goes() -> None:
    world = full()
    with pytest.raises(Stopped):
        await block(world, last=False, then=Stopped("this update", seen="Ctrl-C", todo="run it again"))
    assert any(world.router.told)
    assert world.router.told[-1] == ()


async def test_whoever_has_taken_over_decides_alone() -> None:
    world = full()
    with pytest.raises(LeaseLost):
        await block(world, last=True, lease="another", then=LeaseLost("this update", seen="another", todo="wait"))
    assert world.router.told == []


async def test_a_balancer_that_does_not_answer_stops_no_update() -> None:
    world = full()
    world.router.silent = True
    await block(world, last=True)
    assert world.router.told == []
