"""Freed memory is given back where the C library can, and nothing fails where it cannot."""

from __future__ import annotations

import pytest

from components.system.memory import give_back

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
