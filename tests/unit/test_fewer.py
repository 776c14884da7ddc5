"""Nodes that are declared no more: nobody is on one that is stopped, nobody loses more than one connection, and what cannot be done leaves all in service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from components.cutover.evacuation import Evacuation
from components.emqx.errors import GaveUp, Refused
from components.links.fewer import Going, let_go
from tests.unit.fake_world import UNFINISHED, Killed
from tests.unit.roll_api import RollApi
from tests.unit.roll_bed import RollWorld

pytestmark = [pytest.mark.unit, *UNFINISHED]
CLIENTS = (20, 20, 20)


def going(world: RollWorld, stay: int = 2, **more: Any) -> Going:
    @asynccontextmanager
    async def of_nodes(names: Sequence[str]) -> AsyncIterator[Any]:
        yield RollApi(world, names)

    names = [f"emqx@n{number + 1}" for number in range(len(CLIENTS))]
    return Going(
        colour="blue",
        names=names[stay:],
        stay=names[:stay],
        of_nodes=of_nodes,
        keeper=world.keeper,
        budget_per_second=50,
        knobs=Evacuation(),
        sessions_may_end=more.get("sessions_may_end", False),
    )


@pytest.mark.parametrize("stay", [2, 1])
async def test_clients_go_first_to_those_that_stay_then_the_nodes_leave(stay: int) -> None:
    world = RollWorld(CLIENTS)
    facts = await let_go(world.run(), going(world, stay))
    gone = [f"emqx@n{number + 1}" for number in range(stay, len(CLIENTS))]
    assert sorted(world.nodes) == [f"emqx@n{number + 1}" for number in range(stay)]
    assert world.keeper.calls == [("stop", one) for one in gone] + [("set aside", one) for one in gone]
    assert len(world.at) == sum(CLIENTS)
    assert max(world.disconnects.values()) == 1
    assert facts["moved"]["close"] == 20 * len(gone)
    assert world.lines[-1] == f"left the cluster of blue: {', '.join(gone)}"


async def test_who_does_not_pass_the_balancer_keeps_its_node_and_it_is_back_in_service() -> None:
    world = RollWorld(CLIENTS)
    world.direct = {next(one for one, node in world.at.items() if node == "emqx@n3")}
    with pytest.raises(GaveUp, match="1 are still connected and do not pass the balancer"):
        await let_go(world.run(), going(world))
    assert world.keeper.calls == []
    assert {*world.router.states.values()} == {"ready"}


async def test_sessions_of_clients_that_are_away_are_not_ended_unasked() -> None:
    world = RollWorld(CLIENTS)
    world.offline = {"sleeps": "emqx@n3"}
    with pytest.raises(Refused, match="letting emqx@n3 leave the cluster of blue") as refused:
        await let_go(world.run(), going(world))
    assert "1 sessions are on it" in str(refused.value)
    assert "declare these nodes again, or give the sessions up" in str(refused.value)
    assert world.keeper.calls == []
    assert {*world.router.states.values()} == {"ready"}
    await let_go(world.run("again"), going(world, sessions_may_end=True))
    assert "emqx@n3" not in world.nodes


@pytest.mark.parametrize("act", range(1, 6))
async def test_killed_at_any_act_the_next_run_ends_in_the_same_place(act: int) -> None:
    world = RollWorld(CLIENTS)
    world.die_at = act
    with pytest.raises(Killed):
        await let_go(world.run(), going(world))
    world.die_at = 0
    await let_go(world.run("next"), going(world))
    assert sorted(world.nodes) == ["emqx@n1", "emqx@n2"]
    assert len(world.at) == sum(CLIENTS)
