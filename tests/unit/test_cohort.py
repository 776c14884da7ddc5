"""Cohorts: the balancer's arithmetic, growth, and clients without an id of their own."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.cohort import (
    belongs,
    everybody,
    green_parts,
    looks_assigned,
    moves,
    parts_of,
    share_percent,
)
from components.cutover.words import PARTS, Colour

pytestmark = pytest.mark.unit

IDS = st.lists(st.text(max_size=20), unique=True, max_size=60)
COLOUR: st.SearchStrategy[Colour] = st.sampled_from(["blue", "green"])
RECORDED = ("VD8HsMuOdpH2qGST", "NUcKDfwDCw0aWzIJ")  # recording F_empty_client_id


def to_move(ids: Iterable[str], to: Colour, parts: int) -> list[str]:
    return [one for one in ids if moves(one, to, parts)]


@given(st.text())
def test_a_clients_place_is_the_crc32_of_its_utf8_bytes(client_id: str) -> None:
    assert parts_of(client_id) == zlib.crc32(client_id.encode("utf-8")) % 10_000
    assert not belongs(client_id, 0)
    assert belongs(client_id, PARTS)


def test_known_ids_have_known_places() -> None:
    assert [parts_of(one) for one in ("dev-1", "gerät-7", "")] == [
        zlib.crc32(b"dev-1") % 10_000,
        zlib.crc32("gerät-7".encode()) % 10_000,
        0,
    ]


@given(COLOUR, st.integers(0, 10_000))
def test_a_share_in_hundredths_of_a_percent_survives_the_way_to_parts_and_back(to: Colour, hundredths: int) -> None:
    percent = hundredths / 100
    assert share_percent(to, green_parts(to, percent)) == pytest.approx(percent)


@pytest.mark.parametrize("percent", [-0.01, 100.01])
def test_a_share_outside_0_to_100_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match=r"0\.\.100"):
        green_parts("green", percent)


@given(IDS, COLOUR, st.lists(st.integers(0, 100), min_size=1, max_size=6))
def test_over_rising_shares_every_client_moves_exactly_once(ids: list[str], to: Colour, shares: list[int]) -> None:
    left, moved = list(ids), []
    for percent in [*sorted(shares), 100]:
        cohort = to_move(left, to, green_parts(to, percent))
        moved += cohort
        left = [one for one in left if one not in cohort]
    assert sorted(moved) == sorted(ids)
    assert left == []


@given(IDS, COLOUR, st.integers(0, 100), st.integers(0, 100))
def test_a_cohort_only_grows_with_the_share(ids: list[str], to: Colour, one: int, two: int) -> None:
    low, high = sorted((one, two))
    assert set(to_move(ids, to, green_parts(to, low))) <= set(to_move(ids, to, green_parts(to, high)))


@given(COLOUR, st.integers(0, 99))
def test_ids_that_emqx_assigned_move_in_the_last_step_only(to: Colour, percent: int) -> None:
    assert to_move(RECORDED, to, green_parts(to, percent)) == []
    assert to_move(RECORDED, to, everybody(to)) == list(RECORDED)


def test_only_16_letters_and_digits_or_nothing_look_assigned() -> None:
    assert all(map(looks_assigned, ("", *RECORDED)))
    assert not any(map(looks_assigned, ("VD8HsMuOdpH2qGS", "VD8HsMuOdpH2qGST0", "VD8HsMuOdpH2qGS-", "dev-1")))
