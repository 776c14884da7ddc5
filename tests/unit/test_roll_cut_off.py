"""A roll that is cut off in every way that there is, and the nodes that die while it works: one node is out at most, the reason is told, the next run goes on with that node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.cutover.evacuation import Evacuation
from components.cutover.spread import even
from components.cutover.words import Edition
from components.emqx.errors import GaveUp, LeaseLost, Refused
from components.keepers.base import Copied
from components.ledger.base import LEASE
from components.links.roll import Rolling, roll
from components.links.roll_opening import open_roll
from components.migration.inventory import Inventory, Section
from tests.unit.cut_off_bed import ENDS, WAYS, no_space, troubled
from tests.unit.fake_world import UNFINISHED
from tests.unit.roll_bed import EE_NEW, EE_OLD, NEW, OLD, RollWorld, wanted, whole

pytestmark = [pytest.mark.unit, *UNFINISHED, pytest.mark.usefixtures("probes")]

CLIENTS = (4, 3, 5)
EVERY = 3
"""Each way of ending is tried before every third act, and no two ways before the same ones."""
FIRST = "emqx@n2"
"""It has the fewest clients, so it comes first."""


class Cut(RollWorld):
    """Before its act number ``at_act`` something happens, once."""

    at_act = 0
    cancelled = full = gone = False
    way = "cancelled"

    def act(self) -> None:
        super().act()
        if self.acts == self.at_act:
            WAYS[self.way](self)

    def rolling(self, directory: Path, *declared: Any, **more: Any) -> Rolling:
        rolling = super().rolling(directory, *declared, **more)
        return replace(rolling, run=troubled(self, rolling.run, replace(self.router)))


@pytest.mark.parametrize("evacuates", [False, True])
@pytest.mark.parametrize("way", sorted(WAYS))
async def test_cut_off_in_this_way_before_any_act_it_does_nothing_more_and_the_next_run_ends_with_all_of_them(
    tmp_path: Path, way: str, evacuates: bool
) -> None:
    old, new = (EE_OLD, EE_NEW) if evacuates else (OLD, NEW)
    cuts, act, ended = 0, 1 + sorted(WAYS).index(way) % EVERY, False
    while not ended:
        world = Cut(CLIENTS, old, evacuates=evacuates)
        world.at_act, world.way = act, way
        try:
            await whole(world.rolling(tmp_path, new))
            ended = world.acts < act
        except ENDS:
            cuts += 1
            assert world.acts <= act + 1, "it went on"
        world.at_act, world.cancelled, world.full, world.gone = 0, False, False, False
        await open_roll(world.run("second"), "blue", wanted(new))
        await whole(world.rolling(tmp_path, new, token="second"))
        assert {one.release for one in world.nodes.values()} == {new}
        assert all(map(world.serves, world.names))
        assert world.least_serving >= len(CLIENTS) - 1
        assert even(world.loads())
        act += EVERY
    assert cuts > 20 / EVERY


async def test_two_updates_at_once_never_take_two_nodes_out(tmp_path: Path) -> None:
    world = RollWorld(CLIENTS)
    older = world.rolling(tmp_path, token="older")
    stop = world.keeper.stop

    async def meanwhile(node: str) -> None:
        await stop(node)
        if world.ledger.memory[LEASE] == "older":
            await open_roll(world.run("newer"), "blue", wanted())
            await whole(world.rolling(tmp_path, token="newer"))

    world.keeper.stop = meanwhile  # type: ignore[method-assign]
    with pytest.raises(LeaseLost, match="newer"):
        await roll(older, 1)
    assert {one.release for one in world.nodes.values()} == {NEW}
    assert world.least_serving >= len(CLIENTS) - 1
    assert [node for act, node in world.keeper.calls if act == "start"].count(FIRST) == 1


async def test_a_node_that_dies_during_its_evacuation_stops_the_roll_at_once_and_is_started_by_the_next_run(
    tmp_path: Path,
) -> None:
    world = RollWorld(CLIENTS, EE_OLD, evacuates=True)
    start = world.api.evacuation_start

    async def dies(node: str, knobs: Evacuation, recipients: Sequence[str] = ()) -> bool:
        done = await start(node, knobs, recipients)
        world.nodes[node].running = False
        return done

    world.api.evacuation_start = dies  # type: ignore[method-assign]
    began = world.clock.now()
    with pytest.raises(GaveUp, match=f"{FIRST}.*does not run any more.*the next pulumi up goes on"):
        await roll(world.rolling(tmp_path, EE_NEW), 1)
    assert world.clock.now() - began < 60
    assert sum(map(world.serves, world.names)) == 2
    await open_roll(world.run("second"), "blue", wanted(EE_NEW))
    facts = await roll(world.rolling(tmp_path, EE_NEW, token="second"), 1)
    assert facts["node"] == FIRST
    assert [one for one in world.keeper.calls if one[1] == FIRST] == [("copy", FIRST), ("start", FIRST)]
    assert world.serves(FIRST)


async def test_no_room_for_its_copy_stops_the_roll_with_the_others_serving_and_says_so_and_the_next_run_copies_it(
    tmp_path: Path,
) -> None:
    world = RollWorld(CLIENTS)
    back_up = world.keeper.back_up

    async def full(node: str, place: Path) -> Copied:
        raise no_space()

    world.keeper.back_up = full  # type: ignore[method-assign]
    with pytest.raises(GaveUp, match=r"No space left on device.*it is out of the balancer, 2 other nodes serve"):
        await roll(world.rolling(tmp_path), 1)
    assert sum(map(world.serves, world.names)) == 2
    world.keeper.back_up = back_up  # type: ignore[method-assign]
    await open_roll(world.run("second"), "blue", wanted())
    await roll(world.rolling(tmp_path, token="second"), 1)
    assert world.keeper.calls == [("stop", FIRST), ("copy", FIRST), ("start", FIRST)]


@pytest.mark.parametrize("during", ["copy", "start"])
async def test_another_node_that_dies_meanwhile_stops_the_roll_and_is_named_and_the_next_run_goes_on_once_it_is_back(
    tmp_path: Path, during: str
) -> None:
    world, other = RollWorld(CLIENTS), "emqx@n3"
    back_up, start = world.keeper.back_up, world.keeper.start

    def dies() -> None:
        world.nodes[other].running = False
        for one in [address for address, name in world.at.items() if name == other]:
            world.disconnect(one)

    async def copying(node: str, place: Path) -> Copied:
        if during == "copy":
            dies()
        return await back_up(node, place)

    async def starting(node: str, version: str, edition: Edition) -> None:
        await start(node, version, edition)
        if during == "start":
            dies()

    world.keeper.back_up, world.keeper.start = copying, starting  # type: ignore[method-assign]
    with pytest.raises(GaveUp, match=other):
        await roll(world.rolling(tmp_path), 1)
    world.keeper.back_up, world.keeper.start = back_up, start  # type: ignore[method-assign]
    with pytest.raises(Refused, match=f"{other}.* out of service"):
        await open_roll(world.run("second"), "blue", wanted())
    world.nodes[other].running = True
    await open_roll(world.run("third"), "blue", wanted())
    await whole(world.rolling(tmp_path, token="third"))
    assert {one.release for one in world.nodes.values()} == {NEW}
    assert all(map(world.serves, world.names))


async def test_a_node_that_dies_once_more_while_it_boots_is_waited_for_and_then_told(tmp_path: Path) -> None:
    world = RollWorld(CLIENTS)
    start = world.keeper.start

    async def starting(node: str, version: str, edition: Edition) -> None:
        await start(node, version, edition)
        world.nodes[node].running = False

    world.keeper.start = starting  # type: ignore[method-assign]
    with pytest.raises(GaveUp, match=f"{FIRST}.*it is out of the balancer, 2 other nodes serve"):
        await roll(world.rolling(tmp_path), 1)
    world.keeper.start = start  # type: ignore[method-assign]
    await open_roll(world.run("second"), "blue", wanted())
    assert (await roll(world.rolling(tmp_path, token="second"), 1))["node"] == FIRST


async def test_lists_that_are_empty_for_a_moment_when_a_node_is_back_are_looked_at_again_and_stop_no_roll(
    tmp_path: Path,
) -> None:
    world, looks = RollWorld(CLIENTS), iter(range(1000))

    async def inventory(*, node: str = "") -> Inventory:
        empty = next(looks) < 4 and node != FIRST  # the others list none while it starts (D1_roll_plain_ce_5.8.8_5.8.9)
        return Inventory({"connectors": Section({} if empty else {"http:hook": 1})})

    world.api.inventory = inventory  # type: ignore[method-assign]
    assert (await roll(world.rolling(tmp_path), 1))["node"] == FIRST
    assert next(looks) > 6
