"""A whole roll over a cluster in memory: who is disconnected how often, what is copied when, and how it goes on from wherever it was cut off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.cutover.capabilities import HAPROXY, HAPROXY_INSTANCES, NETWORK_LOAD_BALANCER
from components.cutover.spread import even, moves
from components.emqx.errors import GateFailed, GaveUp, Refused
from components.links import roll_ready
from components.links.roll import roll
from components.links.roll_opening import open_roll
from components.routers.base import Capabilities
from tests.unit.fake_world import UNFINISHED, Killed
from tests.unit.roll_bed import EE_NEW, EE_OLD, NEW, OLD, RollWorld, wanted, whole

pytestmark = [pytest.mark.unit, *UNFINISHED, pytest.mark.usefixtures("probes")]


async def test_every_node_is_emptied_copied_and_restarted_one_after_the_other_and_the_loads_are_even_at_the_end(
    tmp_path: Path,
) -> None:
    world = RollWorld([12, 10, 11])
    facts = await whole(world.rolling(tmp_path))
    assert {one.release for one in world.nodes.values()} == {NEW}
    assert world.keeper.calls == [
        (act, node) for node in ("emqx@n2", "emqx@n3", "emqx@n1") for act in ("stop", "copy", "start")
    ]
    assert world.least_serving == 2
    assert even(world.loads())
    assert len(world.at) == 33
    assert [one.get("node") for one in facts[:3]] == ["emqx@n2", "emqx@n3", "emqx@n1"]
    assert facts[0]["from"] == "5.8.8 (ce)"
    assert facts[0]["copy"] == f"{tmp_path}/backups/1000.000/emqx@n2-5.8.8-ce"
    assert world.ledger.memory == {"run": "token"}


async def test_no_client_is_disconnected_more_often_than_the_plan_says(tmp_path: Path) -> None:
    world = RollWorld([67, 67, 66])
    started = dict(world.at)
    played = moves(("emqx@n3", "emqx@n1", "emqx@n2"), world.loads(), evens=True)
    await whole(world.rolling(tmp_path, budget=1000))
    most = {one.node: one.most_disconnects for one in played.nodes}
    assert all(count <= most[started[one]] for one, count in world.disconnects.items())
    assert sum(world.disconnects.values()) == sum(one.clients for one in played.nodes) + played.evened


@pytest.mark.parametrize(
    ("evacuates", "can"),
    [(False, HAPROXY), (True, HAPROXY), (False, HAPROXY_INSTANCES), (True, NETWORK_LOAD_BALANCER)],
    ids=["ce", "ee", "slow", "blind"],
)
async def test_cut_off_before_any_act_the_next_run_goes_on_at_the_same_node_and_ends_with_all_of_them(
    tmp_path: Path, evacuates: bool, can: Capabilities
) -> None:
    old, new = (EE_OLD, EE_NEW) if evacuates else (OLD, NEW)
    die_at, cut = 1, True
    while cut:
        world = RollWorld([4, 3, 5], old, evacuates=evacuates)
        world.router.can = can
        world.die_at = die_at
        cut = False
        try:
            await whole(world.rolling(tmp_path, new))
        except Killed:
            cut = True
            out = [name for name, one in world.nodes.items() if not (world.serves(name) or one.release == new)]
            before = len(world.keeper.calls)
            opened = await open_roll(world.run("second"), "blue", wanted(new))
            assert opened.direction == ("forward" if opened.reason else "nothing")
            await whole(world.rolling(tmp_path, new, token="second"))
            touched = world.keeper.calls[before:]
            assert not out or touched[0][1] == out[0]
        assert {one.release for one in world.nodes.values()} == {new}
        assert all(map(world.serves, world.names))
        assert world.least_serving >= (2 if can.closes_clients else 1), "a rebalance's donors refuse everybody"
        assert even(world.loads())
        assert sum(act == "stop" for act, _ in world.keeper.calls) <= 4
        die_at += 1
    assert die_at > 20


async def test_a_node_that_does_not_boot_stops_the_roll_with_the_others_serving_and_the_next_run_goes_on_with_it(
    tmp_path: Path,
) -> None:
    world = RollWorld([4, 3, 5])
    world.nodes["emqx@n2"].boots = False
    rolling = world.rolling(tmp_path)
    with pytest.raises(GaveUp, match=r"no space; it is out of the balancer, 2 other nodes serve") as stopped:
        await roll(rolling, 1)
    assert "python -m components.keepers restore" in str(stopped.value)
    assert sum(map(world.serves, world.names)) == 2
    assert world.loads()["emqx@n2"] == 0
    world.nodes["emqx@n2"].boots = True
    assert (await open_roll(world.run("second"), "blue", wanted())).direction == "forward"
    facts = await roll(world.rolling(tmp_path, token="second"), 1)
    assert facts["node"] == "emqx@n2"
    assert world.keeper.calls.count(("copy", "emqx@n2")) == 1
    assert world.serves("emqx@n2")


async def test_a_node_that_lets_wrong_clients_in_is_not_put_back(tmp_path: Path, probes: list[str]) -> None:
    world = RollWorld([4, 3, 5])
    probes += ["a wrong password got 0x00"] * 1000
    with pytest.raises(GaveUp, match="a wrong password got 0x00; it is out of the balancer"):
        await roll(world.rolling(tmp_path), 1)
    assert not world.serves("emqx@n2")


async def test_a_configuration_that_somebody_changes_through_another_node_stops_the_roll_and_is_named(
    tmp_path: Path,
) -> None:
    world = RollWorld([4, 3, 5])
    rolling = world.rolling(tmp_path)
    await roll(rolling, 1)
    world.nodes["emqx@n3"].config = "mqtt { max_inflight = 48 }"
    with pytest.raises(Refused, match=r"changed from outside since the node before: emqx@n3: mqtt.max_inflight"):
        await roll(rolling, 2)
    assert [node for act, node in world.keeper.calls if act == "stop"] == ["emqx@n2"]
    assert (await roll(world.rolling(tmp_path, token="second"), 2))["node"] == "emqx@n1"


async def test_a_change_in_the_middle_of_a_node_is_caught_once_it_is_back(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5])
    start = world.keeper.start

    async def meanwhile(node: str, version: str, edition: Any) -> None:
        await start(node, version, edition)
        world.nodes["emqx@n1"].config = "mqtt { max_inflight = 48 }"

    world.keeper.start = meanwhile  # type: ignore[method-assign]
    with pytest.raises(Refused, match=r"emqx@n1: mqtt\.max_inflight"):
        await roll(world.rolling(tmp_path), 1)
    assert world.serves("emqx@n2")


async def test_another_version_has_other_defaults_and_that_is_no_change_from_outside(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5])
    start = world.keeper.start

    async def with_defaults(node: str, version: str, edition: Any) -> None:
        await start(node, version, edition)
        world.nodes[node].config = "mqtt { max_inflight = 32, added_in = 9 }"

    world.keeper.start = with_defaults  # type: ignore[method-assign]
    await whole(world.rolling(tmp_path))


async def test_refusals_that_our_own_probes_ask_for_fail_no_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = RollWorld([4, 3, 5])

    async def asked(*_: Any) -> str:
        world.connects, world.refused = world.connects + 20, world.refused + 20
        return ""

    monkeypatch.setattr(roll_ready, "mqtt_state", asked)
    await whole(world.rolling(tmp_path))


async def test_clients_that_are_refused_where_they_come_to_stop_the_roll_before_their_node_stops(
    tmp_path: Path,
) -> None:
    world = RollWorld([4, 3, 5])
    close = world.router.close

    async def refusing(*found: Any, **more: Any) -> frozenset[str]:
        world.connects, world.refused = world.connects + 20, world.refused + 20
        return await close(*found, **more)

    world.router.close = refusing  # type: ignore[method-assign]
    with pytest.raises(GateFailed, match=r"(\d+) of \1 connects refused"):
        await roll(world.rolling(tmp_path), 1)
    assert all(one.running for one in world.nodes.values())


async def test_a_gate_that_fails_stops_the_roll_with_every_node_running(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5])

    async def slow(_: Any) -> float:
        return 9_000.0

    rolling = world.rolling(tmp_path)
    rolling = replace(rolling, run=replace(rolling.run, connect_milliseconds=slow))
    with pytest.raises(GateFailed, match="connect_latency_p99_milliseconds"):
        await roll(rolling, 1)
    assert all(one.running for one in world.nodes.values())
    assert sum(map(world.serves, world.names)) == 2


async def test_enterprise_is_closed_first_and_then_evacuated_so_that_the_door_stays_shut(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5], EE_OLD, evacuates=True)
    await whole(world.rolling(tmp_path, EE_NEW))
    events = [one for one in world.journal if one["event"] in {"move", "evacuation"}]
    first = next(index for index, one in enumerate(events) if one["event"] == "evacuation")
    assert sum(one["count"] for one in events[:first]) == 3
    assert events[first]["live"] == 0
    assert not any(one.evacuates for one in world.nodes.values())


async def test_clients_that_do_not_pass_the_balancer_stop_a_roll_before_the_node_does(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5])
    world.direct = {next(one for one, node in world.at.items() if node == "emqx@n2")}
    with pytest.raises(GaveUp, match="1 are still connected and do not pass the balancer"):
        await roll(world.rolling(tmp_path), 1)
    assert world.nodes["emqx@n2"].running
    facts = await roll(world.rolling(tmp_path, token="second", may_end=True), 1)
    assert facts["node"] == "emqx@n2"


async def test_without_a_balancer_that_can_close_nobody_is_moved_at_the_end_and_that_is_told(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5])
    world.router.can = Capabilities("new-connections")
    facts = await whole(world.rolling(tmp_path, may_end=True))
    assert facts[-1]["moved"] == 0
    assert "cannot close a client's connection" in " ".join(world.lines)


@pytest.mark.parametrize("evacuates", [False, True])
async def test_sessions_of_clients_that_are_offline_are_carried_on_to_the_other_nodes(
    tmp_path: Path, evacuates: bool
) -> None:
    world = RollWorld([4, 3, 5], EE_OLD if evacuates else OLD, evacuates=evacuates)
    world.offline = {f"asleep-{number}": world.names[number % 3] for number in range(9)}
    await whole(world.rolling(tmp_path, EE_NEW if evacuates else NEW))
    assert len(world.offline) == 9
    assert world.lost == []


async def test_sessions_that_nothing_carries_end_only_where_that_was_acknowledged(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5])
    world.any_client_id = False
    world.offline = {"asleep": "emqx@n2"}
    with pytest.raises(Refused, match="1 sessions of offline clients"):
        await roll(world.rolling(tmp_path), 1)
    assert world.lost == []
    await roll(world.rolling(tmp_path, token="second", may_end=True), 1)
    assert world.lost == ["asleep"]


async def test_a_single_node_is_rolled_too(tmp_path: Path) -> None:
    world = RollWorld([0])
    await whole(world.rolling(tmp_path), 1)
    assert world.nodes["emqx@n1"].release == NEW
