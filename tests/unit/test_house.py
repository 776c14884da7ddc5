"""The drawing of the house is that of the code."""

from __future__ import annotations

import pytest

from tools.draw_house import DOCUMENT, drawing, drawn_into, uses

pytestmark = pytest.mark.unit


def test_the_drawing_of_the_house_is_current() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == drawn_into(text, drawing(uses())), "run `python -m tools.draw_house`"


def test_an_arrow_that_a_longer_way_says_is_left_out() -> None:
    rooms: dict[str, set[str]] = {"roof": {"wall", "ground"}, "wall": {"ground"}, "ground": set()}
    assert drawing(rooms).splitlines()[2:-1] == ["  roof --> wall", "  wall --> ground"]
