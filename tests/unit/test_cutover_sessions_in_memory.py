"""Sessions in whole cutovers in memory: none is lost without acknowledgement, and only those that a move left behind are removed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from components.cutover.words import Colour
from components.emqx.answers import SessionFacts
from components.emqx.errors import GateFailed, Refused
from components.links.shift import send_back
from tests.unit.cutover_bed import half_way, manner, up
from tests.unit.fake_world import UNFINISHED, World

pytestmark = [pytest.mark.unit, *UNFINISHED]


def test_sessions_are_not_lost_without_acknowledgement() -> None:
    world = World(["a", "b"])
    world.sessions["blue"] = [SessionFacts("a", connected=True, mqueue_len=3, inflight_cnt=1, disconnected_at=None)]
    with pytest.raises(Refused, match=r"1 persistent sessions with 4 queued messages.*acknowledge: \[sessions\]"):
        asyncio.run(up(world, manner([100]), "a"))
    assert not world.disconnects
    assert world.ledger.memory == {}
    asyncio.run(up(world, manner([100]), "a", acknowledged=["sessions"]))
    assert set(world.at.values()) == {"green"}


class TestSessionsLeftBehind:
    """Sessions that a move left on the colour it left are removed when clients come back to it; those in use are not."""

    def offline(self, world: World, one: str, colour: Colour, at: float) -> None:
        moment = datetime.fromtimestamp(at, UTC).isoformat()
        world.sessions[colour] = [
            SessionFacts(one, connected=False, mqueue_len=1, inflight_cnt=0, disconnected_at=moment)
        ]

    def removed(self, world: World) -> list[str]:
        return [event["colour"] for event in world.journal if event.get("section") == "stale sessions"]

    def interrupted(self) -> World:
        world = World([f"dev-{number}" for number in range(40)])
        asyncio.run(half_way(world))
        return world

    def test_a_device_that_went_offline_on_green_keeps_its_session_when_the_cutover_goes_on(self) -> None:
        world = self.interrupted()
        self.offline(world, "sleeper", "green", world.clock.now() + 1)
        asyncio.run(up(world, manner([50, 100]), "b", acknowledged=["sessions"]))
        assert self.removed(world) == []

    def test_one_that_was_evicted_from_blue_is_stale_on_the_way_back(self) -> None:
        world = self.interrupted()
        self.offline(world, "moved", "blue", world.clock.now() + 1)
        asyncio.run(up(world, manner([50, 100]), "b", to="blue", acknowledged=["sessions"]))
        assert self.removed(world) == ["blue"]

    def test_one_that_was_offline_on_green_before_the_way_back_began_is_not_stale_on_the_way_forth(self) -> None:
        world = self.interrupted()
        self.offline(world, "sleeper", "green", world.clock.now())
        world.clock.time += 10
        asyncio.run(up(world, manner([50, 100]), "b", to="blue", acknowledged=["sessions"]))
        asyncio.run(up(world, manner([50, 100]), "c", acknowledged=["sessions"]))
        assert self.removed(world) == []

    def test_one_that_a_failing_gate_left_on_green_is_stale_at_the_next_attempt(self) -> None:
        world = self.interrupted()
        asyncio.run(
            send_back(
                world.run("a"), "blue", manner([100], budget=50), GateFailed("gate x", seen="s", todo="t"), "shift-50"
            )
        )
        self.offline(world, "dev-1", "green", world.clock.now() + 1)
        asyncio.run(up(world, manner([50, 100]), "b", acknowledged=["sessions"]))
        assert self.removed(world) == ["green"]

    @pytest.mark.parametrize("ahead_seconds", [-3_600.0, 0.0, 3_600.0])
    def test_what_is_stale_is_judged_by_the_clock_of_the_brokers_that_were_left(self, ahead_seconds: float) -> None:
        world = World([f"dev-{number}" for number in range(40)])
        world.apis["blue"].ahead_seconds = ahead_seconds
        before = world.clock.now() + ahead_seconds - 10
        asyncio.run(half_way(world))
        moved = world.clock.now() + ahead_seconds
        self.offline(world, "asleep-before", "blue", before)
        world.sessions["blue"] += [world.sessions["blue"][0]._replace(clientid="moved", disconnected_at=rfc3339(moved))]
        world.journal.clear()
        asyncio.run(up(world, manner([50, 100]), "b", to="blue", acknowledged=["sessions"]))
        assert [event["count"] for event in world.journal if event.get("section") == "stale sessions"] == [1]


def rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
