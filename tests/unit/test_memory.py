"""Freed memory is given back where the C library can, and a full collection that stops everybody for long does so once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from components.system.memory import BriefCollections, collect_briefly, give_back

pytestmark = pytest.mark.unit


class Library:
    """A C library that notes what it is asked for."""

    def __init__(self) -> None:
        self.pads: list[int] = []

    def malloc_trim(self, pad: int) -> int:
        self.pads.append(pad)
        return 1


def test_all_of_it_is_given_back() -> None:
    library = Library()
    assert give_back(library)
    assert library.pads == [0]


def test_a_library_without_such_a_call_is_left_alone() -> None:
    assert not give_back(object())


@pytest.fixture
def callbacks() -> Iterator[list[Any]]:
    """Those of the collector, which is afterwards as it was."""
    before = list(gc.callbacks)
    gc.unfreeze()
    yield gc.callbacks
    gc.callbacks[:] = before
    gc.unfreeze()


@pytest.mark.parametrize(("seconds", "again"), [(0.05, True), (0.5, False)])
def test_what_a_full_collection_has_walked_for_too_long_is_not_walked_again(
    callbacks: list[Any], seconds: float, *, again: bool
) -> None:
    times = iter((10.0, 10.0 + seconds))
    callbacks.append(BriefCollections(lambda: next(times)))
    gc.collect()
    callbacks.clear()
    assert (gc.get_freeze_count() == 0) is again


def test_a_collection_of_what_is_new_changes_nothing(callbacks: list[Any]) -> None:
    callbacks.append(BriefCollections(lambda: pytest.fail("it is not timed")))
    gc.collect(1)
    assert gc.get_freeze_count() == 0


def test_what_is_there_at_the_beginning_is_left_out_and_a_cycle_that_comes_later_is_found(
    callbacks: list[Any],
) -> None:
    collect_briefly()
    assert gc.get_freeze_count() > 0
    assert isinstance(callbacks[-1], BriefCollections)
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    assert gc.collect() > 0
