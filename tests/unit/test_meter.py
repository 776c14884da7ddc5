"""The eye of a step over devices that pause, an old colour that is silent, holds, and evacuations that wait or are slow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.arrival import Before, measured_percent, on_their_way
from components.cutover.evacuation import Evacuation
from components.cutover.facts import Thresholds
from components.emqx.answers import NodeFacts
from components.emqx.errors import GateFailed, GaveUp, Unreachable
from components.movers import kick
from components.movers.evacuation import evacuate
from components.movers.task import Task
from components.run.meter import Meter
from components.run.moved import Moved
from components.run.run import Run
from tests.unit.fake_api import FakeApi
from tests.unit.fake_world import UNFINISHED, World, fleet

pytestmark = [pytest.mark.unit, *UNFINISHED]

EVERYBODY = 10_000
DEFAULT = Thresholds()


async def leased(world: World) -> Run:
    run = world.run("a")
    await run.begin({})
    return run


async def moved_by_kicks(world: World, percent: float, budget: int = 50, gates: Thresholds = DEFAULT) -> Meter:
    """One step of kicks, as a share step does it."""
    run = await leased(world)
    parts = round(percent * 100)
    meter = Meter(run, "shift", "green", parts, gates, budget)
    await meter.baseline()
    await run.set_share(parts)
    await meter.watch_over(
        kick.carry_out(run, Task("shift", "blue", parts, budget, Evacuation(), meter.moved, meter.notice))
    )
    return meter


async def emptied(world: World, knobs: Evacuation, budget: int = 50, limit_seconds: float = 1.0) -> Meter:
    """The last step with node evacuation."""
    run = await leased(world)
    meter = Meter(run, "drain", "green", EVERYBODY, Thresholds(), budget)
    await meter.baseline()
    await run.set_share(EVERYBODY)
    await meter.watch_over(
        evacuate(run, Task("drain", "blue", EVERYBODY, budget, knobs, meter.moved, meter.notice), limit_seconds)
    )
    return meter


class TestDevicesThatBackOff:
    """Moved clients pause before they connect again; they are on their way, not lost, for as long as the bound says."""

    @pytest.mark.parametrize("pause", [5.0, 30.0, 60.0, 100.0])
    @pytest.mark.parametrize("percent", [2, 10, 50, 100])
    def test_a_pause_of_a_minute_fails_no_gate_and_the_step_waits_for_them(self, pause: float, percent: float) -> None:
        world = fleet(300, evacuates=False)
        world.away_seconds = pause
        meter = asyncio.run(moved_by_kicks(world, percent))
        arrived = sum(colour == "green" for colour in world.at.values())
        assert arrived >= 0.9 * meter.moved.count
        assert set(world.disconnects.values()) == {1}

    def test_those_who_never_come_back_fail_by_their_own_bound(self) -> None:
        world = fleet(300, evacuates=False)
        world.away_seconds = 1e9
        began = world.clock.now()
        with pytest.raises(GateFailed, match=r"clients_away_fraction during shift.*not come 120 s after"):
            asyncio.run(moved_by_kicks(world, 10))
        assert world.clock.now() - began < 140

    def test_a_long_move_is_not_continued_while_nobody_arrives(self) -> None:
        world = fleet(3_000, evacuates=False)
        world.away_seconds = 1e9
        with pytest.raises(GateFailed, match="clients_away_fraction"):
            asyncio.run(moved_by_kicks(world, 100, budget=10))
        assert len(world.disconnects) < 1_500

    def test_with_the_gate_off_the_step_goes_on_when_the_share_is_right(self) -> None:
        world = fleet(300, evacuates=False)
        world.away_seconds = 1e9
        asyncio.run(moved_by_kicks(world, 10, gates=Thresholds(clients_away_fraction=None)))

    @given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
    def test_nobody_is_on_the_way_who_was_not_moved_or_is_there(
        self, before: int, old: int, here: int, there: int, moved: int
    ) -> None:
        counted = Before(before, old, 0)
        away = on_their_way(counted, here, moved)
        assert away is not None
        assert 0 <= away <= moved
        measured = measured_percent(counted, here, there, moved)
        assert measured is None or 0 <= measured <= 100
        if here + there >= before + old and here + there:
            assert measured == 100 * here / (here + there)

    def test_moved_clients_that_are_on_the_old_colour_again_do_not_count_for_the_new_one(self) -> None:
        assert measured_percent(Before(0, 100, 10), 0, 100, 10) == 0
        assert measured_percent(Before(0, 100, 10), 0, 90, 10) == 10


class TestOldColourIsSilent:
    """What only the old colour could tell is unknown, and the new colour is judged by itself."""

    async def held(self, world: World, seconds: float) -> None:
        meter = Meter(await leased(world), "hold-1", "green", EVERYBODY, Thresholds(), 50)
        await meter.baseline()
        world.apis["blue"].dead = True
        await meter.watch_over(meter.hold(seconds), moving=False)

    def test_a_hold_goes_on(self) -> None:
        world = fleet(50)
        world.was_at(EVERYBODY)
        for one in list(world.at):
            world.disconnect(one)
        asyncio.run(self.held(world, 300))
        assert not [event for event in world.journal if event["event"] == "gate"]

    def test_also_when_it_was_silent_before_the_step(self) -> None:
        world = fleet(50)
        world.apis["blue"].dead = True
        asyncio.run(self.held(world, 300))

    def test_the_new_colours_own_silence_still_fails(self) -> None:
        world = fleet(50)
        world.apis["green"].dead = True
        with pytest.raises(GateFailed, match="could not be"):
            asyncio.run(self.held(world, 300))

    def test_an_evacuation_that_cannot_be_watched_ends_by_its_own_bound_and_is_no_gates(self) -> None:
        class Dies(FakeApi):
            async def evacuation_start(self, node: str, knobs: Evacuation, *_: Any) -> bool:
                started = await super().evacuation_start(node, knobs)
                self.dead = True
                return started

        world = fleet(50)
        world.apis["blue"] = Dies(world, "blue", evacuates=True)
        with pytest.raises(GaveUp, match="draining blue"):
            asyncio.run(emptied(world, Evacuation()))


class TestEvacuation:
    """Its waits are no stall, and its own rates bound it."""

    @pytest.mark.parametrize("seconds", [1, 60, 600])
    def test_waiting_for_the_health_check_is_no_stall(self, seconds: int) -> None:
        world = fleet(100)
        meter = asyncio.run(emptied(world, Evacuation(wait_health_check_seconds=seconds)))
        assert set(world.at.values()) == {"green"}
        assert (meter.moved.count, meter.moved.to_move) == (100, 100)

    def test_a_slow_rate_gets_the_time_that_it_needs(self) -> None:
        world = fleet(3_000)
        asyncio.run(emptied(world, Evacuation(conn_evict_rate=2)))
        assert set(world.at.values()) == {"green"}

    def test_a_slow_evacuation_of_somebody_else_is_adopted_and_waited_for(self) -> None:
        world = fleet(1_000)
        world.was_at(EVERYBODY)
        slow = Evacuation(wait_health_check_seconds=300, conn_evict_rate=1)
        asyncio.run(world.apis["blue"].evacuation_start("emqx@blue", slow))
        asyncio.run(emptied(world, Evacuation()))
        assert set(world.at.values()) == {"green"}

    def test_one_that_evicts_nobody_is_a_stall(self) -> None:
        class Stuck(World):
            def tick(self, now: float) -> None:
                """EMQX's own clock stands still."""

        world = Stuck([f"dev-{number}" for number in range(100)])
        with pytest.raises(GateFailed, match="seconds at 0 of 100 clients"):
            asyncio.run(emptied(world, Evacuation()))

    def test_the_journal_has_the_name_of_the_step(self) -> None:
        world = fleet(20)

        async def go() -> None:
            run = await leased(world)
            await run.set_share(EVERYBODY)
            task = Task("shift-100", "blue", EVERYBODY, 50, Evacuation(), Moved(), lambda: None)
            await evacuate(run, task, 60)

        asyncio.run(go())
        assert {event["step"] for event in world.journal if event["event"] == "move"} == {"shift-100"}


def test_a_hold_shows_the_seconds_that_are_left_of_it() -> None:
    world = fleet(20)
    world.was_at(EVERYBODY)
    for one in list(world.at):
        world.disconnect(one)

    async def held() -> None:
        meter = Meter(await leased(world), "hold-1", "green", EVERYBODY, Thresholds(), 50)
        await meter.baseline()
        await meter.watch_over(meter.hold(30), moving=False)

    asyncio.run(held())
    left = [float(line.rpartition("; ")[2].removesuffix(" s left")) for line in world.lines]
    assert len(left) > 4
    assert 20 < left[0] <= 30
    assert left == sorted(left, reverse=True)


def test_two_facts_that_are_missing_in_turn_end_a_gate_step_by_its_own_bound() -> None:
    world = fleet(20)
    meter = Meter(world.run("a"), "gate-1", "green", 0, Thresholds(gate_seconds=60, unknown_seconds=30), 10)
    looks = 0

    class Turning(FakeApi):
        def out(self, turn: int) -> None:
            if self.colour == "green" and looks % 2 == turn:
                raise Unreachable("asking", node=self.node, seen="nothing", todo="wait")

        async def nodes(self, **more: Any) -> tuple[NodeFacts, ...]:
            nonlocal looks
            looks += self.colour == "green"
            self.out(0)
            return await super().nodes(**more)

        async def metrics(self, **more: Any) -> dict[str, int]:
            self.out(1)
            return await super().metrics(**more)

    world.apis["green"] = Turning(world, "green", evacuates=True)
    world.ledger.memory["run"] = "a"
    with pytest.raises(GateFailed, match=r"gate-1 on green: after 60 s there was no moment .*gateSeconds"):
        asyncio.run(meter.all_known())
    assert looks > 30
