"""Whole moves inside one cluster, killed at any act: the next run ends in the same place, nobody is moved twice, and every session has come along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.capabilities import NETWORK_LOAD_BALANCER
from components.cutover.evacuation import Evacuation
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


def blind(*, evacuates: bool) -> OneCluster:
    """Behind a balancer that weighs new connections."""
    world = asleep(evacuates=evacuates)
    world.router.can = NETWORK_LOAD_BALANCER
    return world


IN_PORTIONS = Choice(mover="evacuation", shuts=True, one_by_one="evacuation", portions=(30.0, 100.0))


def mover_of(world: OneCluster) -> Choice:
    known = world.router.can.cohorts
    return Choice(mover="close", shuts=world.member("blue").evacuates) if known else IN_PORTIONS


async def up(world: OneCluster, token: str, to: Colour = "green") -> None:
    """What the chain does after the nodes have joined."""
    run, how = world.run(token), manner([30, 100], mover=mover_of(world))
    opened = await open_run(run, to, ("blue", "green"), (), budget_per_second=50, keep_stale=False)
    if opened.direction != "nothing":
        for step in ("shift-30", "shift-100", "drain"):
            await carry_out(run, step, to, how, opened.direction)


@given(known=st.booleans(), evacuates=st.booleans(), acts=st.lists(st.integers(1, 40), max_size=3))
@settings(max_examples=60)
async def test_killed_anywhere_the_next_run_brings_everybody_and_every_session(
    known: bool, evacuates: bool, acts: list[int]
) -> None:
    world = asleep(evacuates=evacuates) if known else blind(evacuates=True)
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


@pytest.mark.parametrize(("make", "evacuates"), [(asleep, True), (asleep, False), (blind, True)])
async def test_back_and_there_again_takes_the_sessions_each_time(make: Any, evacuates: bool) -> None:
    world = make(evacuates=evacuates)
    ways: tuple[Colour, ...] = ("green", "blue", "green")
    for number, to in enumerate(ways, 1):
        await up(world, f"run-{number}", to)
        assert set(world.at.values()) == {to}
        assert len(world.sessions[to]) == SLEEPERS
        assert set(world.disconnects.values()) == {number}


async def test_a_portion_gives_its_sessions_to_the_new_nodes_alone() -> None:
    """Without names EMQX gives them to any other node, an old one among them."""
    world, asked = blind(evacuates=True), list[tuple[str, ...]]()
    member = world.member("blue")
    begin = member.evacuation_start

    async def noted(node: str, knobs: Evacuation, recipients: Sequence[str] = ()) -> bool:
        asked.append(tuple(recipients))
        return await begin(node, knobs, recipients)

    member.evacuation_start = noted  # type: ignore[method-assign]
    await up(world, "a")
    assert len(asked) >= 2
    assert set(asked) == {(world.apis["green"].node,)}


@pytest.mark.parametrize("make", [asleep, blind])
async def test_a_gate_that_fails_sends_everybody_back_with_their_sessions(make: Any) -> None:
    world = make(evacuates=make is blind)
    world.lost_at_a_move = 1
    run = world.run("a")
    how = manner([100], mover=mover_of(world), gates=QUIET.model_copy(update={"dropped_messages": 5}))
    opened = await open_run(run, "green", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
    with pytest.raises(GateFailed, match="gate dropped_messages during shift-100"):
        await carry_out(run, "shift-100", "green", how, opened.direction)
    assert set(world.at.values()) == {"blue"}
    assert len(world.sessions["blue"]) == SLEEPERS
