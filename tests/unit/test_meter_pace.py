"""The step over a green that gets slow while clients come, and well again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from components.cutover.cohort import everybody
from components.cutover.evacuation import Evacuation
from components.cutover.facts import Thresholds
from components.emqx.models import ClusterHandle
from components.movers import kick
from components.movers.task import Task
from components.run.meter import Meter
from tests.unit.fake_world import UNFINISHED, World, fleet

pytestmark = [pytest.mark.unit, *UNFINISHED]

EVERYBODY = everybody("green")


class TestThePaceThatFollows:
    """Green gets slow while clients come, and well again: the step slows down and ends without a gate."""

    def moved(self, slow: range) -> World:
        world = fleet(900)
        looks = 0

        async def latency(_: ClusterHandle) -> float:
            nonlocal looks
            looks += 1
            return 700.0 if looks in slow else 1.0

        async def go() -> None:
            run = replace(world.run("a"), connect_milliseconds=latency)
            await run.begin({})
            world.was_at(EVERYBODY)
            meter = Meter(run, "shift-100", "green", EVERYBODY, Thresholds(), 100)
            await meter.baseline()
            await meter.watch_over(
                kick.carry_out(run, Task("shift-100", "blue", EVERYBODY, 100, Evacuation(), meter.moved, meter.notice))
            )

        asyncio.run(go())
        return world

    def test_it_halves_is_told_and_recovers(self) -> None:
        world = self.moved(range(2, 4))
        rates = [event["rate"] for event in world.journal if event["event"] == "pace"]
        assert rates == [50, 100]
        told = next(event for event in world.journal if event["event"] == "pace")
        assert (told["gate"], told["value"], told["budget"]) == ("connect_latency_p99_milliseconds", 700.0, 100)
        assert any("slower, 50/s of 100/s: connect_latency_p99_milliseconds is at 70%" in line for line in world.lines)
        assert set(world.at.values()) == {"green"}

    def test_fewer_clients_are_moved_in_each_second_while_it_is_slow(self) -> None:
        world = self.moved(range(2, 10_000))
        changes = [event["t"] for event in world.journal if event["event"] == "pace"]
        moves = [event for event in world.journal if event["event"] == "move"]
        late = [event["count"] for event in moves if event["t"] > changes[-1] + 1]
        assert late
        assert max(late) < max(event["count"] for event in moves)

    def test_a_green_that_is_well_is_filled_at_the_budget(self) -> None:
        assert not [event for event in self.moved(range(0)).journal if event["event"] == "pace"]
