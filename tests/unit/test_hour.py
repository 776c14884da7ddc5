"""The hour for which a balancer keeps connections of before, watched while a run goes on: a pause or a kill that takes too much of it is told, and cuts nobody off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from components.cutover.movers import Choice
from components.cutover.portions import Weighed
from components.cutover.steps import parse_steps
from components.cutover.words import PARTS
from components.emqx.errors import GateFailed, Refused
from components.ledger.base import WEIGHED_AT
from components.links.opening import open_run
from components.links.shift import Manner, carry_out
from components.routers.base import Capabilities
from components.run.hour import SOON_SECONDS, beginning, ends_at
from components.run.orders import HOLD, Order, written
from components.run.run import Run
from tests.unit.cutover_bed import manner
from tests.unit.fake_world import UNFINISHED, World

pytestmark = [pytest.mark.unit, *UNFINISHED]

HOUR = 3_600.0
CLIENTS = 200
ORDER = Order(1_000.0, "ann", "the dashboard is red")
HOW = manner([30, 100], mover=Choice(mover="kick", portions=(20.0, 100.0)))
NEEDS = HOW.rest.most_seconds(CLIENTS)
WHOLE = Weighed(
    steps=parse_steps([{"share": 30}, {"share": 100}]), portions=(20.0, 100.0), mover="kick", budget_per_second=50
)


def blind() -> World:
    """Who connects goes by chance; connections of before a change live for an hour."""
    world, chance = World([f"dev-{number}" for number in range(CLIENTS)]), Random(1)
    world.router.can = Capabilities("new-connections", keeps_seconds=HOUR)

    def connect(one: str) -> None:
        world.appear(one, "green" if chance.random() * PARTS < world.router.parts else "blue")
        world.accepted["green"] += 1

    world.connect = connect  # type: ignore[method-assign]
    return world


class Watched:
    """A clock that tells how time goes by."""

    def __init__(self, world: World, at: Callable[[float], None]) -> None:
        self._world, self._at = world, at

    def now(self) -> float:
        return self._world.clock.now()

    async def sleep(self, seconds: float) -> None:
        self._at(self.now())
        await self._world.clock.sleep(seconds)


def paused(world: World, at: Callable[[str, Any], bool], left_seconds: float) -> Run:
    """A run that somebody holds once ``at`` something that it writes down, and lets go when so much of the hour is left."""

    def record(event: str, **facts: Any) -> None:
        world.journal.append({"event": event, **facts})
        if at(event, facts):
            world.ledger.memory[HOLD] = written(ORDER)

    def resume(now: float) -> None:
        ends = ends_at(world.ledger.memory, HOUR, now)
        if HOLD in world.ledger.memory and (ends is None or ends - now <= left_seconds):
            del world.ledger.memory[HOLD]

    return replace(world.run("a"), record=record, clock=Watched(world, resume))


async def forward(run: Run, how: Manner = HOW) -> None:
    opened = await open_run(
        run, "green", ("blue", "green"), ("sessions",), budget_per_second=50, keep_stale=False, weighed=WHOLE
    )
    for step in how.steps:
        await carry_out(run, step.name, "green", how, opened.direction)
    await carry_out(run, "drain", "green", how, opened.direction)


def first_weights(event: str, facts: Any) -> bool:
    return event == "step" and facts["name"] == "shift-30" and facts["phase"] == "end"


def test_a_pause_that_leaves_too_little_of_the_hour_sends_everybody_back_before_anybody_was_moved() -> None:
    world = blind()
    with pytest.raises(
        GateFailed, match=r"200 clients are on blue.*ends connections of before at .* UTC.*another hour"
    ):
        asyncio.run(forward(paused(world, first_weights, NEEDS - 5)))
    assert world.router.parts == 0
    assert set(world.at.values()) == {"blue"}
    assert not world.disconnects
    asyncio.run(forward(world.run("b")))
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}


def test_a_pause_that_leaves_enough_changes_nothing_and_whoever_holds_it_is_told_in_time() -> None:
    world = blind()
    asyncio.run(forward(paused(world, first_weights, NEEDS + 60)))
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}
    (held,) = [line for line in world.lines if line.startswith("held by ann: the dashboard is red; `make resume`")]
    assert held.endswith("UTC, in 60 min")
    assert [
        line for line in world.lines if f"in {SOON_SECONDS / 60:.0f} min: `make resume` or `make abort` before" in line
    ]


def test_behind_the_whole_share_it_goes_on_and_says_whom_the_balancer_may_cut_off() -> None:
    def first_portion(event: str, facts: Any) -> bool:
        return event == "move" and sum(one["event"] == "move" for one in world.journal) == 1

    world = blind()
    asyncio.run(forward(paused(world, first_portion, 5.0)))
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}
    assert [line for line in world.lines if line.startswith("shift-100: ") and "is cut off at once" in line]


@pytest.mark.parametrize(("gone", "refused"), [(60.0, False), (HOUR - NEEDS, True), (HOUR + 1, False)])
def test_a_run_that_goes_on_needs_what_is_left_or_the_next_hour(gone: float, refused: bool) -> None:
    async def half() -> None:
        run = world.run("a")
        opened = await open_run(
            run, "green", ("blue", "green"), ("sessions",), budget_per_second=50, keep_stale=False, weighed=WHOLE
        )
        await carry_out(run, "shift-30", "green", HOW, opened.direction)

    world = blind()
    asyncio.run(half())
    world.clock.time += gone
    if refused:
        with pytest.raises(Refused, match=r"going on with the cutover.*run pulumi up again after that moment"):
            asyncio.run(forward(world.run("b")))
        return
    asyncio.run(forward(world.run("b")))
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}


def test_an_hour_goes_on_until_it_is_over_or_everybody_goes_the_other_way() -> None:
    begun = beginning({}, HOUR, "green", 1_000.0)
    memory = {WEIGHED_AT: str(begun[WEIGHED_AT])}
    assert ends_at(memory, HOUR, 1_000.0) == 4_600.0
    assert beginning(memory, HOUR, "green", 4_599.0) == {}
    assert beginning(memory, HOUR, "blue", 4_599.0) == {WEIGHED_AT: "blue 4599.000"}
    assert ends_at(memory, HOUR, 4_600.0) is None
    assert beginning(memory, HOUR, "green", 4_600.0) == {WEIGHED_AT: "green 4600.000"}
    assert beginning({}, None, "green", 1.0) == {}
    assert ends_at(memory, None, 1_000.0) is None
