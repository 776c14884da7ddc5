"""Old nodes leave in the one safe order, whatever happens in between."""

from __future__ import annotations

import pytest

from components.emqx.errors import Refused
from components.ledger.base import LEASE
from components.links.leave import leave
from tests.unit.fake_world import UNFINISHED, Killed
from tests.unit.one_cluster_bed import Keeper, OneCluster, offline

pytestmark = [pytest.mark.unit, *UNFINISHED]


def empty() -> OneCluster:
    world = OneCluster([], evacuates=False)
    world.ledger.memory[LEASE] = "a"
    return world


async def test_a_node_is_stopped_then_forced_out_and_its_data_set_aside_last() -> None:
    world = empty()
    blue, keeper = world.member("blue"), Keeper(world, "blue")
    facts = await leave(world.run("a"), blue, "green", keeper, sessions_may_end=False)  # type: ignore[arg-type]
    assert keeper.asked == [("stop", blue.node), ("set aside", blue.node)]
    assert world.left == {"blue"}
    assert facts == {"left": [blue.node], "aside": [f"aside/{blue.node}"]}


@pytest.mark.parametrize("sessions", [True, False])
async def test_nothing_leaves_while_clients_or_sessions_are_on_it(sessions: bool) -> None:
    world = empty()
    keeper = Keeper(world, "blue")
    if sessions:
        world.sessions["blue"] = [offline("s")]
    else:
        world.at["dev"] = "blue"
    with pytest.raises(Refused, match="1 sessions are on it" if sessions else "clients are connected"):
        await leave(world.run("a"), world.member("blue"), "green", keeper, sessions_may_end=False)  # type: ignore[arg-type]
    assert keeper.asked == []
    assert world.left == set()


async def test_nodes_that_are_not_ours_are_refused_while_they_run_and_forced_out_once_they_are_stopped() -> None:
    world = empty()
    blue = world.member("blue")
    with pytest.raises(Refused, match=f"{blue.node} run, and they are not ours to stop"):
        await leave(world.run("a"), blue, "green", None, sessions_may_end=False)  # type: ignore[arg-type]
    assert world.left == set()
    blue.stopped = blue.dead = True
    await leave(world.run("a"), blue, "green", None, sessions_may_end=False)  # type: ignore[arg-type]
    assert world.left == {"blue"}


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_node_that_is_on_no_list_for_a_moment_is_neither_gone_nor_stopped(restarted: bool) -> None:
    world = empty()
    blue = world.member("blue")
    blue.stopped = blue.dead = not restarted
    blue.unlisted_until = world.clock.now() + 1.5
    if restarted:
        with pytest.raises(Refused, match=f"{blue.node} run, and they are not ours to stop"):
            await leave(world.run("a"), blue, "green", None, sessions_may_end=False)  # type: ignore[arg-type]
        assert world.left == set()
    else:
        await leave(world.run("a"), blue, "green", None, sessions_may_end=False)  # type: ignore[arg-type]
        assert world.left == {"blue"}


@pytest.mark.parametrize("act", range(1, 3))
async def test_killed_at_any_act_the_next_run_ends_in_the_same_place(act: int) -> None:
    world = empty()
    world.die_at = act
    blue, keeper = world.member("blue"), Keeper(world, "blue")
    with pytest.raises(Killed):
        await leave(world.run("a"), blue, "green", keeper, sessions_may_end=False)  # type: ignore[arg-type]
    world.die_at = None
    await leave(world.run("a"), blue, "green", keeper, sessions_may_end=False)  # type: ignore[arg-type]
    assert world.left == {"blue"}
    assert keeper.asked[-1] == ("set aside", blue.node)


async def test_a_colour_that_never_joined_leaves_nothing_behind() -> None:
    world = empty()
    world.apart = {"green"}
    keeper = Keeper(world, "green")
    facts = await leave(world.run("a"), world.member("green"), "blue", keeper, sessions_may_end=False)  # type: ignore[arg-type]
    assert facts["left"] == []
    assert world.left == set()
