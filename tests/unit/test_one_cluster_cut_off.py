"""A move inside one cluster that is cut off in every way that there is, turned round, and cut off again: it ends where the stack says, with every session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.movers import Choice
from components.cutover.words import COLOURS, Colour
from components.ledger.base import drained
from components.links.opening import open_run
from components.links.shift import carry_out
from components.run.run import Run
from tests.unit.cut_off_bed import ENDS, WAYS, troubled
from tests.unit.cutover_bed import manner
from tests.unit.fake_world import UNFINISHED, Killed
from tests.unit.one_cluster_bed import OneCluster, offline

pytestmark = [pytest.mark.unit, *UNFINISHED]

CLIENTS, SLEEPERS = 12, 4


class Cut(OneCluster):
    """Before its act number ``at`` something happens, once."""

    def __init__(self, *, evacuates: bool) -> None:
        super().__init__([f"dev-{number}" for number in range(CLIENTS)], evacuates=evacuates)
        self.sessions["blue"] = [offline(f"s-{number}") for number in range(SLEEPERS)]
        self.begin(0, lambda _: None)

    def begin(self, at: int, happens: Callable[[Cut], None]) -> None:
        self.acts, self.at_act, self.happens = 0, at, happens
        self.cancelled = self.full = self.gone = False

    def act(self) -> None:
        self.acts += 1
        if self.acts == self.at_act:
            self.happens(self)

    def run(self, token: str) -> Run:
        router = replace(self.router)
        router.in_force, router.states, router.held = self.router.in_force, self.router.states, self.router.held
        return troubled(self, super().run(token), router)


def killed(_: object) -> None:
    raise Killed


EACH: Mapping[str, Callable[[Cut], None]] = {"killed": killed, **WAYS}


async def up(world: Cut, token: str, to: Colour) -> None:
    """What the chain does after the nodes have joined."""
    mover = Choice(mover="close", shuts=world.member("blue").evacuates)
    run, how = world.run(token), manner([30, 100], mover=mover)
    opened = await open_run(run, to, ("blue", "green"), (), budget_per_second=50, keep_stale=False)
    if opened.direction != "nothing":
        for step in ("shift-30", "shift-100", "drain"):
            await carry_out(run, step, to, how, opened.direction)


async def cut(world: Cut, number: int, way: str, act: int, to: Colour) -> bool:
    """Whether the update was cut off; what it does after that is nothing."""
    world.begin(act, EACH[way])
    try:
        await up(world, f"cut-{number}", to)
    except (Killed, *ENDS):
        assert world.acts < act + SLEEPERS, "it went on after the portion that it was in"
        return True
    finally:
        world.begin(0, lambda _: None)
    return False


ONE_CUT = st.tuples(st.sampled_from(sorted(EACH)), st.integers(1, 30), st.sampled_from(COLOURS))


@given(evacuates=st.booleans(), cuts=st.lists(ONE_CUT, min_size=1, max_size=4))
@settings(max_examples=80)
async def test_cut_off_and_flipped_anywhere_the_last_update_brings_everybody_and_every_session(
    evacuates: bool, cuts: list[tuple[str, int, Colour]]
) -> None:
    world = Cut(evacuates=evacuates)
    turns, last = 0, "blue"
    for number, (way, act, to) in enumerate(cuts):
        turns, last = turns + (to != last), to
        await cut(world, number, way, act, to)
    await up(world, "last", "green")
    turns += last != "green"
    assert set(world.at.values()) == {"green"}
    assert max(world.disconnects.values(), default=0) <= turns, "once for each turn"
    assert {one.clientid for one in world.sessions.get("green", [])} == {f"s-{number}" for number in range(SLEEPERS)}
    assert not world.sessions.get("blue")
    assert drained(world.ledger.memory) == "blue"


@pytest.mark.parametrize("evacuates", [False, True])
@pytest.mark.parametrize("way", sorted(EACH))
async def test_it_can_be_cut_off_in_this_way_and_goes_on(way: str, evacuates: bool) -> None:
    cuts = 0
    for act in range(1, 12):
        world = Cut(evacuates=evacuates)
        cuts += await cut(world, 0, way, act, "green")
        await up(world, "last", "green")
        assert set(world.disconnects.values()) == {1}
        assert len(world.sessions["green"]) == SLEEPERS
    assert cuts >= 4, "or nothing was tried"
