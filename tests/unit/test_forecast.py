"""The forecast: whom each step will move, how long it takes and what is lost; what could not be counted is unknown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.capabilities import SERVICE, Capabilities
from components.cutover.cohort import cohort_counts, everybody, green_parts, moves
from components.cutover.forecast import Fleet, Forecast, Sample, forecast
from components.cutover.limits import limits_of
from components.cutover.movers import Choice
from components.cutover.plan_text import render
from components.cutover.portions import Weighed, too_fine
from components.cutover.steps import DEFAULT_STEPS, parse_steps
from components.cutover.words import COLOURS, PARTS, Colour, Mover, other
from components.emqx.errors import Refused
from components.guards.outlasting import refuse_outlasting

pytestmark = pytest.mark.unit

COLOUR: st.SearchStrategy[Colour] = st.sampled_from(COLOURS)


def _forecast(fleet: Fleet, to: Colour = "green", share: int = 0, mover: Mover = "evacuation") -> Forecast:
    return forecast(
        to=to,
        direction="forward",
        reason="green has 0 %",
        share_parts=share,
        steps=DEFAULT_STEPS,
        mover=Choice(mover=mover, reason="why"),
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


@pytest.mark.parametrize(("keeps", "losses"), [(False, (1_000, 0)), (True, (0, 1_000))])
def test_sessions_of_closed_clients_end_on_the_colour_that_is_left_unless_they_are_kept(
    keeps: bool, losses: tuple[int, int]
) -> None:
    plan_ = forecast(
        to="green",
        direction="forward",
        reason="",
        share_parts=0,
        steps=DEFAULT_STEPS,
        mover=Choice(mover="close"),
        budget_per_second=100,
        fleet=Fleet(clients=2_000, mqtt5_clients=700, persistent_connected=1_000),
        keeps_sessions=keeps,
    )
    assert {row.mover for row in plan_.steps if row.share is not None} == {"close"}
    assert (plan_.losses.sessions_ended, plan_.losses.sessions_left) == losses
    assert plan_.told_to_go == 0


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
    for part in ("2000 clients", "200/s", "evacuation", "500 sessions ended", "42 queued messages", "stallSeconds"):
        assert part in text


def test_late_clients_are_counted_by_their_reason_and_all_in_the_last_step() -> None:
    counts, assigned = cohort_counts(["dev-1", "dev-2", "VD8HsMuOdpH2qGST"])
    plan_ = _forecast(Fleet(clients=10, cohorts=counts, assigned=assigned, websocket=7))
    moved = [row.clients for row in plan_.steps if row.share is not None]
    assert sum(one or 0 for one in moved) == 10
    assert (moved[-1] or 0) >= 8
    assert "late, in the last step: 1 without an id of their own, 7 by WebSocket" in render(plan_)
    assert plan_.model_dump(by_alias=True)["late"] == {"withoutId": 1, "websocket": 7}
    assert "late" not in render(_forecast(Fleet(clients=2, cohorts=cohort_counts(["a", "b"])[0])))


def test_an_estimate_is_called_one_with_the_number_that_was_looked_at() -> None:
    text = render(_forecast(Fleet(clients=55_000, sample=Sample(looked_at=10_000, sessions=60_000))))
    assert "estimated from 10000 of 60000 sessions" in text
    assert "estimated" not in render(_forecast(Fleet(clients=2_000)))


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
        mover=Choice(mover="kick"),
        budget_per_second=10,
        fleet=Fleet(clients=5),
    )
    assert render(plan_) == "cutover: nothing to do (green serves everybody)"
    assert json.loads(plan_.model_dump_json())["steps"] == []


def test_the_way_back_counts_no_hold_that_it_skips() -> None:
    plan_ = forecast(
        to="blue",
        direction="back",
        reason="",
        share_parts=10_000,
        steps=DEFAULT_STEPS,
        mover=Choice(mover="kick"),
        budget_per_second=200,
        fleet=Fleet(clients=2_000),
    )
    assert [row.name for row in plan_.steps] == ["shift-10", "shift-50", "shift-100"]
    assert plan_.expected_seconds == plan_.limit_seconds == 10.0


def weighed_plan(clients: int, budget: int, keeps: float | None = 3_600.0) -> Forecast:
    steps, portions = parse_steps([{"share": 10}, {"hold": 30}, {"share": 100}]), (10.0, 100.0)
    can = Capabilities("new-connections", keeps_seconds=keeps, unseen="who keeps an old answer is not seen")
    weighed = Weighed(steps=steps, portions=portions, mover="kick", budget_per_second=budget)
    plan_ = forecast(
        to="green",
        direction="forward",
        reason="",
        share_parts=0,
        steps=steps,
        mover=Choice(mover="kick", reason="why", portions=portions),
        budget_per_second=budget,
        fleet=Fleet(clients=clients, mqtt5_clients=7),
    )
    return plan_.model_copy(update={"limits": limits_of(can, weighed, clients)})


def test_a_balancer_that_does_not_know_clients_is_told_with_what_it_cannot_do_and_what_there_is_time_for() -> None:
    plan_ = weighed_plan(3_000, 100)
    assert [(row.name, row.clients, row.mover) for row in plan_.steps if row.share is not None] == [
        ("shift-10", 0, None),
        ("shift-100", 3_000, "kick"),
    ]
    text = render(plan_)
    assert "no cohorts" in text
    assert "takes who connects anew, and moves nobody" in text
    assert "cannot close one client's connection" in text
    assert "who keeps an old answer is not seen" in text
    assert "in portions, with the gates between them: 10 %, 100 % of the clients" in text
    assert "takes 360 s at most, gates and returns at their bounds; 3600 s is what there is" in text
    assert "7 MQTT 5 clients get a DISCONNECT by it" in text


def test_a_service_is_told_as_all_or_nothing() -> None:
    steps = parse_steps([{"share": 100}])
    weighed = Weighed(steps=steps, portions=(100.0,), mover="kick", budget_per_second=100)
    limits = limits_of(SERVICE, weighed, 300)
    assert limits is not None
    assert any("there is no share between" in one for one in limits.cannot)
    assert not any("a share below 100 %" in one for one in limits.cannot)
    assert limits.keeps_seconds is None
    assert [str(one.allowed) for one in too_fine(parse_steps([{"share": 50}, {"share": 100}]), SERVICE.finest_parts)]
    assert not [*too_fine(steps, SERVICE.finest_parts)]


def test_a_drain_that_would_outlast_the_connections_is_refused_with_both_numbers() -> None:
    refuse_outlasting(weighed_plan(3_000, 100))
    with pytest.raises(Refused, match=r"500000 clients at 100/s.* take 5330 s at most, and 3600 s after"):
        refuse_outlasting(weighed_plan(500_000, 100))
    refuse_outlasting(weighed_plan(500_000, 100, keeps=None))
    refuse_outlasting(weighed_plan(500_000, 100).model_copy(update={"direction": "back"}))
