"""Whoever has lost the lease does nothing more: not the next batch of kicks, not the next node, not the next stale sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest

from components.cutover.cohort import everybody
from components.cutover.evacuation import Evacuation
from components.cutover.movers import Choice
from components.cutover.plan import Act, Transition
from components.cutover.words import Colour
from components.emqx.answers import EvacuationFacts, SessionFacts
from components.emqx.errors import LeaseLost
from components.ledger.base import LEASE
from components.links.opening import open_run
from components.links.shift import _do
from components.movers import MOVERS
from components.movers.evacuation import LOST_NODE_SECONDS
from components.movers.task import Task
from components.run.meter import Meter
from components.run.moved import Moved
from components.run.run import Run
from tests.unit.cutover_bed import CHOICES, half_way, manner
from tests.unit.fake_api import FakeApi
from tests.unit.fake_world import UNFINISHED, World

pytestmark = [pytest.mark.unit, *UNFINISHED]


def robbed(world: World, after: Callable[[dict[str, Any]], bool]) -> Run:
    """A run whose lease is taken by another one right after this line of its journal."""

    def record(event: str, **facts: Any) -> None:
        world.journal.append({"t": world.clock.now(), "run": "old", "event": event, **facts})
        if after(world.journal[-1]):
            world.ledger.memory[LEASE] = "new"

    world.ledger.memory[LEASE] = "old"
    return replace(world.run("old"), record=record)


def task(budget: int, moved: Moved) -> Task:
    return Task("shift-100", "blue", everybody("green"), budget, Evacuation(), moved, lambda: None)


@pytest.mark.parametrize("batches", [1, 3])
def test_each_batch_of_kicks_asks_for_the_lease(batches: int) -> None:
    world, moved = World([f"dev-{number}" for number in range(300)], evacuates=False), Moved()
    world.was_at(everybody("green"))
    run = robbed(world, lambda _: sum(one["event"] == "move" for one in world.journal) == batches)
    with pytest.raises(LeaseLost, match="run new"):
        asyncio.run(MOVERS["kick"](run, task(100, moved)))
    assert len(world.apis["blue"].batches) == batches
    assert sum(world.disconnects.values()) == moved.count == sum(world.apis["blue"].batches)


def test_each_portion_of_one_tick_asks_for_the_lease() -> None:
    world, moved = World([f"dev-{number}" for number in range(9_000)], evacuates=False), Moved()
    world.was_at(everybody("green"))
    run = robbed(world, lambda event: event["event"] == "move" and event["count"] == 500)
    with pytest.raises(LeaseLost):
        asyncio.run(MOVERS["kick"](run, task(30_000, moved)))
    assert world.apis["blue"].batches[-1] == 500


class _Three(FakeApi):
    """A colour of three nodes, of which the first has everybody; it keeps the order in which they were evacuated."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "blue", evacuates=True)
        self.started: list[str] = []

    @property
    def node_names(self) -> tuple[str, ...]:
        return (self.node, "emqx@b2", "emqx@b3")

    async def live_connections(self, **_: Any) -> dict[str, int]:
        return {self.node: len(self.mine()), "emqx@b2": 0, "emqx@b3": 0}

    async def evacuation_start(self, node: str, *_: Any, **__: Any) -> bool:
        self.started.append(node)
        if len(self.started) == 2:
            self.world.ledger.memory[LEASE] = "new"
        return True


def test_each_node_asks_for_the_lease_before_it_is_evacuated() -> None:
    world = World([f"dev-{number}" for number in range(30)])
    blue = world.apis["blue"] = _Three(world)
    with pytest.raises(LeaseLost):
        asyncio.run(MOVERS["evacuation"](robbed(world, lambda _: False), task(100, Moved())))
    assert len(blue.started) == 2


def test_each_batch_of_stale_sessions_asks_for_the_lease() -> None:
    world = World([f"dev-{number}" for number in range(20)])
    asyncio.run(half_way(world))
    since = "2100-01-01T00:00:00+00:00"
    some = [SessionFacts(f"s-{number}", False, 0, 0, since) for number in range(1_200)]
    world.sessions["blue"] = some

    async def go() -> None:
        run = world.run("back")

        def record(event: str, **facts: Any) -> None:
            if facts.get("section") == "stale sessions":
                world.ledger.memory[LEASE] = "new"

        robbed_run = replace(run, record=record)
        await open_run(robbed_run, "blue", ("blue", "green"), ("sessions",), budget_per_second=50, keep_stale=False)

    with pytest.raises(LeaseLost):
        asyncio.run(go())
    assert world.apis["blue"].batches[-1:] == [500]


class _Flickering(_Three):
    """Its second node is missing from the list for a while, with clients on it, and then it is back."""

    def __init__(self, world: World, away_seconds: float) -> None:
        super().__init__(world)
        self.away_seconds, self.left, self.back_at = away_seconds, 3, 0.0

    @property
    def here(self) -> bool:
        return self.world.clock.now() >= self.back_at

    async def live_connections(self, **_: Any) -> dict[str, int]:
        counts = {self.node: len(self.mine()), "emqx@b2": self.left, "emqx@b3": 0}
        if not self.here:
            counts.pop("emqx@b2")
        elif self.back_at:
            self.left = max(0, self.left - 1)
        return counts

    async def evacuations(self, **_: Any) -> dict[str, EvacuationFacts]:
        if self.rate is None:
            return {}
        return {name: self._status() for name in self.node_names if self.here or name != "emqx@b2"}

    async def evacuation_start(self, node: str, *_: Any, **__: Any) -> bool:
        self.started.append(node)
        self.rate, self.evicting_from = 100, 0.0
        if len(self.started) == 3:
            self.back_at = self.world.clock.now() + self.away_seconds
        return True


@pytest.mark.parametrize("away_seconds", [2.0, 8.0])
def test_a_node_that_is_back_before_it_counts_as_lost_is_drained_too(away_seconds: float) -> None:
    world = World([f"dev-{number}" for number in range(30)])
    world.was_at(everybody("green"))
    blue = world.apis["blue"] = _Flickering(world, away_seconds)
    asyncio.run(MOVERS["evacuation"](robbed(world, lambda _: False), task(100, Moved())))
    assert blue.left == 0
    assert world.clock.now() >= blue.back_at


def test_a_node_that_stays_away_counts_as_empty_after_its_time_and_not_before() -> None:
    world = World([f"dev-{number}" for number in range(30)])
    world.was_at(everybody("green"))
    blue = world.apis["blue"] = _Flickering(world, 1e9)
    asyncio.run(MOVERS["evacuation"](robbed(world, lambda _: False), task(100, Moved())))
    died = blue.back_at - 1e9
    assert LOST_NODE_SECONDS <= world.clock.now() - died <= LOST_NODE_SECONDS + 2


def test_a_node_that_is_missing_when_the_drain_begins_is_not_passed_over() -> None:
    world = World([f"dev-{number}" for number in range(30)])
    world.was_at(everybody("green"))
    blue = world.apis["blue"] = _Flickering(world, 1e9)
    blue.back_at = began = world.clock.now() + 1e9
    blue.rate, blue.evicting_from = 100, 0.0
    asyncio.run(MOVERS["evacuation"](robbed(world, lambda _: False), task(100, Moved())))
    assert world.clock.now() - (began - 1e9) >= LOST_NODE_SECONDS


@pytest.mark.parametrize("act", get_args(Act))
@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_every_act_that_a_plan_may_have_is_one_that_the_link_can_do(act: Act, choice: Choice) -> None:
    world = World([f"dev-{number}" for number in range(5)], evacuates=choice.shuts)
    how = manner([100], mover=choice)

    async def go() -> None:
        run = world.run("a")
        await open_run(run, "green", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
        world.was_at(everybody("green"))
        if act in {"hold", "judge"}:
            world.at = dict.fromkeys(world.at, "green")
        meter = Meter(run, "shift-100", "green", everybody("green"), how.gates, 50)
        await meter.baseline()
        colour: Colour = "green" if act == "open" else "blue"
        await _do(run, Transition(act, "shift-100", colour, everybody("green"), 1.0), "green", how, meter, ())

    asyncio.run(go())
