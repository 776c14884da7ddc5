"""Sessions of clients that are offline go along: by the evacuation, or taken over one by one, and what cannot go is counted."""

from __future__ import annotations

from typing import Any

import pytest

from components.cutover.evacuation import Evacuation
from components.cutover.facts import Thresholds
from components.cutover.movers import Choice
from components.cutover.words import Colour
from components.emqx.answers import SessionFacts
from components.emqx.errors import Refused
from components.ledger.base import DRAINED_AT, LEASE
from components.links import carrying
from components.links.carrying import carry_sessions, not_carried
from components.links.opening import open_run
from components.links.shift import carry_out
from components.movers.evacuation import evacuate
from components.movers.task import Task
from components.report.numbers import report_of
from components.report.terminal import summary
from components.run.moved import Moved
from tests.unit.cutover_bed import QUIET, manner
from tests.unit.fake_world import UNFINISHED, Killed
from tests.unit.one_cluster_bed import OneCluster, offline

pytestmark = [pytest.mark.unit, *UNFINISHED]


def open_source(*sessions: SessionFacts) -> OneCluster:
    world = OneCluster([], evacuates=False)
    world.ledger.memory[LEASE] = "a"
    world.sessions["blue"] = list(sessions)
    return world


async def test_every_session_of_an_offline_client_is_taken_over_and_keeps_its_expiry() -> None:
    world = open_source(*(offline(f"s-{number}") for number in range(250)))
    await carry_sessions(world.run("a"), "blue", 1_000, before=0, may_end=False)
    assert world.sessions["blue"] == []
    assert len(world.sessions["green"]) == 250
    assert {one.expiry_seconds for one in world.taken} == {3_600}
    assert world.accounts == 0, "the account that it was done with is gone"
    assert world.journal[-1]["section"] == "sessions carried"
    assert (world.journal[-1]["taken"], world.journal[-1]["left"]) == (250, 0)


async def test_the_session_of_a_connected_client_is_never_taken_over() -> None:
    there = SessionFacts("here", True, 0, 0, None, 3_600)
    world = open_source(there, offline("away"))
    await carry_sessions(world.run("a"), "blue", 1_000, before=0, may_end=False)
    assert [one.clientid for one in world.taken] == ["away"]


async def test_what_cannot_be_carried_is_counted_and_ends_only_when_that_was_acknowledged() -> None:
    world = open_source(offline("a", 3), offline("b", 4))
    world.refuses_take_over = {"b"}
    with pytest.raises(Refused, match="1 sessions of offline clients with 4 queued messages"):
        await carry_sessions(world.run("a"), "blue", 1_000, before=0, may_end=False)
    await carry_sessions(world.run("a"), "blue", 1_000, before=0, may_end=True)
    loss = [event for event in world.journal if event["event"] == "loss"]
    assert [(one["count"], one["messages"], one["acknowledged"]) for one in loss] == [(1, 4, False), (1, 4, True)]


async def test_before_anybody_is_moved_it_is_known_what_nothing_can_carry() -> None:
    world = open_source(offline("a", 3), SessionFacts("here", True, 7, 0, None, 60))
    blue: Any = world.member("blue")
    assert await not_carried(blue) == (0, 0)
    world.any_client_id = False
    assert await not_carried(blue) == (1, 3)
    with pytest.raises(Refused, match="no account of ours may connect with another client's id"):
        await open_run(world.run("a"), "green", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
    assert world.journal == []


@pytest.mark.parametrize("enterprise", ["blue", "green"])
async def test_between_open_source_and_enterprise_sessions_are_taken_over_in_both_directions(
    enterprise: Colour,
) -> None:
    world = open_source(offline("a", 3))
    world.member(enterprise).evacuates = True
    blue: Any = world.member("blue")
    world.any_client_id = False
    assert await not_carried(blue, world.member("green")) == (1, 3)  # type: ignore[arg-type]
    world.any_client_id = True
    await carry_sessions(world.run("a"), "blue", 1_000, before=1, may_end=False)
    assert [one.clientid for one in world.taken] == ["a"]


async def test_killed_in_the_middle_the_next_run_carries_the_rest() -> None:
    world = open_source(*(offline(f"s-{number}") for number in range(30)))
    world.die_at = 11
    with pytest.raises(Killed):
        await carry_sessions(world.run("a"), "blue", 1_000, before=0, may_end=False)
    world.die_at = None
    await carry_sessions(world.run("a"), "blue", 1_000, before=0, may_end=False)
    assert len(world.sessions["green"]) == 30


async def test_a_run_that_lost_its_lease_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "BATCH", 10)
    world = open_source(*(offline(f"s-{number}") for number in range(30)))

    async def interrupted(*args: object, **more: object) -> None:
        world.ledger.memory[LEASE] = "b"

    run = world.run("a")
    monkeypatch.setattr(world.clock, "sleep", interrupted)
    with pytest.raises(Exception, match="lease"):
        await carry_sessions(run, "blue", 1_000, before=0, may_end=False)
    assert len(world.taken) == 10


async def drained(world: OneCluster, token: str, gates: Thresholds = QUIET) -> None:
    """A cutover of one step, by evacuation."""
    run, how = world.run(token), manner([100], gates=gates, mover=Choice(mover="evacuation", shuts=True))
    opened = await open_run(run, "green", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
    for step in ("shift-100", "drain"):
        await carry_out(run, step, "green", how, opened.direction)


async def test_an_evacuation_takes_the_sessions_along_and_the_drain_waits_until_none_is_left() -> None:
    world = OneCluster([f"dev-{number}" for number in range(40)])
    world.sessions["blue"] = [offline(f"s-{number}") for number in range(5)]
    await drained(world, "a")
    assert world.member("blue").recipients == (world.member("green").node,)
    assert len(world.sessions["green"]) == 5
    assert world.taken == []
    assert world.ledger.memory[DRAINED_AT].startswith("blue ")
    assert set(world.disconnects.values()) == {1}


async def test_an_evacuation_that_forgot_where_to_is_begun_again() -> None:
    """A node that restarts reads its evacuation back without ``migrate_to`` (emqx_node_rebalance_evacuation_persist.erl)."""
    world = OneCluster([])
    world.ledger.memory[LEASE] = "a"
    blue = world.member("blue")
    blue.rate = 10
    world.sessions["blue"] = [offline("s")]
    knobs, there = Evacuation(wait_health_check_seconds=0), (world.member("green").node,)
    await evacuate(world.run("a"), Task("drain", "blue", 10_000, 50, knobs, Moved(), lambda: None, there), 60)
    assert blue.recipients == (world.member("green").node,)
    assert [one.clientid for one in world.sessions["green"]] == ["s"]


async def test_in_one_cluster_nothing_stale_is_removed_since_that_would_end_the_only_session() -> None:
    world = OneCluster([f"dev-{number}" for number in range(10)])
    world.sessions["blue"] = [offline("s")]
    await drained(world, "a")
    run, how = world.run("b"), manner([100], mover=Choice(mover="evacuation", shuts=True))
    opened = await open_run(run, "blue", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
    assert opened.direction == "back"
    for step in ("shift-100", "drain"):
        await carry_out(run, step, "blue", how, opened.direction)
    assert set(world.at.values()) == {"blue"}
    assert [one.clientid for one in world.sessions["blue"]] == ["s"], "the way back carries sessions too"
    assert world.ledger.memory["scope"] == "colour"


async def test_the_report_has_the_sessions_that_were_carried_and_the_most_messages_that_were_lost() -> None:
    world = OneCluster([f"dev-{number}" for number in range(40)])
    world.sessions["blue"] = [offline(f"s-{number}") for number in range(5)]
    counts = {"blue": 100, "green": 7}
    for colour, api in world.apis.items():
        api.no_subscribers = counts[colour]
    world.lost_at_a_move = 1
    await drained(world, "a")
    seen = report_of(world.journal)
    assert seen.sessions_carried == 5
    assert seen.messages_dropped == 40
    assert "5 of offline clients carried; messages that a take-over may have lost: at most 40" in summary(seen)
