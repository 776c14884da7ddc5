"""A hold is honoured within two seconds of the run's own clock, whatever moves the clients just then, and what it stopped goes on afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.evacuation import Evacuation
from components.emqx.answers import EvacuationFacts
from components.emqx.errors import GateFailed, LeaseLost
from components.ledger.base import LEASE
from components.links.data_import import _waiting
from components.links.opening import open_run
from components.links.shift import carry_out
from components.movers.stilled import rebalances
from components.report.unwatched import unwatched
from components.routers.base import Capabilities
from components.run.orders import ABORT, HOLD, Order, written
from components.run.run import Clock, Run
from tests.unit.cutover_bed import CHOICES, EVACUATION, manner
from tests.unit.fake_world import UNFINISHED, World, fleet
from tests.unit.roll_api import RollApi
from tests.unit.roll_bed import EE_NEW, EE_OLD, RollWorld, whole

pytestmark = [pytest.mark.unit, *UNFINISHED]

MOST_SECONDS = 2.0
HELD_SECONDS = 300.0
"""Longer than any bound of a gate or a wait."""


class Place(Protocol):
    """What both worlds have."""

    journal: list[dict[str, Any]]
    disconnects: Any
    ledger: Any

    @property
    def clock(self) -> Clock: ...


@dataclass
class Ear:
    """A clock at whose ``since`` somebody holds the run; ``seen`` are the disconnects, by time, while it is held."""

    place: Place
    since: float
    ends_by: str = HOLD
    until: float = float("inf")

    def __post_init__(self) -> None:
        self.seen: list[tuple[float, int]] = []
        self._clock = self.place.clock

    def now(self) -> float:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        now, memory = self.now(), self.place.ledger.memory
        if now >= self.since and self.until == float("inf"):
            memory[HOLD] = written(Order(now, "ann", "the dashboard is red"))
            self.since, self.until = now, now + HELD_SECONDS
        elif self.until <= now and HOLD in memory:
            if self.ends_by == ABORT:
                memory[ABORT] = memory[HOLD]
            else:
                del memory[HOLD]
            self.until = now
        if HOLD in memory and ABORT not in memory:
            self.seen.append((now, sum(self.place.disconnects.values())))

    def honoured(self) -> None:
        """Nobody was moved from two seconds after the order until its end."""
        late = [count for at, count in self.seen if at >= self.since + MOST_SECONDS]
        assert self.seen[-1][0] >= self.since + HELD_SECONDS - 10, "it was held as long as somebody wanted"
        assert len(set(late)) == 1, late
        told = [one["t"] for one in self.place.journal if one["event"] == "hold"]
        assert len(told) == 1
        assert told[0] <= self.since + MOST_SECONDS


async def everything(run: Run, how: Any) -> None:
    opened = await open_run(run, "green", ("blue", "green"), ("sessions",), budget_per_second=50, keep_stale=False)
    for name in (*(step.name for step in how.steps), "drain"):
        await carry_out(run, name, "green", how, opened.direction)


def held(world: World, since: float, **more: Any) -> tuple[Ear, Run]:
    ear = Ear(world, world.clock.now() + since, **more)
    return ear, replace(world.run("a"), clock=ear)


@settings(max_examples=40)
@given(st.sampled_from(sorted(CHOICES)), st.floats(0.1, 9.0), st.integers(11, 60))
def test_whatever_moves_them_nobody_is_moved_two_seconds_after_a_hold(mover: str, since: float, budget: int) -> None:
    world = fleet(200, evacuates=mover != "ce")
    ear, run = held(world, min(since, 200 / budget / 2))
    asyncio.run(everything(run, manner([50, 100], budget=budget, mover=CHOICES[mover])))
    ear.honoured()
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}


def test_an_evacuation_that_is_held_is_stopped_and_goes_on_as_it_was() -> None:
    world = fleet(200)
    ear, run = held(world, 4.0)
    asyncio.run(everything(run, manner([100], budget=20, mover=EVACUATION)))
    ear.honoured()
    before, after = ear.seen[0][1], ear.seen[-1][1]
    assert 0 < before <= after < 200, "it had begun, and was not done"
    told = [one["event"] for one in world.journal if one["event"] in {"evacuation", "stilled", "begun-again"}]
    assert told[:3] == ["evacuation", "stilled", "begun-again"]
    assert not unwatched(world.journal), "whoever left was seen to"
    assert set(world.at.values()) == {"green"}
    assert world.apis["blue"].rate == 20, "the rate that it had before"


def test_one_whose_node_does_not_answer_is_stopped_once_it_does() -> None:
    world = fleet(200)
    ear, run = held(world, 4.0)
    blue = world.apis["blue"]

    class Deaf(Ear):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            blue.dead = self.since <= self.now() < self.since + 30 and HOLD in world.ledger.memory

    deaf = Deaf(world, ear.since)
    asyncio.run(everything(replace(run, clock=deaf), manner([100], budget=5, mover=EVACUATION)))
    late = {count for at, count in deaf.seen if at >= deaf.since + 30 + MOST_SECONDS}
    assert len(late) == 1
    assert set(world.at.values()) == {"green"}


def test_one_that_is_called_off_while_it_is_held_is_not_begun_again() -> None:
    world = fleet(200)
    ear, run = held(world, 4.0, ends_by=ABORT)
    with pytest.raises(
        GateFailed, match="it was called off by ann: the dashboard is red; all clients are back on blue"
    ):
        asyncio.run(everything(run, manner([100], budget=20, mover=EVACUATION)))
    ear.honoured()
    assert set(world.at.values()) == {"blue"}
    assert world.apis["blue"].rate is None, "it takes clients again"


@pytest.mark.usefixtures("probes")
@pytest.mark.parametrize("since", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("closes", [True, False])
async def test_a_roll_that_is_held_moves_nobody_and_then_ends_as_any_other(
    since: float, closes: bool, tmp_path: Path
) -> None:
    world = RollWorld([40, 40, 40], EE_OLD, evacuates=True)
    world.api = Gradual(world)
    world.router.can = Capabilities("client-id", closes_clients=closes)
    ear = Ear(world, world.clock.now() + since)
    rolling = world.rolling(tmp_path, EE_NEW, budget=10)
    done = await whole(replace(rolling, run=replace(rolling.run, clock=ear)))
    ear.honoured()
    assert len(done) == 4
    assert {one.release for one in world.nodes.values()} == {EE_NEW}
    held = [one for one in world.journal if one["event"] == "stilled"]
    assert bool(held) == (not closes and since < 4), "then it is a node that moves them"


async def test_an_import_that_has_begun_is_not_held_half_way_and_ends_with_the_lease() -> None:
    world = fleet(1)
    run = world.run("a")
    world.ledger.memory |= {LEASE: "a", HOLD: written(Order(1.0, "ann", "why"))}
    await _waiting(run, "an archive")(0.5)
    world.ledger.memory[LEASE] = "b"
    with pytest.raises(LeaseLost):
        await _waiting(run, "an archive")(1.0)


async def test_a_rebalance_that_is_held_is_stopped_and_begun_anew_by_whoever_waits_for_it() -> None:
    world = RollWorld([1, 1, 1], EE_OLD, evacuates=True)
    world.api.rebalances.append({"coordinator_node": "emqx@n2"})
    stopped: list[str] = []

    async def rebalance_stop(node: str) -> bool:
        stopped.append(node)
        world.api.rebalances.clear()
        return True

    world.api.rebalance_stop = rebalance_stop  # type: ignore[attr-defined]  # the world has none that lasts
    still = rebalances(world.run(), "blue")
    await still.stop()
    await still.stop()
    await still.start()
    assert stopped == ["emqx@n2"]
    assert [one["node"] for one in world.journal if one["event"] == "stilled"] == ["emqx@n2"]


class Gradual(RollApi):
    """Evacuates as EMQX does: so many a second, for as long as it is not stopped."""

    def __init__(self, world: RollWorld) -> None:
        super().__init__(world)
        self.evicting: dict[str, tuple[float, int]] = {}

    async def evacuation_start(self, node: str, knobs: Evacuation, recipients: Sequence[str] = ()) -> bool:
        self.world.act()
        assert set(recipients) == set(self.world.names) - {node}
        self.world.nodes[node].evacuates = True
        self.evicting[node] = (self.world.clock.now(), knobs.conn_evict_rate)
        return True

    async def evacuation_stop(self, node: str) -> bool:
        self.work()
        self.evicting.pop(node, None)
        return await super().evacuation_stop(node)

    async def live_connections(self, **_: Any) -> dict[str, int]:
        self.work()
        return await super().live_connections()

    async def evacuations(self, **_: Any) -> dict[str, EvacuationFacts]:
        self.work()
        loads = self.world.loads()
        found = await super().evacuations()
        return {
            name: facts.model_copy(update={"state": "evicting_conns"}) if loads[name] else facts
            for name, facts in found.items()
        }

    def work(self) -> None:
        for node, (since, rate) in self.evicting.items():
            seconds = int(self.world.clock.now() - since)
            for one in [at for at, name in self.world.at.items() if name == node][: seconds * rate]:
                self.world.disconnect(one)
            self.evicting[node] = (since + seconds, rate)
