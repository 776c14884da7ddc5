"""The plan is a file for whoever wants it, as Markdown and as JSON with the same content, and never an output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.emqx.errors import BadInput
from components.plan_files import VARIABLE, write_plan
from components.preview import Plan

pytestmark = pytest.mark.unit

PLAN = Plan("cutover forward to green: 20 clients\n  step  share\n  gates: none", {"to": "green", "clients": 20})


@pytest.mark.parametrize("wanted", ["for-ci/plan.md", "for-ci/plan.json", "for-ci/plan"])
def test_it_is_in_the_work_directory_and_where_it_is_wanted(tmp_path: Path, wanted: str) -> None:
    write_plan(PLAN, str(tmp_path / "work"), str(tmp_path / wanted))
    for place in (tmp_path / "work", tmp_path / "for-ci"):
        assert {one.name for one in place.iterdir()} == {"plan.md", "plan.json"}
        head, _, rest = (place / "plan.md").read_text().partition("\n")
        assert head == "# cutover forward to green: 20 clients"
        assert rest == "\n```text\n  step  share\n  gates: none\n```\n"
        assert json.loads((place / "plan.json").read_text()) == PLAN.numbers


def test_nothing_to_do_is_one_heading(tmp_path: Path) -> None:
    write_plan(Plan("cutover: nothing to do", {}), str(tmp_path), None)
    assert (tmp_path / "plan.md").read_text() == "# cutover: nothing to do\n"


def test_a_place_that_cannot_be_written_is_refused_where_it_was_asked_for_and_nowhere_else(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    write_plan(PLAN, str(taken), None)
    with pytest.raises(BadInput, match=rf"{VARIABLE}: .*taken/plan\.md: .*name a file that can be written"):
        write_plan(PLAN, str(tmp_path / "work"), str(taken / "plan.md"))
