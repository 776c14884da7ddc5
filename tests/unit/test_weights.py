"""Weights: what a share is to a balancer that has whole numbers only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.weights import share_of, weights_of

pytestmark = pytest.mark.unit


@given(st.integers(0, 1_000).map(lambda tenths: tenths * 10))
def test_every_tenth_of_a_percent_comes_back_from_weights_of_up_to_999(parts: int) -> None:
    assert share_of(weights_of(parts, 999)) == parts


@given(st.integers(0, 100).map(lambda percent: percent * 100))
def test_every_percent_comes_back_from_weights_of_up_to_255(parts: int) -> None:
    assert share_of(weights_of(parts, 255)) == parts


@given(st.integers(0, 10_000), st.integers(1, 999))
def test_weights_are_within_bounds_and_nobody_with_a_part_has_none_and_nobody_without_one_has_any(
    parts: int, most: int
) -> None:
    weights = weights_of(parts, most)
    assert all(0 <= weight <= most for weight in weights.values())
    assert (weights["green"] == 0) == (parts == 0)
    assert (weights["blue"] == 0) == (parts == 10_000)


def test_without_any_weight_there_is_no_share() -> None:
    assert share_of({"blue": 0, "green": 0}) is None
    assert share_of({}) is None
    assert share_of({"green": 7}) == 10_000
