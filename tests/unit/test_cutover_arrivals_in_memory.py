"""Whole cutovers in memory whose devices take their time: each arrives, disconnected once, and no gate fails over it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from components.cutover.steps import parse_steps
from components.emqx.errors import GateFailed
from components.links.opening import open_run
from components.links.shift import Manner, carry_out
from tests.unit.cutover_bed import CHOICES
from tests.unit.fake_world import UNFINISHED, World, fleet

pytestmark = [pytest.mark.unit, *UNFINISHED]


@pytest.mark.parametrize("edition", sorted(CHOICES))
@pytest.mark.parametrize("last", [{"hold": 600}, {"gate": True}])
def test_a_hold_or_gate_after_the_last_share_finds_everybody_there(edition: str, last: dict[str, Any]) -> None:
    world = fleet(200, evacuates=CHOICES[edition].shuts)
    how = Manner(steps=parse_steps([{"share": 50}, {"share": 100}, last]), budget_per_second=50, mover=CHOICES[edition])

    async def go() -> None:
        run = world.run("a")
        await open_run(run, "green", ("blue", "green"), ("sessions",), budget_per_second=50, keep_stale=False)
        for step in how.steps:
            await carry_out(run, step.name, "green", how, "forward")
        assert set(world.at.values()) == {"green"}
        assert "drained_at" not in world.ledger.memory
        await carry_out(run, "drain", "green", how, "forward")

    began = world.clock.now()
    asyncio.run(go())
    assert world.ledger.memory["drained_at"].startswith("blue ")
    assert set(world.disconnects.values()) == {1}
    if "hold" in last:
        assert world.clock.now() - began > 600


@pytest.mark.parametrize("edition", sorted(CHOICES))
@pytest.mark.parametrize("pause", [20.0, 60.0])
def test_a_whole_cutover_of_devices_that_pause_disconnects_each_once_and_fails_no_gate(
    edition: str, pause: float
) -> None:
    world = fleet(300, evacuates=CHOICES[edition].shuts)
    world.away_seconds = pause
    steps = parse_steps([{"share": 3}, {"hold": 30}, {"share": 10}, {"share": 50}, {"gate": True}, {"share": 100}])
    how = Manner(steps=steps, budget_per_second=20, mover=CHOICES[edition])

    async def go() -> None:
        run = world.run("a")
        await open_run(run, "green", ("blue", "green"), ("sessions",), budget_per_second=20, keep_stale=False)
        for name in [*(step.name for step in steps), "drain"]:
            await carry_out(run, name, "green", how, "forward")

    asyncio.run(go())
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}
    assert world.ledger.memory["drained_at"].startswith("blue ")


def test_moved_clients_that_stay_away_are_counted_and_named_with_their_version_and_since_when() -> None:
    world = World(["pump", "lamp", "door", "bell"], evacuates=False)
    world.never, world.mqtt5 = {"pump", "bell"}, {"pump"}
    how = Manner(steps=parse_steps([{"share": 100}]), budget_per_second=100, mover=CHOICES["ce"])

    async def go() -> None:
        run = world.run("a")
        await open_run(run, "green", ("blue", "green"), ("sessions",), budget_per_second=100, keep_stale=False)
        await carry_out(run, "shift-100", "green", how, "forward")

    with pytest.raises(GateFailed) as failed:
        asyncio.run(go())
    said = str(failed.value)
    assert "gate clients_away_fraction" in said
    assert "2 of 4 clients have not come 120 s after they were moved" in said
    assert re.search(
        r"moved and not on green: bell \(MQTT 3, since 00:16:4\dZ\), pump \(MQTT 5, since 00:16:4\dZ\)", said
    )


def test_at_most_ten_are_named() -> None:
    world = World([f"dev-{number:03}" for number in range(40)], evacuates=False)
    world.never = set(list(world.at)[:30])
    how = Manner(steps=parse_steps([{"share": 100}]), budget_per_second=100, mover=CHOICES["ce"])

    async def go() -> None:
        run = world.run("a")
        await open_run(run, "green", ("blue", "green"), ("sessions",), budget_per_second=100, keep_stale=False)
        await carry_out(run, "shift-100", "green", how, "forward")

    with pytest.raises(GateFailed, match=r"dev-009 \(MQTT 3, since [^)]*\), and 20 more"):
        asyncio.run(go())
