"""The report tells what a conversion lost, and where all of it stands."""

from __future__ import annotations

from typing import Any

import pytest

from components.report.conversion import conversion_of
from components.report.html import conversion_part
from components.report.model import Conversion
from components.report.terminal import conversion_lines

pytestmark = pytest.mark.unit

FACT: dict[str, Any] = {
    "event": "fact",
    "section": "conversion",
    "tally": {"auth_mnesia": {"source": 3, "carried": 2, "changed": 0, "dropped": 1}},
    "losses": ["auth_mnesia <b>: dropped, no login"],
    "losses_left_out": 4,
    "not_given": ["no loaded_modules"],
    "proof": ["9 decisions: 0 wider, 0 narrower"],
    "manifest": "/w/archives/manifest.md",
}


def test_it_is_read_from_the_newest_fact() -> None:
    found = conversion_of([{**FACT, "losses": []}, {"event": "link"}, FACT])
    assert found is not None
    assert (found.carried, found.changed, found.dropped, found.left_out) == (2, 0, 1, 4)
    assert found.losses == ("auth_mnesia <b>: dropped, no login",)


@pytest.mark.parametrize("wrong", [{"tally": None}, {"losses": 7}, {"manifest": None}])
def test_what_another_program_wrote_is_not_known(wrong: dict[str, Any]) -> None:
    assert conversion_of([{**FACT, **wrong}]) is None
    assert conversion_of([]) is None


def test_the_page_has_each_sentence_escaped_and_the_terminal_one_line() -> None:
    found = conversion_of([FACT])
    part = conversion_part(found)
    assert "&lt;b&gt;" in part
    assert "no loaded_modules" in part
    assert "/w/archives/manifest.md" in part
    assert "9 decisions" in part
    assert conversion_lines(found) == ["  converted    2 carried, 0 changed, 1 dropped; /w/archives/manifest.md"]
    assert conversion_part(None) == ""
    assert conversion_lines(None) == []
    assert isinstance(found, Conversion)
