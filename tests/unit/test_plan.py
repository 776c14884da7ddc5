"""The plan: its invariants from every point where a run can be interrupted, steps as the config writes them, the forecast."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.cohort import everybody, green_parts, moves, parts_of, share_percent
from components.cutover.forecast import Fleet, Forecast, cohort_counts, forecast, render
from components.cutover.plan import DRAIN, Desired, PlanError, Transition, World, check_invariants, plan
from components.cutover.steps import DEFAULT_STEPS, Step, StepsError, parse_steps
from components.cutover.words import COLOURS, PARTS, Colour, Mover, other

pytestmark = pytest.mark.unit

BOTH: frozenset[Colour] = frozenset(COLOURS)
COLOUR: st.SearchStrategy[Colour] = st.sampled_from(COLOURS)
MOVER: st.SearchStrategy[Mover] = st.sampled_from(["kick", "evacuation"])
IDS = st.lists(
    st.text("abcdefgh0123456789", min_size=1, max_size=6) | st.just("VD8HsMuOdpH2qGST"), unique=True, max_size=30
)


@st.composite
def step_lists(draw: st.DrawFn) -> tuple[Step, ...]:
    shares = [*sorted(draw(st.sets(st.integers(1, 9_999), max_size=4))), PARTS]
    raw: list[dict[str, Any]] = []
    for share in shares:
        raw += draw(st.lists(st.sampled_from([{"hold": 3}, {"gate": True}]), max_size=2))
        raw.append({"share": share / 100})
    raw += draw(st.lists(st.sampled_from([{"hold": 3}, {"gate": True}]), max_size=2))
    return parse_steps(raw)


class Fake:
    """A world that does what a transition says, one client at a time, and counts what the clients notice."""

    def __init__(self, ids: list[str], at: Colour, share: int, healthy: frozenset[Colour]) -> None:
        self.world = World(share=share, healthy=healthy)
        self.on: dict[Colour, list[str]] = {"blue": [], "green": []}
        self.on[at] = list(ids)
        self.disconnects = dict.fromkeys(ids, 0)
        self.done: list[Transition] = []

    def apply(self, one: Transition, most: int | None = None) -> bool:
        """Do it, or only the first ``most`` clients of it; whether it was done to its end."""
        self.done.append(one)
        if one.act == "open":
            healthy = self.world.healthy | {one.colour}
            self.world = replace(self.world, healthy=healthy, draining=self.world.draining - {one.colour})
        elif one.act == "share":
            self.world = replace(self.world, share=one.parts, drained=frozenset())
        elif one.act in {"move", "drain"}:
            return self._move(one, most)
        return True

    def _move(self, one: Transition, most: int | None) -> bool:
        old, to = one.colour, other(one.colour)
        due = [client for client in self.on[old] if moves(client, to, one.parts)]
        for client in due[:most]:
            self.on[old].remove(client)
            # Back at the balancer, which sends it by the share that is set now.
            self.on["green" if parts_of(client) < self.world.share else "blue"].append(client)
            self.disconnects[client] += 1
        whole = most is None or most >= len(due)
        if one.act == "drain":
            drained = self.world.drained | {old} if whole and one.step == DRAIN else self.world.drained
            self.world = replace(self.world, draining=self.world.draining | {old}, drained=drained)
        return whole


@settings(max_examples=150)
@given(
    IDS, COLOUR, step_lists(), MOVER, st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), max_size=6), st.data()
)
def test_interrupted_anywhere_and_planned_again_nobody_moves_twice_and_all_arrive(
    ids: list[str],
    to: Colour,
    steps: tuple[Step, ...],
    mover: Mover,
    breaks: list[tuple[int, int]],
    data: st.DataObject,
) -> None:
    healthy = data.draw(st.sampled_from([BOTH, frozenset([other(to)])]))
    fake = Fake(ids, other(to), everybody(other(to)), healthy)
    desired = Desired(to, steps, mover)
    for stop_after, clients in breaks:
        for index, one in enumerate(plan(fake.world, desired)):
            before = fake.world
            if one.act == "share":
                assert to in before.healthy
                assert share_percent(to, one.parts) > share_percent(to, before.share)
            if one.act == "drain":
                assert before.share == everybody(to)
            if one.act in {"hold", "judge"}:
                assert not [client for client in fake.on[other(to)] if moves(client, to, before.share)]
            if index == stop_after:
                fake.apply(one, clients)
                break
            fake.apply(one)
    for one in plan(fake.world, desired):
        fake.apply(one)
    assert sorted(fake.on[to]) == sorted(ids)
    assert set(fake.disconnects.values()) <= {1}
    assert list(plan(fake.world, desired)) == []


@settings(max_examples=100)
@given(IDS, step_lists(), MOVER, st.integers(0, 12), st.integers(0, 5))
def test_a_flip_at_any_point_brings_everybody_back_with_at_most_one_more_disconnect(
    ids: list[str], steps: tuple[Step, ...], mover: Mover, stop_after: int, clients: int
) -> None:
    fake = Fake(ids, "blue", 0, BOTH)
    for index, one in enumerate(plan(fake.world, Desired("green", steps, mover))):
        if index == stop_after:
            fake.apply(one, clients)
            break
        fake.apply(one)
    for one in plan(fake.world, Desired("blue", steps, mover)):
        fake.apply(one)
    assert sorted(fake.on["blue"]) == sorted(ids)
    assert set(fake.disconnects.values()) <= {0, 1, 2}


@given(step_lists(), MOVER, st.integers(0, PARTS), COLOUR)
def test_each_step_alone_does_what_the_whole_plan_would_do(
    steps: tuple[Step, ...], mover: Mover, share: int, to: Colour
) -> None:
    # One dynamic resource carries out one step: it plans from what it then observes and takes the transitions of its name.
    desired, alone = Desired(to, steps, mover), Fake([], other(to), share, BOTH)
    whole = list(plan(alone.world, desired))
    for name in ["open", *(step.name for step in steps), "drain"]:
        for one in [one for one in plan(alone.world, desired) if one.step == name]:
            alone.apply(one)
    assert alone.done == whole


def test_the_order_of_an_ordinary_cutover() -> None:
    world = World(share=0, healthy=frozenset(["blue"]))
    acts = [(one.act, one.step, one.parts) for one in plan(world, Desired("green", DEFAULT_STEPS, "evacuation"))]
    assert acts == [
        ("open", "open", 0),
        ("share", "shift-10", 1_000),
        ("move", "shift-10", 1_000),
        ("hold", "hold-1", 1_000),
        ("share", "shift-50", 5_000),
        ("move", "shift-50", 5_000),
        ("share", "shift-100", 10_000),
        ("drain", "shift-100", 10_000),
        ("drain", "drain", 10_000),
    ]


@pytest.mark.parametrize(("mover", "takes"), [("evacuation", "drain"), ("kick", "move")])
def test_a_hold_after_the_last_share_finds_everybody_moved_and_nothing_drained_yet(mover: Mover, takes: str) -> None:
    steps = parse_steps([{"share": 50}, {"share": 100}, {"hold": 600}, {"gate": True}])
    fake = Fake([f"dev-{number}" for number in range(50)], "blue", 0, BOTH)
    seen = []
    for one in plan(fake.world, Desired("green", steps, mover)):
        if one.act in {"hold", "judge"}:
            assert fake.on["blue"] == []
            assert fake.world.drained == frozenset()
        fake.apply(one)
        seen.append((one.act, one.step))
    assert seen[2:] == [
        ("share", "shift-100"),
        (takes, "shift-100"),
        ("hold", "hold-1"),
        ("judge", "gate-1"),
        ("drain", "drain"),
    ]
    assert fake.world.drained == {"blue"}


def test_kicks_move_the_last_clients_in_the_last_step_and_the_drain_finds_nobody() -> None:
    world = World(share=5_000, healthy=BOTH)
    acts = [(one.act, one.step) for one in plan(world, Desired("green", DEFAULT_STEPS, "kick"))]
    assert acts == [("move", "shift-50"), ("share", "shift-100"), ("move", "shift-100"), ("drain", "drain")]


def test_a_hold_is_not_repeated_once_a_later_share_is_reached() -> None:
    steps = parse_steps([{"share": 10}, {"hold": 5}, {"share": 50}, {"gate": True}, {"share": 100}])

    def passed(share: int) -> list[str]:
        return [
            one.step
            for one in plan(World(share, BOTH), Desired("green", steps, "kick"))
            if one.act in {"hold", "judge"}
        ]

    assert passed(1_000) == ["hold-1", "gate-1"]
    assert passed(5_000) == ["gate-1"]
    assert passed(10_000) == []


def test_a_colour_that_evacuates_is_opened_before_it_gets_anybody() -> None:
    world = World(share=10_000, healthy=BOTH, draining=frozenset(["blue"]), drained=frozenset(["blue"]))
    first = next(plan(world, Desired("blue", DEFAULT_STEPS, "kick")))
    assert first == Transition("open", "open", "blue", 10_000)


@pytest.mark.parametrize(
    ("transition", "now", "why"),
    [
        (Transition("share", "shift-10", "green", 1_000), World(1_000, BOTH), "would fall"),
        (Transition("share", "shift-50", "green", 5_000), World(5_000, BOTH), "not healthy"),
        (Transition("share", "shift-50", "blue", 1_000), World(1_000, BOTH), "not healthy"),
        (Transition("drain", "drain", "blue", 2_000), World(2_000, BOTH), "would drain while"),
        (Transition("move", "shift-50", "blue", 5_000), World(2_000, BOTH), "not set"),
    ],
)
def test_a_transition_that_breaks_an_invariant_is_an_error(transition: Transition, now: World, why: str) -> None:
    before = World(2_000, frozenset(["blue"]), draining=frozenset(["blue"]))
    to: Colour = "green" if transition.act != "share" else transition.colour
    with pytest.raises(PlanError, match=why):
        check_invariants(before, now, transition, to)


def test_names_do_not_say_a_direction() -> None:
    steps = parse_steps([{"share": 0.5}, {"hold": "5"}, {"gate": True}, {"share": 10.0}, {"hold": 2}, {"share": "100"}])
    assert [step.name for step in steps] == ["shift-0.5", "hold-1", "gate-1", "shift-10", "hold-2", "shift-100"]


@pytest.mark.parametrize(
    ("raw", "path", "allowed"),
    [
        ([{"share": 50}, {"share": 50}, {"share": 100}], "[1].share", "more than the 50"),
        ([{"share": 50}], "[0].share", "100 for the last share"),
        ([], "", "at least one"),
        ([{"hold": 3}], "", "at least one"),
        ([{"share": 0}, {"share": 100}], "[0].share", "more than 0"),
        ([{"share": 101}], "[0].share", "at most 100"),
        ([{"share": 0.001}, {"share": 100}], "[0].share", "hundredths"),
        ([{"share": "nan"}, {"share": 100}], "[0].share", "more than 0"),
        ([{"share": True}, {"share": 100}], "[0].share", "more than 0"),
        ([{"hold": -1}, {"share": 100}], "[0].hold", "more than 0"),
        ([{"gate": False}, {"share": 100}], "[0].gate", "true"),
        ([{"share": 10, "hold": 3}, {"share": 100}], "[0]", "one of"),
        ([{"shares": 10}], "[0]", "one of"),
        (["share"], "[0]", "one of"),
        ("share", "", "a list"),
        ([{"hold": 1}] * 200, "", "at most 100"),
    ],
)
def test_steps_that_cannot_be_right_are_refused_with_path_and_what_is_allowed(
    raw: Any, path: str, allowed: str
) -> None:
    with pytest.raises(StepsError) as refused:
        parse_steps(raw)
    assert refused.value.problems[0].path == path
    assert allowed in refused.value.problems[0].allowed


def test_every_wrong_step_is_named_at_once() -> None:
    with pytest.raises(StepsError) as refused:
        parse_steps([{"share": 0}, {"pause": 1}, {"hold": "x"}])
    assert [one.path for one in refused.value.problems] == ["[0].share", "[1]", "[2].hold"]


def _forecast(fleet: Fleet, to: Colour = "green", share: int = 0, mover: Mover = "evacuation") -> Forecast:
    return forecast(
        to=to,
        direction="forward",
        reason="green has 0 %",
        share_parts=share,
        steps=DEFAULT_STEPS,
        mover=mover,
        budget_per_second=200,
        fleet=fleet,
        gates=("stall_seconds",),
        wait_health_check_seconds=2,
    )


@settings(max_examples=50)
@given(st.lists(st.text("abcdef0123456789", min_size=4, max_size=4), unique=True, max_size=300), COLOUR)
def test_the_forecast_with_ids_names_exactly_the_clients_that_are_moved(ids: list[str], to: Colour) -> None:
    counts, assigned = cohort_counts([*ids, "VD8HsMuOdpH2qGST"])
    fleet = Fleet(clients=len(ids) + 1, cohorts=counts, assigned=assigned)
    shown = [row.clients for row in _forecast(fleet, to, everybody(other(to))).steps if row.share is not None]
    reached = [
        len([client for client in ids if moves(client, to, green_parts(to, percent))]) for percent in (10, 50, 100)
    ]
    assert shown == [reached[0], reached[1] - reached[0], reached[2] - reached[1] + 1]


def test_the_forecast_shows_clients_rate_time_mover_losses_and_gates() -> None:
    plan_ = _forecast(Fleet(clients=2_000, persistent_connected=1_000, persistent_offline=7, queued_messages=42))
    assert [(row.name, row.clients, row.mover, row.expected_seconds) for row in plan_.steps] == [
        ("shift-10", 200, "kick", 1.0),
        ("hold-1", None, None, 30.0),
        ("shift-50", 800, "kick", 4.0),
        ("shift-100", 1_000, "evacuation", 8.0),
    ]
    assert (plan_.expected_seconds, plan_.limit_seconds) == (43.0, 10.0)
    assert (plan_.losses.sessions_ended, plan_.losses.sessions_left) == (500, 500)
    text = render(plan_)
    for part in ("2000 clients", "200/s", "evacuation", "500 sessions ended", "42 queued messages", "stall_seconds"):
        assert part in text


def test_what_could_not_be_counted_is_unknown_and_not_zero() -> None:
    plan_ = _forecast(Fleet())
    assert {row.clients for row in plan_.steps} == {None}
    assert plan_.expected_seconds is None
    assert "unknown clients" in render(plan_)
    assert "unknown queued messages" in render(plan_)


def test_a_half_done_cutover_counts_only_who_is_left() -> None:
    rows = _forecast(Fleet(clients=600), share=4_000, mover="kick").steps
    assert [row.clients for row in rows if row.share is not None] == [0, 100, 500]


@pytest.mark.parametrize("share", [0, 500, 1_000, 4_000, 5_000, 9_000, 10_000])
def test_the_steps_of_a_half_done_cutover_move_everybody_who_is_left_and_nobody_twice(share: int) -> None:
    ids = [f"dev-{number}" for number in range(300)]  # none of them was moved before the run was cut off
    counts, assigned = cohort_counts(ids)
    fleet = Fleet(clients=len(ids), cohorts=counts, assigned=assigned)
    rows = [row.clients or 0 for row in _forecast(fleet, share=share).steps if row.share is not None]
    assert sum(rows) == len(ids)
    shares = (1_000, 5_000, 10_000)
    last_reached = max((index for index, reached in enumerate(shares) if reached <= share), default=0)
    assert rows[:last_reached] == [0] * last_reached


def test_the_forecasts_size_does_not_depend_on_the_clients() -> None:
    few, many = (len(_forecast(Fleet(clients=count)).model_dump_json(by_alias=True)) for count in (10, 100_000))
    assert many - few < 100


def test_nothing_to_do_is_said_in_one_line() -> None:
    plan_ = forecast(
        to="green",
        direction="nothing",
        reason="green serves everybody",
        share_parts=PARTS,
        steps=DEFAULT_STEPS,
        mover="kick",
        budget_per_second=10,
        fleet=Fleet(clients=5),
    )
    assert render(plan_) == "cutover: nothing to do (green serves everybody)"
    assert json.loads(plan_.model_dump_json())["steps"] == []
