"""The mover `close`: a FIN for each device, one at most, at the budget; what it leaves behind on a cluster of its own ends there, and an id that is connected is never kicked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.cohort import everybody
from components.cutover.evacuation import Evacuation
from components.cutover.words import Colour
from components.emqx.base import Scope
from components.emqx.errors import GaveUp, LeaseLost
from components.ledger.base import LEASE
from components.movers import close
from components.movers.task import Task
from components.run.moved import Moved
from tests.unit.cutover_bed import CLOSE, manner, up
from tests.unit.fake_world import UNFINISHED, Killed, World

pytestmark = [pytest.mark.unit, *UNFINISHED]

ALL = everybody("green")


def begun(ids: Sequence[str], **more: int) -> World:
    """A world whose share is at green, with the lease taken."""
    world = World(ids, evacuates=False, **more)
    world.ledger.memory[LEASE] = "a"
    world.was_at(ALL)
    return world


def task(budget: int = 50, moved: Moved | None = None, parts: int = ALL) -> Task:
    return Task("shift-100", "blue", parts, budget, Evacuation(), moved or Moved(), lambda: None)


def moves_of(world: World, mover: str) -> int:
    return sum(one["count"] for one in world.journal if one["event"] == "move" and one["mover"] == mover)


def ids(count: int) -> list[str]:
    return [f"dev-{number}" for number in range(count)]


@pytest.mark.parametrize("budget", [500, 20_000])
def test_no_line_to_the_balancer_closes_more_than_its_bound_and_the_budget_is_reached(budget: int) -> None:
    world, moved = begun(ids(4_000)), Moved()
    sizes: list[int] = []
    ended = world.router.close

    async def counted(colour: Colour, found: Mapping[str, str], **more: Any) -> frozenset[str]:
        sizes.append(len(found))
        return await ended(colour, found, **more)

    world.router.close = counted  # type: ignore[method-assign]
    asyncio.run(close.carry_out(world.run("a"), task(budget, moved)))
    assert 0 < max(sizes) <= 500
    assert moved.count == moved.to_move == moves_of(world, "close") == 4_000
    assert moved.seconds <= 4_000 / budget * 1.05 + 0.1
    assert set(world.disconnects.values()) == {1}


def test_a_step_of_a_share_closes_its_cohort_and_nobody_else() -> None:
    world = World(ids(300), evacuates=False)
    asyncio.run(up(world, manner([25, 100], mover=CLOSE), "a"))
    assert set(world.disconnects.values()) == {1}
    assert set(world.at.values()) == {"green"}
    assert {one["mover"] for one in world.journal if one["event"] == "move"} == {"close"}
    assert world.apis["blue"].batches == [], "nobody is told to go"


def test_what_a_closed_client_leaves_behind_is_ended_and_nothing_else() -> None:
    world = begun(ids(40))
    world.persistent = {f"dev-{number}" for number in range(0, 40, 2)}
    world.behind["blue"] = {"offline-since-long"}
    asyncio.run(close.carry_out(world.run("a"), task()))
    assert world.behind["blue"] == {"offline-since-long"}
    assert set(world.disconnects.values()) == {1}
    assert sum(one["count"] for one in world.journal if one["event"] == "sessions-ended") == 20


@pytest.mark.parametrize(("kept", "scope"), [(True, "cluster"), (False, "colour")])
def test_sessions_stay_where_the_stack_keeps_them_and_where_they_follow_their_client(kept: bool, scope: Scope) -> None:
    world = begun(ids(10))
    world.persistent = set(ids(10))
    asyncio.run(close.carry_out(replace(world.run("a"), scope=scope), replace(task(), keeps_sessions=kept)))
    assert world.behind["blue"] == set(ids(10))
    assert world.apis["blue"].batches == []


def test_a_session_is_not_ended_while_its_client_is_connected_there() -> None:
    world = begun(ids(10))
    world.persistent = set(ids(10))
    kicked: list[str] = []
    kick = world.apis["blue"].kick

    async def watched(ids: Sequence[str]) -> None:
        kicked.extend(ids)
        assert [one for one in ids if world.at.get(one) == "blue"] == []
        await kick(ids)

    world.apis["blue"].kick = watched  # type: ignore[method-assign]
    asyncio.run(close.carry_out(world.run("a"), task()))
    assert sorted(kicked) == ids(10)


@settings(max_examples=60, deadline=None)
@given(die_at=st.integers(1, 40), shares=st.lists(st.integers(1, 99), max_size=2, unique=True))
def test_a_run_that_was_killed_anywhere_leaves_no_session_behind_after_the_next(die_at: int, shares: list[int]) -> None:
    world = World(ids(30), evacuates=False, die_at=die_at)
    world.persistent = set(ids(30)[::3])
    how = manner([*sorted(shares), 100], mover=CLOSE)
    try:
        asyncio.run(up(world, how, "a", acknowledged=["sessions"]))
    except Killed:
        world.die_at = None
        asyncio.run(up(world, how, "b", acknowledged=["sessions"]))
    assert set(world.at.values()) == {"green"}
    assert world.behind["blue"] == set()
    assert set(world.disconnects.values()) == {1}


def past(world: World, *names: str) -> None:
    """These reach blue without the balancer, and will until they are kicked."""
    for one in names:
        world.router.held.pop(world.addresses.pop(one))


def test_whose_connection_is_not_the_balancers_is_kicked_once_and_counted_with_those_who_are_told() -> None:
    world, moved = begun(ids(20)), Moved()
    past(world, "dev-3", "dev-7", "dev-9")
    world.mqtt5 = {"dev-3", "dev-4", "dev-9"}
    asyncio.run(close.carry_out(world.run("a"), task(moved=moved)))
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}
    assert (moves_of(world, "close"), moves_of(world, "kick"), moved.count) == (17, 3, 20)
    assert sum(one.get("told", 0) for one in world.journal) == 2
    assert world.told == Counter({"dev-3": 1, "dev-9": 1})


def test_in_one_cluster_nobody_is_kicked_and_who_does_not_pass_the_balancer_is_named() -> None:
    world = begun(ids(20))
    past(world, "dev-3")
    with pytest.raises(GaveUp, match="dev-3"):
        asyncio.run(close.carry_out(replace(world.run("a"), scope="colour"), task()))
    assert world.apis["blue"].batches == []
    assert set(world.at.values()) == {"green", "blue"}
    assert max(world.disconnects.values()) == 1


@pytest.mark.parametrize("scope", ["cluster", "colour"])
def test_who_comes_back_to_the_old_colour_again_and_again_is_named(scope: Scope) -> None:
    world = begun(ids(5))

    def back(one: str) -> None:
        world.appear(one, "blue" if one == "dev-2" else "green")

    world.connect = back  # type: ignore[method-assign]
    with pytest.raises(GaveUp, match="dev-2"):
        asyncio.run(close.carry_out(replace(world.run("a"), scope=scope), task()))
    assert world.disconnects["dev-2"] <= 3
    assert [count for one, count in world.disconnects.items() if one != "dev-2"] == [1] * 4


def test_a_client_that_left_by_itself_before_its_turn_is_not_counted_and_its_address_is_nobodys() -> None:
    world, moved = begun(ids(100)), Moved()
    find = world.router.find

    async def then_one_leaves(colour: Colour, addresses: Collection[str], **more: Any) -> dict[str, str]:
        found = await find(colour, addresses, **more)
        address = world.addresses["dev-50"]
        if world.at["dev-50"] == "blue":
            world.disconnect("dev-50")
            world.router.held[address] = ("blue", "another connection")
        return found

    world.router.find = then_one_leaves  # type: ignore[method-assign]
    asyncio.run(close.carry_out(world.run("a"), task(moved=moved)))
    assert moved.count == moved.to_move == 99
    assert set(world.disconnects.values()) == {1}
    assert ("blue", "another connection") in world.router.held.values()


def test_a_run_that_lost_the_lease_closes_nobody_more() -> None:
    world = begun(ids(100))

    def taken(_address: str) -> None:
        world.ledger.memory[LEASE] = "b"

    world.router.closed = taken
    with pytest.raises(LeaseLost):
        asyncio.run(close.carry_out(world.run("a"), task()))
    assert len(world.router.held) >= 100 - 3


@settings(max_examples=40, deadline=None)
@given(budget=st.integers(1, 300), clients=st.integers(1, 200))
def test_in_any_second_no_more_are_closed_than_the_budget_allows(budget: int, clients: int) -> None:
    world = begun(ids(clients))
    times: list[float] = []
    lose = world.router.closed

    def noted(address: str) -> None:
        times.append(world.clock.now())
        lose(address)

    world.router.closed = noted
    asyncio.run(close.carry_out(world.run("a"), task(budget)))
    assert len(times) == clients
    for index, moment in enumerate(times):
        assert sum(moment <= other < moment + 1.0 for other in times[index:]) <= budget * 1.25 + 1
