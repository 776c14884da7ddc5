"""Steps as the config writes them: their names, and what cannot be right is refused with its path and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from components.cutover.steps import StepsError, parse_steps

pytestmark = pytest.mark.unit


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
