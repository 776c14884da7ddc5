"""Whole moves inside one cluster, killed at any act: the next run ends in the same place, nobody is moved twice, and every session has come along."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.movers import Choice
from components.cutover.words import Colour
from components.emqx.errors import GateFailed
from components.ledger.base import drained
from components.links.opening import open_run
from components.links.shift import carry_out
from tests.unit.cutover_bed import QUIET, manner
from tests.unit.fake_world import UNFINISHED, Killed
from tests.unit.one_cluster_bed import OneCluster, offline

pytestmark = [pytest.mark.unit, *UNFINISHED]

CLIENTS, SLEEPERS = 20, 4


def asleep(*, evacuates: bool) -> OneCluster:
    world = OneCluster([f"dev-{number}" for number in range(CLIENTS)], evacuates=evacuates)
    world.sessions["blue"] = [offline(f"s-{number}") for number in range(SLEEPERS)]
    return world


async def up(world: OneCluster, token: str, to: Colour = "green") -> None:
    """What the chain does after the nodes have joined."""
    mover = Choice(mover="close", shuts=world.member("blue").evacuates)
    run, how = world.run(token), manner([30, 100], mover=mover)
    opened = await open_run(run, to, ("blue", "green"), (), budget_per_second=50, keep_stale=False)
    if opened.direction != "nothing":
        for step in ("shift-30", "shift-100", "drain"):
            await carry_out(run, step, to, how, opened.direction)


@given(evacuates=st.booleans(), acts=st.lists(st.integers(1, 40), max_size=3))
@settings(max_examples=40)
async def test_killed_anywhere_the_next_run_brings_everybody_and_every_session(
    evacuates: bool, acts: list[int]
) -> None:
    world = asleep(evacuates=evacuates)
    for number, act in enumerate(acts):
        world.acts, world.die_at = 0, act
        try:
            await up(world, f"killed-{number}")
        except Killed:
            continue
    world.die_at = None
    await up(world, "last")
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}
    assert {one.clientid for one in world.sessions["green"]} == {f"s-{number}" for number in range(SLEEPERS)}
    assert not world.sessions.get("blue")
    assert drained(world.ledger.memory) == "blue"
    await up(world, "again")
    assert set(world.disconnects.values()) == {1}


@pytest.mark.parametrize("evacuates", [True, False])
async def test_back_and_there_again_takes_the_sessions_each_time(evacuates: bool) -> None:
    world = asleep(evacuates=evacuates)
    ways: tuple[Colour, ...] = ("green", "blue", "green")
    for number, to in enumerate(ways, 1):
        await up(world, f"run-{number}", to)
        assert set(world.at.values()) == {to}
        assert len(world.sessions[to]) == SLEEPERS
        assert set(world.disconnects.values()) == {number}


async def test_a_gate_that_fails_sends_everybody_back_with_their_sessions() -> None:
    world = asleep(evacuates=False)
    world.lost_at_a_move = 1
    run = world.run("a")
    how = manner([100], mover=Choice(mover="close"), gates=QUIET.model_copy(update={"dropped_messages": 5}))
    opened = await open_run(run, "green", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
    with pytest.raises(GateFailed, match="gate dropped_messages during shift-100"):
        await carry_out(run, "shift-100", "green", how, opened.direction)
    assert set(world.at.values()) == {"blue"}
    assert len(world.sessions["blue"]) == SLEEPERS
