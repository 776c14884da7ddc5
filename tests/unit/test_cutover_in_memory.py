"""The operations of a whole cutover over random fleets, steps and kills, in memory and under a clock of our own."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.cohort import everybody
from components.cutover.evacuation import Evacuation
from components.cutover.movers import Choice
from components.emqx.errors import GateFailed, GaveUp, LeaseLost, Refused
from components.links.opening import open_run
from components.links.shift import carry_out
from components.routers.base import Capabilities
from components.run.whereabouts import telling_where
from tests.unit.cutover_bed import CE, CHOICES, EE, EVACUATION, QUIET, manner, opened_only, up
from tests.unit.fake_api import FakeApi
from tests.unit.fake_world import UNFINISHED, Killed, World

pytestmark = [pytest.mark.unit, *UNFINISHED, pytest.mark.filterwarnings("ignore::ResourceWarning")]

SHARES = st.lists(st.integers(1, 99), max_size=4, unique=True).map(lambda some: [*sorted(some), 100])
IDS = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=60, unique=True)


@settings(max_examples=60, deadline=None)
@given(ids=IDS, shares=SHARES, choice=st.sampled_from(list(CHOICES.values())))
def test_every_client_is_disconnected_exactly_once(ids: list[str], shares: list[int], choice: Choice) -> None:
    world = World(ids, evacuates=choice.shuts)
    asyncio.run(up(world, manner(shares, mover=choice), "a"))
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}
    assert world.router.shares == sorted(world.router.shares)


@settings(max_examples=60, deadline=None)
@given(ids=IDS, shares=SHARES, choice=st.sampled_from(list(CHOICES.values())), chance=st.randoms(use_true_random=False))
def test_who_comes_by_websocket_is_moved_once_too_and_not_before_the_last_step(
    ids: list[str], shares: list[int], choice: Choice, chance: Random
) -> None:
    world = World(ids, evacuates=choice.shuts)
    world.masked = {one for one in ids if chance.random() < 0.5}
    world.router.can = Capabilities("client-id", late_clients=frozenset({"websocket"}))
    early: list[str] = []

    def watched(one: str) -> None:
        early.extend([one] if one in world.masked and world.router.parts < everybody("green") else [])
        lose(one)

    lose, world.disconnect = world.disconnect, watched  # type: ignore[method-assign]
    asyncio.run(up(world, manner(shares, mover=choice), "a"))
    assert early == []
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}


@settings(max_examples=80, deadline=None)
@given(
    ids=IDS,
    shares=SHARES,
    choice=st.sampled_from(list(CHOICES.values())),
    kills=st.lists(st.integers(1, 12), max_size=4),
)
def test_killed_anywhere_the_next_run_goes_on_and_nobody_is_disconnected_twice(
    ids: list[str], shares: list[int], choice: Choice, kills: list[int]
) -> None:
    world = World(ids, evacuates=choice.shuts)
    how = manner(shares, mover=choice)
    for number, kill in enumerate(kills):
        world.die_at = world.acts + kill
        try:
            asyncio.run(up(world, how, f"killed-{number}"))
        except Killed:
            continue
    world.die_at = None
    asyncio.run(up(world, how, "last"))
    assert set(world.at.values()) == {"green"}
    assert max(world.disconnects.values()) == 1
    assert world.router.parts == everybody("green")


@settings(max_examples=40, deadline=None)
@given(ids=IDS, shares=SHARES, kill=st.integers(1, 12), choice=st.sampled_from(list(CHOICES.values())))
def test_a_flip_at_any_point_brings_everybody_back(
    ids: list[str], shares: list[int], kill: int, choice: Choice
) -> None:
    world = World(ids, evacuates=choice.shuts)
    how = manner(shares, mover=choice)
    world.die_at = kill
    with contextlib.suppress(Killed):
        asyncio.run(up(world, how, "there"))
    world.die_at = None
    asyncio.run(up(world, how, "back", to="blue"))
    assert set(world.at.values()) == {"blue"}
    assert world.router.parts == everybody("blue")


def test_on_enterprise_clients_are_kicked_evenly_and_the_door_of_the_old_colour_stays_shut() -> None:
    world = World([f"dev-{number}" for number in range(200)])
    asyncio.run(up(world, manner([10, 100], budget=100, mover=EE), "a"))
    moves = [(event["mover"], event["count"]) for event in world.journal if event["event"] == "move"]
    assert {mover for mover, _ in moves} == {"kick"}
    assert max(count for _, count in moves) <= 100 * 0.25 + 1
    state = asyncio.run(world.apis["blue"].evacuations())["emqx@blue"].state
    assert state in {"waiting_takeover", "evicting_sessions", "prohibiting"}


def test_an_evacuation_that_a_killed_run_began_is_not_joined_by_kicks() -> None:
    world = World([f"dev-{number}" for number in range(200)])
    how = manner([10, 100], budget=20, mover=EVACUATION)

    def interrupted() -> None:
        if any(event["event"] == "move" and event["mover"] == "evacuation" for event in world.journal):
            raise Killed

    async def cut_off() -> None:
        run = replace(world.run("a"), interrupted=interrupted)
        opened = await open_run(run, "green", ("blue", "green"), (), budget_per_second=20, keep_stale=False)
        for name in ("shift-10", "shift-100"):
            await carry_out(run, name, "green", how, opened.direction)

    with pytest.raises(Killed):
        asyncio.run(cut_off())
    world.journal.clear()
    asyncio.run(up(world, how.model_copy(update={"mover": EE}), "b"))
    assert {event["mover"] for event in world.journal if event["event"] == "move"} == {"evacuation"}
    assert set(world.disconnects.values()) == {1}


def test_a_finished_cutover_has_nothing_to_do() -> None:
    world = World([f"dev-{number}" for number in range(50)])
    asyncio.run(up(world, manner([50, 100]), "a"))
    before = dict(world.disconnects)
    assert asyncio.run(up(world, manner([10, 20, 100], budget=1), "b")) == "nothing"
    assert world.disconnects == before


class TestGateAtHalf:
    """A gate that fails sends everybody back, says which one, and the next run begins anew."""

    async def half_bad(self, world: World) -> None:
        how = manner([50, 100], budget=10, gates=QUIET.model_copy(update={"connect_failure_minimum_connects": 1}))
        run = world.run("a")
        await open_run(run, "green", ("blue", "green"), (), budget_per_second=10, keep_stale=False)
        world.refused["green"] = 0
        task = asyncio.ensure_future(carry_out(run, "shift-50", "green", how, "forward"))
        # refusals are counted from the first look on
        while not (world.disconnects and any(event["event"] == "sample" for event in world.journal)):  # noqa: ASYNC110  -- the world has no event to wait for
            await asyncio.sleep(0)
        world.refused["green"] = 500
        await task

    def test_clients_are_back_and_the_error_says_why(self) -> None:
        world = World([f"dev-{number}" for number in range(100)])
        with pytest.raises(
            GateFailed, match=r"connect_failure_rate_above_baseline during shift-50.*threshold 0.05.*back on blue"
        ):
            asyncio.run(self.half_bad(world))
        assert set(world.at.values()) == {"blue"}
        assert world.router.parts == everybody("blue")

    def test_the_next_run_begins_at_the_first_step_and_succeeds(self) -> None:
        world = World([f"dev-{number}" for number in range(100)])
        with pytest.raises(GateFailed):
            asyncio.run(self.half_bad(world))
        world.journal.clear()
        asyncio.run(up(world, manner([50, 100]), "b"))
        begun = [event["name"] for event in world.journal if event["event"] == "step" and event["phase"] == "begin"]
        assert begun == ["shift-50", "shift-100", "drain"]
        assert set(world.at.values()) == {"green"}


def test_a_run_that_lost_its_lease_moves_nobody() -> None:
    world = World([f"dev-{number}" for number in range(50)])
    asyncio.run(up(world, manner([100]), "new"))
    world.at = dict.fromkeys(world.at, "blue")
    world.disconnects.clear()
    with pytest.raises(LeaseLost, match="run new"):
        asyncio.run(carry_out(world.run("old"), "shift-50", "blue", manner([50, 100]), "forward"))
    assert not world.disconnects


def test_an_evacuation_that_ended_by_itself_after_a_kill_leaves_the_rest_to_be_done() -> None:
    world = World([f"dev-{number}" for number in range(20)])
    world.was_at(everybody("green"))
    world.ledger.memory["origin"] = "blue"
    world.at = dict.fromkeys(world.at, "green")
    assert asyncio.run(up(world, manner([100]), "b")) == "forward"
    assert world.ledger.memory["drained_at"].startswith("blue ")
    assert not world.disconnects


def test_clients_that_do_not_pass_the_balancer_are_named() -> None:
    class Direct(World):
        def disconnect(self, one: str) -> None:
            super().disconnect(one)
            self.at[one] = "blue"

    world = Direct(["direct-1"], evacuates=False)
    with pytest.raises(GaveUp, match=r"direct-1.*through the balancer"):
        asyncio.run(up(world, manner([100], mover=CE), "a"))


def test_a_foreign_evacuation_that_does_not_fit_is_refused_not_fought_over() -> None:
    world = World([f"dev-{number}" for number in range(20)])

    async def go() -> None:
        run = world.run("a")
        await open_run(run, "green", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
        await carry_out(run, "shift-100", "green", manner([100]), "forward")
        blue: FakeApi = world.apis["blue"]
        await blue.evacuation_start(blue.node, Evacuation(wait_health_check_seconds=3600, conn_evict_rate=5000))
        acts = world.acts
        with pytest.raises(Refused, match="5000 clients per second, the budget is 50"):
            await carry_out(run, "drain", "green", manner([100]), "forward")
        assert world.acts == acts

    asyncio.run(go())


def test_a_cutover_that_was_given_up_is_over() -> None:
    world = World([f"dev-{number}" for number in range(20)])
    asyncio.run(opened_only(world, "a"))
    assert asyncio.run(up(world, manner([100]), "b", to="blue")) == "nothing"
    assert world.ledger.memory["drained_at"].startswith("green ")
    assert asyncio.run(up(world, manner([100]), "c", to="blue")) == "nothing"
    assert not world.disconnects


def test_declaring_that_nothing_moves_stops_the_run_that_moves() -> None:
    world = World([f"dev-{number}" for number in range(20)])
    asyncio.run(opened_only(world, "older"))
    asyncio.run(up(world, manner([100]), "newer", to="blue"))
    with pytest.raises(LeaseLost, match="run newer"):
        asyncio.run(carry_out(world.run("older"), "shift-50", "green", manner([50, 100]), "forward"))
    assert not world.disconnects


def test_a_client_that_passes_the_balancer_by_is_kicked_twice_and_not_for_ever() -> None:
    class Direct(World):
        def disconnect(self, one: str) -> None:
            super().disconnect(one)
            self.at[one] = "blue"

    world = Direct(["direct-1"], evacuates=False)
    with pytest.raises(GaveUp):
        asyncio.run(up(world, manner([100], mover=CE), "a"))
    assert world.disconnects["direct-1"] == 2


def test_an_error_says_where_the_clients_are() -> None:
    world = World([f"dev-{number}" for number in range(20)])
    failure = Refused("trying", seen="trouble", todo="help")

    async def fail() -> None:
        async with telling_where(world.run("a")):
            raise failure

    with pytest.raises(Refused, match=r"trouble; green's share is 0 %; clients: 20 on blue, 0 on green\. Next: help"):
        asyncio.run(fail())
