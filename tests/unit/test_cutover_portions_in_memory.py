"""Whole cutovers in memory behind a router that does not know clients: new connections go by chance, and nobody is disconnected twice."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.cohort import everybody
from components.cutover.gates import Thresholds
from components.cutover.movers import Choice
from components.cutover.words import PARTS, Colour
from components.emqx.errors import GateFailed
from components.links.shift import Manner
from components.routers.base import Capabilities
from tests.unit.cutover_bed import QUIET, manner, up
from tests.unit.fake_world import UNFINISHED, Killed, World

pytestmark = [pytest.mark.unit, *UNFINISHED, pytest.mark.filterwarnings("ignore::ResourceWarning")]

SHARES = st.lists(st.integers(1, 99), max_size=3, unique=True).map(lambda some: [*sorted(some), 100])
PORTIONS = st.lists(st.integers(1, 99), max_size=3, unique=True).map(lambda some: (*map(float, sorted(some)), 100.0))
IDS = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=60, unique=True)
KICK, EVACUATION = Choice(mover="kick"), Choice(mover="evacuation", shuts=True)


class Blind(World):
    """Who connects goes by a throw of the dice."""

    def __init__(self, ids: list[str], chance: Random, **more: bool) -> None:
        super().__init__(ids, **more)
        self._chance = chance
        self.router.can = Capabilities("new-connections", keeps_seconds=3_600.0)

    def connect(self, one: str) -> None:
        colour: Colour = "green" if self._chance.random() * PARTS < self.router.parts else "blue"
        self.appear(one, colour)
        self.accepted[colour] += 1


def blind(ids: list[str], choice: Choice, seed: int = 1) -> Blind:
    return Blind(ids, Random(seed), evacuates=choice.mover == "evacuation")


def how(shares: list[int], choice: Choice, portions: tuple[float, ...], gates: Thresholds = QUIET) -> Manner:
    return manner(shares, gates=gates, mover=choice.model_copy(update={"portions": portions}))


@settings(max_examples=40, deadline=None)
@given(IDS, SHARES, PORTIONS, st.sampled_from([KICK, EVACUATION]), st.integers(0, 99))
def test_every_client_is_disconnected_exactly_once_and_nobody_before_the_whole_share_is_set(
    ids: list[str], shares: list[int], portions: tuple[float, ...], choice: Choice, seed: int
) -> None:
    world = blind(ids, choice, seed)
    early: list[str] = []

    def watched(one: str) -> None:
        early.extend([one] if world.router.parts < everybody("green") else [])
        lose(one)

    lose, world.disconnect = world.disconnect, watched  # type: ignore[method-assign]
    asyncio.run(up(world, how(shares, choice, portions), "a"))
    assert early == []
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}
    assert world.router.shares == sorted(world.router.shares)


@settings(max_examples=40, deadline=None)
@given(IDS, PORTIONS, st.sampled_from([KICK, EVACUATION]), st.lists(st.integers(1, 12), max_size=4))
def test_killed_anywhere_the_next_run_goes_on_and_nobody_is_disconnected_twice(
    ids: list[str], portions: tuple[float, ...], choice: Choice, kills: list[int]
) -> None:
    world, wanted = blind(ids, choice), how([30, 100], choice, portions)
    for number, kill in enumerate(kills):
        world.die_at = world.acts + kill
        try:
            asyncio.run(up(world, wanted, f"killed-{number}"))
        except Killed:
            continue
    world.die_at = None
    asyncio.run(up(world, wanted, "last"))
    assert set(world.at.values()) == {"green"}
    assert max(world.disconnects.values()) == 1


@pytest.mark.parametrize("choice", [KICK, EVACUATION], ids=["kick", "evacuation"])
def test_each_portion_has_come_back_before_the_next_one_goes(choice: Choice) -> None:
    world = blind([f"dev-{number}" for number in range(200)], choice)
    world.away_seconds = 3.0
    left_at: list[tuple[float, int]] = []
    lose = world.disconnect

    def watched(one: str) -> None:
        left_at.append((world.clock.now(), len(world.at)))
        lose(one)

    world.disconnect = watched  # type: ignore[method-assign]
    asyncio.run(up(world, how([100], choice, (20.0, 100.0)), "a"))
    gaps = [later - before for (before, _), (later, _) in pairwise(left_at)]
    first = gaps.index(max(gaps)) + 1
    assert max(gaps) >= world.away_seconds
    assert 20 <= first <= 40 + 50 + 1
    assert left_at[first][1] == 200
    assert set(world.at.values()) == {"green"}


@pytest.mark.parametrize("choice", [KICK, EVACUATION], ids=["kick", "evacuation"])
def test_a_portion_that_does_not_come_back_sends_its_clients_back_before_the_next_one_goes(choice: Choice) -> None:
    ids = [f"dev-{number}" for number in range(200)]
    world = blind(ids, choice)
    world.never = set(ids)
    gates = QUIET.model_copy(update={"clients_away_seconds": 5.0})
    with pytest.raises(GateFailed, match="clients_away"):
        asyncio.run(up(world, how([100], choice, (10.0, 100.0), gates), "a"))
    assert world.router.parts == everybody("blue")
    assert len(world.at) >= 140
    assert set(world.at.values()) == {"blue"}


def test_whoever_reconnects_by_himself_while_a_weight_holds_fails_no_gate() -> None:
    world = blind([f"dev-{number}" for number in range(200)], KICK)
    lose, ticks = world.disconnect, world.tick

    def restless(now: float) -> None:
        if 0 < world.router.parts < PARTS:
            for one in list(world.at)[:3]:
                lose(one)
        ticks(now)

    world.tick = restless  # type: ignore[method-assign]
    wanted = manner(
        [50, 100],
        mover=KICK.model_copy(update={"portions": (100.0,)}),
        gates=Thresholds(settle_seconds=1, connect_latency_p99_milliseconds=None),
    )
    asyncio.run(up(world, wanted, "a"))
    assert set(world.at.values()) == {"green"}
