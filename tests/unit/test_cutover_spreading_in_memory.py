"""Whole cutovers in memory behind a router whose share reaches devices by answers that others keep: nobody is moved who may be told the share of before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.cohort import everybody
from components.cutover.gates import Thresholds
from components.cutover.movers import Choice
from components.cutover.words import PARTS, Colour
from components.emqx.errors import GateFailed, NotNow
from components.ledger.base import SPREADS_UNTIL
from components.links.shift import Manner
from components.routers.base import Capabilities, Spreads
from components.run.run import IN_SYNC_SECONDS
from tests.fake_balancer import FakeRouter
from tests.unit.cutover_bed import QUIET, manner, up
from tests.unit.fake_world import UNFINISHED, Killed, World

pytestmark = [pytest.mark.unit, *UNFINISHED, pytest.mark.filterwarnings("ignore::ResourceWarning")]

TTL, TIMES, SYNC = 4.0, 3.0, 6.0
"""How long a resolver keeps an answer, how often that is waited for, and how long the name servers take."""


class Names(FakeRouter):
    """A share that is told by name servers some time later, and by resolvers that keep it."""

    world: World
    changes: list[tuple[float, int]]
    due: float | None = None
    syncs = True

    async def set_share(self, parts: int) -> None:
        if self.in_force[0] != parts:
            self.changes.append((self.world.clock.now(), parts))
            self.due = self.world.clock.now() + SYNC
        await super().set_share(parts)

    async def in_sync(self) -> float | None:
        if self.due is None:
            return 0.0
        if not self.syncs or self.world.clock.now() < self.due:
            return None
        self.due = None
        return TTL * TIMES


class Resolved(World):
    """Who connects goes by an answer that is up to a TTL old, of a name server that is up to date or about to be."""

    def __init__(self, ids: Sequence[str], chance: Random, **more: bool) -> None:
        super().__init__(ids, **more)
        self._chance = chance
        acting, closed = self.router.acting, self.router.closed
        self.names = Names(self.ledger, acting=acting, closed=closed, in_force=[0])
        self.names.can = Capabilities("new-connections", spread_seconds=TTL * TIMES)
        self.names.world, self.names.changes = self, []
        self.router = self.names

    def connect(self, one: str) -> None:
        asked = self.clock.now() - self._chance.uniform(0, SYNC + TTL)
        told = [parts for at, parts in self.names.changes if at <= asked]
        colour: Colour = "green" if self._chance.random() * PARTS < (told[-1] if told else 0) else "blue"
        self.appear(one, colour)
        self.accepted[colour] += 1


def world_of(clients: int, mover: str = "kick", seed: int = 1) -> Resolved:
    return Resolved([f"dev-{number}" for number in range(clients)], Random(seed), evacuates=mover == "evacuation")


def how(mover: str, portions: tuple[float, ...] = (30.0, 100.0), gates: Thresholds = QUIET) -> Manner:
    choice = Choice(mover="evacuation", shuts=True) if mover == "evacuation" else Choice(mover="kick")
    return manner([30, 100], gates=gates, mover=choice.model_copy(update={"portions": portions}))


@pytest.mark.parametrize("mover", ["kick", "evacuation"])
@pytest.mark.parametrize("portions", [(30.0, 100.0), (100.0,)])
def test_nobody_is_moved_who_could_be_told_the_share_of_before(mover: str, portions: tuple[float, ...]) -> None:
    world = world_of(30, mover)
    assert isinstance(world.router, Spreads)
    asyncio.run(up(world, how(mover, portions), "a"))
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}
    assert [parts for _, parts in world.names.changes] == [3_000, 10_000]
    waits = [event["seconds"] for event in world.journal if event["event"] == "spread"]
    assert len(waits) == 2
    assert all(TTL * TIMES - 5 < seconds <= TTL * TIMES for seconds in waits)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(["kick", "evacuation"]), st.lists(st.integers(1, 12), max_size=2), st.integers(0, 99))
def test_killed_anywhere_the_next_run_waits_for_the_rest_and_nobody_is_disconnected_twice(
    mover: str, kills: list[int], seed: int
) -> None:
    world = world_of(20, mover, seed)
    for number, kill in enumerate(kills):
        world.die_at = world.acts + kill
        try:
            asyncio.run(up(world, how(mover), f"killed-{number}"))
        except Killed:
            world.names.due = None  # who has made the change is gone
    world.die_at = None
    asyncio.run(up(world, how(mover), "last"))
    assert set(world.at.values()) == {"green"}
    assert max(world.disconnects.values()) == 1


def test_a_run_that_dies_right_after_its_change_leaves_word_how_long_the_next_one_has_to_wait() -> None:
    world = world_of(20)
    set_share = world.names.set_share

    async def dies(parts: int) -> None:
        await set_share(parts)
        if parts == PARTS:
            raise Killed

    world.names.set_share = dies  # type: ignore[method-assign]
    with pytest.raises(Killed):
        asyncio.run(up(world, how("kick"), "a"))
    changed = world.names.changes[-1][0]
    assert float(world.ledger.memory[SPREADS_UNTIL]) >= changed + IN_SYNC_SECONDS + TTL * TIMES - 1
    world.names.set_share, world.names.due = set_share, None  # type: ignore[method-assign]
    asyncio.run(up(world, how("kick"), "b"))
    assert set(world.disconnects.values()) == {1}


def test_name_servers_that_never_have_the_change_end_the_update_before_anybody_is_moved() -> None:
    world = world_of(20)
    world.names.syncs = False
    with pytest.raises(NotNow, match="not every name server has the change"):
        asyncio.run(up(world, how("kick"), "a"))
    assert sum(world.disconnects.values()) == 0


def test_a_gate_that_fails_waits_before_it_sends_anybody_back() -> None:
    world = world_of(200)
    world.never = set(world.at)
    gates = QUIET.model_copy(update={"clients_away_seconds": 5.0})
    with pytest.raises(GateFailed, match="clients_away"):
        asyncio.run(up(world, how("kick", (10.0, 100.0), gates), "a"))
    assert world.router.parts == everybody("blue")
    assert [event["step"] for event in world.journal if event["event"] == "spread"][-1] == "send-back"
    assert set(world.at.values()) == {"blue"}
