"""A login that is read back has its rules in the order that decides, and nothing else is asked of the answer."""

from __future__ import annotations

from typing import Any

import pytest

from components.migration.requests import Request

pytestmark = pytest.mark.unit


def row(action: str, topic: str, access: str = "allow") -> dict[str, Any]:
    return {"username": "a", "topic": topic, "action": action, "access": access}


ROWS = [row("sub", "t/#"), row("pub", "t/#"), row("sub", "t/1", "deny"), row("pub", "t/1", "deny")]
READ = Request("GET", "/acl/username/a", None, answer=ROWS)


def test_the_two_rows_of_one_rule_may_come_in_either_order() -> None:
    assert READ.answered([ROWS[1], ROWS[0], ROWS[3], ROWS[2]])


@pytest.mark.parametrize("data", [[ROWS[2], ROWS[3], ROWS[0], ROWS[1]], ROWS[:3], [*ROWS, row("pub", "x")], {}, None])
def test_another_order_of_what_decides_one_more_and_one_less_are_not_it(data: Any) -> None:
    assert not READ.answered(data)


def test_what_has_no_answer_written_down_is_not_looked_at() -> None:
    assert Request("POST", "/acl", {}).answered("anything")
