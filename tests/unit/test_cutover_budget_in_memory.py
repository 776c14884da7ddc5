"""Whole cutovers over a world in memory: the budget is reached and never exceeded, whatever moves the clients."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st

from components.cutover.cohort import everybody
from components.cutover.evacuation import Evacuation
from components.cutover.words import COLOURS, Colour
from components.emqx.errors import Refused
from components.emqx.models import Node
from components.ledger.base import LEASE
from components.links.opening import open_run
from components.movers import MOVERS, kick
from components.movers.task import Task
from components.run.moved import Moved
from tests.handles import cluster_at
from tests.unit.cutover_bed import CE, EE, manner, up
from tests.unit.fake_api import FakeApi
from tests.unit.fake_world import UNFINISHED, World

pytestmark = [pytest.mark.unit, *UNFINISHED, pytest.mark.filterwarnings("ignore::ResourceWarning")]

SHARES = st.lists(st.integers(1, 99), max_size=4, unique=True).map(lambda some: [*sorted(some), 100])
IDS = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=60, unique=True)


@pytest.mark.parametrize("budget", [500, 20_000])
def test_no_kick_has_more_ids_than_one_call_can_take_and_the_budget_is_reached(budget: int) -> None:
    world, moved = World([f"dev-{number}" for number in range(4_000)], evacuates=False), Moved()
    world.ledger.memory[LEASE] = "a"
    world.was_at(everybody("green"))
    asyncio.run(
        kick.carry_out(
            world.run("a"), Task("shift-100", "blue", everybody("green"), budget, Evacuation(), moved, lambda: None)
        )
    )
    assert max(world.apis["blue"].batches) <= 500
    assert sum(world.apis["blue"].batches) == moved.count == 4_000
    assert moved.seconds <= 4_000 / budget * 1.05 + 0.1


class TestSomebodyElseMovesClients:
    """A rebalance or an evacuation that this cutover did not start is refused before anybody is moved, on either colour."""

    @pytest.mark.parametrize("colour", COLOURS)
    def test_a_rebalance_on_either_colour_is_refused_by_the_first_link(self, colour: Colour) -> None:
        world = World([f"dev-{number}" for number in range(30)])
        world.apis[colour].rebalances = [{"node": f"emqx@{colour}", "donors": [f"emqx@{colour}"], "recipients": []}]
        with pytest.raises(Refused, match=rf"rebalances run on emqx@{colour}, and this cutover did not start it"):
            asyncio.run(up(world, manner([50, 100]), "a"))
        assert not world.disconnects
        assert world.router.shares == []
        assert "run" not in world.ledger.memory

    @pytest.mark.parametrize("colour", COLOURS)
    def test_so_is_an_evacuation_of_a_colour_that_no_cutover_emptied(self, colour: Colour) -> None:
        world = World([f"dev-{number}" for number in range(30)])
        world.apis[colour].rate = 1
        world.apis[colour].evicting_from = 1e9
        with pytest.raises(Refused, match=rf"evacuations run on emqx@{colour}"):
            asyncio.run(up(world, manner([50, 100]), "a"))
        assert not world.disconnects
        assert world.apis[colour].rate == 1

    def test_our_own_are_neither_on_the_way_back_nor_on_the_way_forth_again(self) -> None:
        world = World([f"dev-{number}" for number in range(30)])
        asyncio.run(up(world, manner([100], mover=EE), "a"))
        assert asyncio.run(up(world, manner([100], mover=EE), "b", to="blue")) == "back"
        assert asyncio.run(up(world, manner([100], mover=EE), "c")) == "forward"
        assert set(world.at.values()) == {"green"}

    def test_what_goes_on_at_the_colour_that_is_left_does_not_keep_its_clients_there(self) -> None:
        world = World([f"dev-{number}" for number in range(30)])
        asyncio.run(up(world, manner([100], mover=EE), "a"))
        world.apis["green"].rebalances = [{"node": "emqx@green", "donors": ["emqx@green"], "recipients": []}]
        assert asyncio.run(up(world, manner([100], mover=CE), "b", to="blue")) == "back"
        assert set(world.at.values()) == {"blue"}


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_whose_listeners_want_another_proxy_setting_is_refused_by_the_first_link(colour: Colour) -> None:
    world = World([f"dev-{number}" for number in range(30)])

    async def answers(node: Node, proxied: bool) -> bool:
        return proxied == (node in world.apis[colour].handle.nodes)

    run = replace(world.run("a"), answers=answers)
    told = rf"{colour}: emqx:clusters\.{colour}\.proxyProtocol is false, and its listener tcp:default has proxy_protocol on"
    with pytest.raises(Refused, match=told):
        asyncio.run(open_run(run, "green", COLOURS, (), budget_per_second=50, keep_stale=False))
    assert not world.disconnects
    assert world.router.shares == []
    assert "run" not in world.ledger.memory


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_whose_version_has_no_data_export_is_refused_by_the_first_link(colour: Colour) -> None:
    world = World([f"dev-{number}" for number in range(30)])
    world.apis[colour].handle = cluster_at(colour, colour=colour, version="5.0.26")
    with pytest.raises(Refused, match=rf"emqx:clusters\.{colour}\.version is 5\.0\.26, and EMQX has no data export"):
        asyncio.run(up(world, manner([50, 100]), "a"))
    assert not world.disconnects
    assert world.router.shares == []
    assert "run" not in world.ledger.memory


class _Spread(FakeApi):
    """A colour of three nodes with ten clients each."""

    @property
    def node_names(self) -> tuple[str, ...]:
        return ("emqx@b1", "emqx@b2", "emqx@b3")

    async def live_connections(self, **_: Any) -> dict[str, int]:
        return dict.fromkeys(self.node_names, 10)


def test_an_evacuation_of_more_nodes_than_the_budget_has_clients_a_second_is_refused() -> None:
    world = World(["a"])
    world.apis["blue"] = _Spread(world, "blue", evacuates=True)
    world.ledger.memory[LEASE] = "a"
    task = Task("drain", "blue", everybody("green"), 2, Evacuation(), Moved(), lambda: None)
    with pytest.raises(
        Refused, match=r"an evacuation of 3 nodes moves 3 clients per second, the budget is 2.*mover to kick"
    ):
        asyncio.run(MOVERS["evacuation"](world.run("a"), task))
    assert world.apis["blue"].rate is None
