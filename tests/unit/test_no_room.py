"""A step whose clients green has no room for is refused before the first of them is sent there."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.cohort import everybody, moves
from components.cutover.facts import Thresholds
from components.emqx.errors import Refused
from tests.unit.cutover_bed import CLOSE, manner, up
from tests.unit.fake_world import UNFINISHED, World

UNGATED = Thresholds(connect_latency_p99_milliseconds=None, license_headroom_fraction=None)
"""The gate of the licence would send everybody back before: it is for what comes beside the cutover."""
pytestmark = [pytest.mark.unit, *UNFINISHED]


@settings(max_examples=50, deadline=None)
@given(
    clients=st.integers(1, 60),
    licensed=st.integers(1, 60),
    shares=st.lists(st.integers(1, 99), max_size=3, unique=True),
)
def test_green_is_never_sent_more_clients_than_it_has_room_for(clients: int, licensed: int, shares: list[int]) -> None:
    world = World([f"dev-{number}" for number in range(clients)], evacuates=False)
    world.apis["green"].licensed = licensed
    steps, most = [*sorted(shares), 100], 0
    connect = world.connect

    def counted(one: str) -> None:
        nonlocal most
        connect(one)
        most = max(most, sum(colour == "green" for colour in world.at.values()))

    world.connect = counted  # type: ignore[method-assign]
    refusal = pytest.raises(Refused, match="nobody of them was sent there") if clients > licensed else nullcontext()
    with refusal:
        asyncio.run(up(world, manner(steps, mover=CLOSE, gates=UNGATED), "a"))
    assert (set(world.at.values()) == {"green"}) == (clients <= licensed)
    assert most <= licensed
    assert max(world.disconnects.values(), default=0) <= 1


def test_once_there_is_room_the_next_run_goes_on_where_it_was() -> None:
    world = World([f"dev-{number}" for number in range(60)], evacuates=False)
    world.apis["green"].licensed = 40
    how = manner([25, 100], mover=CLOSE, gates=UNGATED)
    with pytest.raises(Refused, match="has room for"):
        asyncio.run(up(world, how, "a"))
    here = {one for one, colour in world.at.items() if colour == "green"}
    assert here == {one for one in world.at if moves(one, "green", 2_500)}
    world.apis["green"].licensed = 60
    asyncio.run(up(world, how, "b"))
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}


def test_within_one_cluster_a_move_needs_no_more_room() -> None:
    world = World([f"dev-{number}" for number in range(10)], evacuates=False)
    world.apis["green"].licensed = 1
    world.was_at(everybody("blue"))
    run = world.run
    world.run = lambda token: replace(run(token), scope="colour")  # type: ignore[method-assign]
    asyncio.run(up(world, manner([100], mover=CLOSE, gates=UNGATED), "a"))
    assert set(world.at.values()) == {"green"}
