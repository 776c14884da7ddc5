"""Whole cutovers in memory in which a colour is down or silent: it is given nobody, keeps nobody, and is named."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from components.cutover.cohort import everybody
from components.cutover.evacuation import Evacuation
from components.cutover.words import Colour
from components.emqx.answers import NodeFacts
from components.emqx.errors import GateFailed, GaveUp, Refused, Unreachable
from components.links.opening import open_run
from components.links.shift import carry_out, send_back
from tests.unit.cutover_bed import manner, up
from tests.unit.fake_api import FakeApi
from tests.unit.fake_world import UNFINISHED, World

pytestmark = [pytest.mark.unit, *UNFINISHED]


def test_a_share_is_not_given_to_a_colour_that_is_down() -> None:
    world = World(["a"])
    world.router.down.add("green")
    with pytest.raises(GaveUp, match="waiting for green behind the balancer"):
        asyncio.run(up(world, manner([100]), "a"))
    assert world.router.shares == []


@pytest.mark.parametrize("name", ["shift-50", "shift-100", "drain"])
def test_a_target_that_somebody_evacuates_in_the_middle_of_the_chain_is_opened_by_the_next_link(name: str) -> None:
    world = World([f"dev-{number}" for number in range(60)])
    how = manner([10, 50, 100])

    async def go() -> None:
        run = world.run("a")
        opened = await open_run(run, "green", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
        for link in [*(step.name for step in how.steps), "drain"]:
            if link == name:
                green = world.apis["green"]
                await green.evacuation_start(green.node, Evacuation(wait_health_check_seconds=0, conn_evict_rate=1))
            await carry_out(run, link, "green", how, opened.direction)

    asyncio.run(go())
    assert [event["nodes"] for event in world.journal if event["event"] == "open"] == [["emqx@green"]]
    assert world.apis["green"].rate is None
    assert set(world.at.values()) == {"green"}
    assert world.ledger.memory["drained_at"].startswith("blue ")


class TestSilentColour:
    """A colour that does not answer keeps nobody: not on the way back, and not when its clients have nowhere else to go."""

    STEPS = (10, 50, 100)

    def finished(self) -> World:
        world = World([f"dev-{number}" for number in range(40)])
        asyncio.run(up(world, manner(self.STEPS), "a"))
        world.apis["green"].dead = True
        return world

    def test_the_way_back_gives_the_whole_share_at_once_and_ends(self) -> None:
        world = self.finished()
        world.router.down.add("green")
        shares = len(world.router.shares)
        assert asyncio.run(up(world, manner(self.STEPS), "b", to="blue")) == "back"
        assert world.router.shares[shares:] == [everybody("blue")]
        assert world.ledger.memory["drained_at"].startswith("green ")

    def test_it_does_not_count_as_empty_while_the_balancer_sees_it(self) -> None:
        world = self.finished()
        with pytest.raises(Unreachable, match=r"the balancer sees it up.*all new connections go to blue"):
            asyncio.run(up(world, manner(self.STEPS), "b", to="blue"))
        assert world.router.parts == everybody("blue")
        assert "drained_at" not in world.ledger.memory

    def test_an_old_colour_that_dies_half_way_does_not_stop_the_rest(self) -> None:
        world = World([f"dev-{number}" for number in range(40)])

        async def half() -> None:
            run = world.run("a")
            await open_run(run, "green", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
            await run.remember({"imported": "green 1.0"})
            await carry_out(run, "shift-50", "green", manner([50, 100]), "forward")

        asyncio.run(half())
        world.apis["blue"].dead = True
        world.router.down.add("blue")
        assert asyncio.run(up(world, manner([50, 100]), "b")) == "forward"
        assert world.router.parts == everybody("green")
        assert world.ledger.memory["drained_at"].startswith("blue ")


def test_a_way_back_that_stops_is_told_with_the_gates_own_words() -> None:
    world = World([f"dev-{number}" for number in range(20)])

    async def go() -> GateFailed:
        run = world.run("a")
        await open_run(run, "green", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
        world.router.down.add("blue")
        return await send_back(
            run, "blue", manner([100], budget=50), GateFailed("gate x", seen="5 over 4", todo="look"), "shift-50"
        )

    assert "5 over 4; and they could not all be sent back to blue: waiting for blue" in str(asyncio.run(go()))


class _OneDead(FakeApi):
    """Two nodes are declared, one runs; ``max_fds`` is what that one may open."""

    max_fds = 100_000

    @property
    def node_names(self) -> tuple[str, ...]:
        return (self.node, f"{self.node}-dead")

    async def nodes(self, **more: Any) -> tuple[NodeFacts, ...]:
        (alive,) = await super().nodes(**more)
        return (
            alive.model_copy(update={"max_fds": self.max_fds}),
            NodeFacts(name=self.node_names[1], status="stopped"),
        )


class TestTheWayBackToAColourWithADeadNode:
    def finished(self, max_fds: int = 100_000) -> World:
        world = World([f"dev-{number}" for number in range(40)])
        asyncio.run(up(world, manner([50, 100]), "a"))
        blue = _OneDead(world, "blue", evacuates=True)
        blue.rate, blue.max_fds = world.apis["blue"].rate, max_fds
        world.apis["blue"] = blue

        async def health() -> Mapping[Colour, Mapping[str, bool]]:
            mine = {"emqx@blue": "blue" not in world.router.down, "emqx@blue-dead": False}
            return {"blue": mine, "green": {"emqx@green": True}}

        world.router.health = health  # type: ignore[method-assign]
        return world

    def test_goes_to_the_live_ones_and_says_which_is_missing_and_whether_there_is_room(self) -> None:
        world = self.finished()
        assert asyncio.run(up(world, manner([50, 100]), "b", to="blue")) == "back"
        assert set(world.at.values()) == {"blue"}
        said = next(line for line in world.lines if "does not run" in line)
        assert "emqx@blue-dead of blue does not run" in said
        assert "have room for 99800" in said
        assert "take it out of emqx:clusters.blue" in said

    def test_is_refused_before_anybody_moves_when_the_others_cannot_hold_them(self) -> None:
        world = self.finished(max_fds=239)
        world.disconnects.clear()
        with pytest.raises(
            Refused, match=r"emqx@blue-dead of blue does not run, and the other 1 have room for 39 of 40"
        ):
            asyncio.run(up(world, manner([50, 100]), "b", to="blue"))
        assert not world.disconnects
        assert world.router.parts == everybody("green")

    def test_a_gate_that_fails_sends_the_clients_back_to_the_live_ones(self) -> None:
        world = self.finished()
        failed = GateFailed("gate x", seen="5 over 4", todo="look")

        async def go() -> GateFailed:
            run = world.run("b")
            await run.begin({})
            return await send_back(run, "blue", manner([100], budget=50), failed, "shift-50")

        assert "all clients are back on blue" in str(asyncio.run(go()))
        assert set(world.at.values()) == {"blue"}

    def test_the_way_forth_still_needs_every_node(self) -> None:
        world = World([f"dev-{number}" for number in range(4)])
        world.apis["green"] = _OneDead(world, "green", evacuates=True)

        async def health() -> Mapping[Colour, Mapping[str, bool]]:
            return {"blue": {"emqx@blue": True}, "green": {"emqx@green": True, "emqx@green-dead": False}}

        world.router.health = health  # type: ignore[method-assign]
        with pytest.raises(GaveUp, match="not up: emqx@green-dead"):
            asyncio.run(up(world, manner([100]), "a"))
        assert not world.disconnects
