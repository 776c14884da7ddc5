"""The plan beside what was done: a difference is named, what the plan did not know is none."""

from __future__ import annotations

from typing import Any

import pytest

from components.report.html import page
from components.report.numbers import report_of
from components.report.planned import disagreements, planned_of, planned_steps
from components.report.terminal import summary

pytestmark = pytest.mark.unit

OUTLINE: dict[str, list[dict[str, Any]]] = {
    "steps": [
        {
            "name": "shift-10",
            "what": "10 % on green",
            "clients": 6,
            "mover": "close",
            "ratePerSecond": 20,
            "seconds": 0.3,
        },
        {"name": "hold-1", "what": "", "clients": None, "mover": None, "seconds": 30.0},
        {"name": "shift-100", "what": "", "clients": None, "mover": "close", "seconds": None},
    ]
}


def journal(*steps: tuple[str, int, str], direction: str = "forward", plan: Any = OUTLINE) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [
        {"event": "run", "to": "green", "direction": direction, "clients": 60, "budget_per_second": 20}
    ]
    events += [{"event": "plan", "steps": planned_steps(plan)}] if plan else []
    for name, clients, mover in steps:
        events.append({"event": "step", "phase": "begin", "name": name, "share": 10, "mover": mover})
        events.append({"event": "step", "phase": "end", "name": name, "clients": clients, "moving_seconds": 1.0})
    events.append({"event": "end", "outcome": "done", "to": "green"})
    return [{"t": float(at), "run": "a", **event} for at, event in enumerate(events)]


DONE = (("shift-10", 6, "close"), ("hold-1", 0, "close"), ("shift-100", 54, "close"))


def test_what_went_as_planned_is_no_difference_and_both_are_shown() -> None:
    report = report_of(journal(*DONE))
    assert list(disagreements(report)) == []
    assert "Planned and done" in page(report)
    assert "  planned      shift-10 6 in 0.3 s" in summary(report)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((("shift-10", 7, "close"), *DONE[1:]), "shift-10: 6 clients were planned, 7 moved"),
        ((("shift-10", 6, "kick"), *DONE[1:]), "shift-10: close was planned, kick moved"),
        (DONE[:2], "shift-100 was planned and is not in the journal"),
        ((DONE[2], *DONE[:2]), "steps were carried out in another order than shift-10, hold-1, shift-100"),
    ],
)
def test_a_difference_is_named(steps: tuple[tuple[str, int, str], ...], said: str) -> None:
    assert said in list(disagreements(report_of(journal(*steps))))


def test_a_journal_without_a_plan_or_with_another_versions_plan_has_none() -> None:
    assert list(disagreements(report_of(journal(*DONE, plan=None)))) == ["the journal has no plan"]
    assert planned_of([{"event": "plan", "steps": [{"nome": "x"}]}]) == ()
    assert planned_steps({"steps": "none"}) == []


def test_the_plan_of_a_run_that_was_refused_before_anybody_moved_is_not_the_one_that_was_carried_out() -> None:
    other = planned_steps({"steps": [{**step, "mover": step["mover"] and "kick"} for step in OUTLINE["steps"]]})
    first, second = ({"event": "plan", "steps": steps} for steps in (planned_steps(OUTLINE), other))
    move = {"event": "move", "count": 6}
    assert [step.mover for step in planned_of([first, second, move])] == ["kick", None, "kick"]
    assert [step.mover for step in planned_of([first, move, second])] == ["close", None, "close"], "it is resumed"
    assert [step.mover for step in planned_of([move, first, move])] == ["close", None, "close"]


def test_of_a_roll_only_the_first_node_is_counted_and_one_of_two_movers_may_have_begun() -> None:
    step = {"name": "roll-1", "mover": "close and evacuation", "clients": 20, "seconds": 31.0}
    plan = {"steps": [step, {**step, "name": "roll-2", "clients": 30}]}
    went = (("roll-1", 20, "close"), ("roll-2", 28, "close"))
    assert list(disagreements(report_of(journal(*went, direction="roll", plan=plan)))) == []
