"""The direction of a cutover, over all states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.cohort import everybody
from components.cutover.decide import decide
from components.cutover.words import COLOURS, PARTS, Colour, other

pytestmark = pytest.mark.unit

COLOUR: st.SearchStrategy[Colour] = st.sampled_from(COLOURS)
COUNT = st.none() | st.integers(0, 5)
BOTH = list(COLOURS)


@given(
    COLOUR,
    st.sampled_from([0, 1, 5_000, PARTS]),
    st.none() | COLOUR,
    st.fixed_dictionaries({"blue": COUNT, "green": COUNT}),
    st.sampled_from([["blue"], ["green"], BOTH]),
    st.none() | COLOUR,
)
def test_the_rule_holds_in_every_state(
    to: Colour,
    share: int,
    origin: Colour | None,
    live: dict[Colour, int | None],
    declared: list[Colour],
    drained: Colour | None,
) -> None:
    direction, reason = decide(to, share, origin, live, declared, drained)
    old = other(to)
    assert reason
    if old not in declared:
        assert direction == "nothing"
    elif direction == "nothing":
        assert share == everybody(to)
        assert drained == old or not live[old] or (origin is None and (live[old] or 0) <= (live[to] or 0))
        assert live[old] is not None or origin is None or drained == old
    else:
        assert direction == ("back" if origin == to else "forward")
        assert share != everybody(to) or (drained != old and (live[old] != 0 or origin == old))


def test_an_empty_green_declared_beside_a_live_blue_is_nothing() -> None:
    assert decide("blue", 0, None, {"blue": 900, "green": 0}, BOTH).direction == "nothing"
    assert decide("blue", 0, None, {"blue": 900}, BOTH).direction == "nothing"


def test_a_client_that_tries_green_by_hand_does_not_start_an_export_of_green_into_blue() -> None:
    assert decide("blue", 0, None, {"blue": 900, "green": 3}, BOTH).direction == "nothing"


def test_a_new_balancer_before_an_old_colour_with_clients_still_has_work() -> None:
    assert decide("green", PARTS, None, {"blue": 900, "green": 0}, BOTH).direction == "forward"


def test_the_first_up_with_one_colour_is_nothing() -> None:
    assert decide("blue", 0, None, {}, ["blue"]).direction == "nothing"


@pytest.mark.parametrize("share", [0, 1_000, 5_000, 9_999])
def test_the_flip_goes_forward_and_its_reversal_goes_back(share: int) -> None:
    live: dict[Colour, int | None] = {"blue": 500, "green": 400}
    assert decide("green", share, "blue", live, BOTH).direction == "forward"
    assert decide("blue", max(1, share), "blue", live, BOTH).direction == "back"


def test_clients_left_behind_are_work_although_the_share_is_there() -> None:
    assert decide("green", PARTS, "blue", {"blue": 3, "green": 900}, BOTH).direction == "forward"


def test_a_cutover_whose_end_was_cut_off_is_not_finished_although_nobody_is_left() -> None:
    # Evacuation goes on by itself after a Ctrl-C; what was written on blue meanwhile is still to be told, and the report to be ended.
    assert decide("green", PARTS, "blue", {"blue": 0, "green": 900}, BOTH).direction == "forward"
    assert decide("green", PARTS, "blue", {"blue": 0, "green": 900}, BOTH, "blue").direction == "nothing"
    assert decide("blue", 0, "blue", {"blue": 900, "green": 0}, BOTH).direction == "nothing"


def test_a_dead_old_colour_that_was_drained_does_not_run_a_finished_cutover_again() -> None:
    assert decide("green", PARTS, "blue", {"green": 900}, BOTH, "blue").direction == "nothing"
    assert decide("green", PARTS, "blue", {"green": 900}, BOTH).direction == "forward"


@pytest.mark.parametrize("left", [None, 0, 1, 900])
def test_a_client_that_reaches_a_drained_colour_by_hand_does_not_run_a_finished_cutover_again(left: int | None) -> None:
    # The plan asks the clusters, the diff only the balancer: both must come to the same.
    assert decide("green", PARTS, "blue", {"blue": left, "green": 5}, BOTH, "blue").direction == "nothing"
    assert decide("blue", PARTS, "blue", {"blue": left, "green": 5}, BOTH, "blue").direction == "back"
