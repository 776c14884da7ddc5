"""What a roll counts and says: messages that its take-overs may have lost, disconnects, and loads that EMQX itself evens out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.facts import Thresholds
from components.cutover.roll_forecast import evener, forecast, render
from components.cutover.spread import WITHIN, even, levels
from components.emqx.errors import GateFailed
from components.links.evening import even_out
from components.links.roll import roll
from components.links.roll_opening import open_roll
from components.report.numbers import report_of
from components.report.terminal import summary
from components.routers.base import Capabilities
from tests.unit.fake_world import UNFINISHED, Killed
from tests.unit.roll_bed import EE_NEW, EE_OLD, NEW, OLD, RollWorld, wanted, whole
from tests.unit.test_roll_plan import THREE

pytestmark = [pytest.mark.unit, *UNFINISHED, pytest.mark.usefixtures("probes")]


def _ends(event: dict[str, Any]) -> bool:
    return event["event"] == "step" and event.get("phase") == "end" and event["name"] != "rebalance"


async def test_messages_without_a_subscriber_are_counted_over_the_restart_of_a_node(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5])
    world.dropped.update(dict.fromkeys(world.names, 1_000))  # of the time before
    world.drops_at_a_move = 2
    await whole(world.rolling(tmp_path))
    told = [one["dropped"] for one in world.journal if _ends(one)]
    moved = [one["clients"] for one in world.journal if _ends(one)]
    assert told == [2 * count for count in moved]


async def test_too_many_of_them_stop_the_roll_before_the_node_is_stopped(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5])
    world.drops_at_a_move = 2
    gates = Thresholds(settle_seconds=0, dropped_messages=5)
    with pytest.raises(GateFailed, match="dropped_messages: 6 messages without a subscriber"):
        await roll(world.rolling(tmp_path, gates=gates), 1)
    assert world.keeper.calls == []
    assert all(one.running for one in world.nodes.values())
    facts = await roll(world.rolling(tmp_path, gates=gates, token="second"), 1)
    assert facts["node"] == "emqx@n2", "its clients have left: the next run has nothing to lose there"


async def test_what_is_lost_while_the_node_restarts_is_judged_too(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5])
    start = world.keeper.start

    async def meanwhile(node: str, version: str, edition: object) -> None:
        await start(node, version, edition)  # type: ignore[arg-type]
        world.dropped["emqx@n1"] += 9

    world.keeper.start = meanwhile  # type: ignore[method-assign]
    with pytest.raises(GateFailed, match="dropped_messages: 9 messages without a subscriber"):
        await roll(world.rolling(tmp_path, gates=Thresholds(settle_seconds=0, dropped_messages=5)), 1)
    assert world.serves("emqx@n2")


async def test_the_report_shows_how_often_clients_were_disconnected_beside_same_cluster(tmp_path: Path) -> None:
    world = RollWorld([12, 10, 11])
    await open_roll(world.run(), "blue", wanted())
    await whole(world.rolling(tmp_path))
    world.journal.append({"t": world.clock.now(), "run": "token", "event": "end", "outcome": "done", "to": "blue"})
    report = report_of(world.journal)
    assert report.most_disconnects == 4
    assert max(world.disconnects.values()) <= 4
    mean = sum(world.disconnects.values()) / 33
    assert f"4 disconnects of a client at most, {mean:.2f} on average (same-cluster: 1)" in summary(report)


async def test_clients_that_an_evacuation_takes_off_are_counted_as_moved(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5], EE_OLD, evacuates=True)
    world.direct = {address for address, node in world.at.items() if node == "emqx@n2"}
    assert (await roll(world.rolling(tmp_path, EE_NEW), 1))["moved"] == 3
    assert sum(world.disconnects.values()) == 3


@pytest.mark.parametrize(
    ("by", "came_directly", "closes", "evacuates", "moved_by", "evened_by"),
    [
        ("close", 0, True, False, "close", "close"),
        ("close and evacuation", 0, True, True, "close", "close"),
        ("close and evacuation", 1, True, True, "close and evacuation", "close"),
        ("evacuation", 0, False, True, "evacuation", "rebalance"),
        ("stop", 0, False, False, "stop", "nothing"),
    ],
)
async def test_the_journal_says_by_what_clients_were_moved_and_the_report_shows_it(
    tmp_path: Path, by: str, came_directly: int, closes: bool, evacuates: bool, moved_by: str, evened_by: str
) -> None:
    old, new = (EE_OLD, EE_NEW) if evacuates else (OLD, NEW)
    world = RollWorld([4, 3, 5], old, evacuates=evacuates)
    world.direct = set([one for one, node in world.at.items() if node == "emqx@n2"][:came_directly])
    if not closes:
        world.router.can = Capabilities("new-connections")
    await open_roll(world.run(), "blue", wanted(new))
    rolling = world.rolling(tmp_path, new, may_end=True)
    await roll(rolling, 1)
    await even_out(rolling)
    steps = {(one["name"], one["phase"]): one["mover"] for one in world.journal if one["event"] == "step"}
    assert steps == {
        ("roll-1", "begin"): by,
        ("roll-1", "end"): moved_by,
        ("rebalance", "begin"): evened_by,
        ("rebalance", "end"): evened_by,
    }
    assert [step.mover for step in report_of(world.journal).steps] == [moved_by, evened_by]


async def test_clients_that_an_update_moved_before_it_was_cut_off_are_in_the_report_of_the_roll(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5])
    await open_roll(world.run(), "blue", wanted())
    world.keeper.stop = cut  # type: ignore[assignment,method-assign]
    with pytest.raises(Killed):
        await roll(world.rolling(tmp_path), 1)
    assert [(step.name, step.clients) for step in report_of(world.journal).steps] == [("roll-1", 3)]


async def cut(_node: str) -> None:
    raise Killed


@pytest.mark.parametrize("clients", [[9, 9, 0], [100, 100, 0], [600, 399, 1], [1_000, 1_000, 0]])
async def test_without_a_balancer_that_closes_enterprise_evens_out_itself_and_its_overshoot_stays_within_a_tenth(
    tmp_path: Path, clients: list[int]
) -> None:
    world = RollWorld(clients, EE_NEW, evacuates=True)
    world.router.can = Capabilities("new-connections")
    facts = await even_out(world.rolling(tmp_path, EE_NEW, budget=500))
    assert even(world.loads())
    assert facts["moved"] == sum(world.disconnects.values())
    assert world.api.asked
    assert world.ledger.memory == {"run": "token"}


async def test_whoever_came_back_to_a_full_node_while_the_loads_were_evened_is_not_moved_twice(tmp_path: Path) -> None:
    world = RollWorld([60, 0], NEW)
    away = world.disconnect

    def back(address: str) -> None:
        """One balancer knows nothing of what the other one has: the first ones come to the fuller node again."""
        before = world.at[address]
        away(address)
        if sum(world.disconnects.values()) <= 10:
            world.at[address] = before

    world.disconnect = back  # type: ignore[method-assign]
    await even_out(world.rolling(tmp_path))
    assert even(world.loads())
    assert max(world.disconnects.values()) == 1


async def test_where_emqx_finds_nothing_to_balance_that_is_told_and_the_roll_ends(tmp_path: Path) -> None:
    world = RollWorld([9, 9, 0], EE_NEW, evacuates=True)
    world.router.can = Capabilities("new-connections")

    async def nothing(*_: object) -> bool:
        return False

    world.api.rebalance_start = nothing  # type: ignore[assignment,method-assign]
    assert (await even_out(world.rolling(tmp_path, EE_NEW)))["moved"] == 0
    assert any("EMQX finds nothing to balance" in line for line in world.lines)


async def test_a_rebalance_that_a_run_before_began_is_waited_for_and_not_begun_again(tmp_path: Path) -> None:
    world = RollWorld([9, 9, 0], EE_NEW, evacuates=True)
    world.router.can = Capabilities("new-connections")
    world.api.rebalances = [{"node": "emqx@n1", "state": "evicting_conns"}]
    sleep = world.clock.sleep

    async def ends(seconds: float) -> None:
        await sleep(seconds)
        world.api.rebalances = []
        for address in [at for at, node in world.at.items() if node != "emqx@n3"][::3]:
            world.at[address] = "emqx@n3"

    rolling = world.rolling(tmp_path, EE_NEW)
    world.clock.sleep = ends  # type: ignore[method-assign]
    facts = await even_out(replace(rolling))
    assert facts["moved"] == 6
    assert world.api.asked == []


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 2_000), min_size=2), st.integers(1, 1_000))
def test_a_second_of_a_rebalance_never_turns_the_loads_around_by_more_than_a_tenth(
    loads: dict[str, int], budget: int
) -> None:
    wanted_ = levels(loads, budget)
    mean = sum(loads.values()) / len(loads)
    fuller = sum(load >= mean for load in loads.values())
    others = len(loads) - fuller
    assert wanted_.rate >= 1
    assert wanted_.rate == 1 or wanted_.rate * fuller <= budget
    if others and wanted_.rate > 1:
        assert wanted_.rate * (1 + fuller / others) <= WITHIN * mean / 2


def test_the_plan_says_what_evens_out_and_which_connections_are_not_the_balancers() -> None:
    assert evener(closes=False, rebalances=True) == "rebalance"
    plan = forecast(THREE, NEW, by="close", evens="rebalance", budget_per_second=10, counted=True, past=7)
    assert "EMQX's own rebalance, until the loads are within 10 %" in render(plan)
    assert "7 connections are not the balancer's, which cannot close them: the roll stops before their node" in render(
        plan
    )
    unknown = forecast(THREE, NEW, by="close", evens="close", budget_per_second=10, counted=True, past=None)
    assert "unknown connections are not the balancer's" in render(unknown)
