"""Texts of a whole fleet in one piece of memory: a string of its own for each needs three times as much as its letters.

The rule: it never changes; what is given out is a string like any other.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import overload

_LOSSLESS = "utf-8", "surrogatepass"


class Packed(Sequence[str]):
    """Sorted texts."""

    def __init__(self, ordered: Iterable[str] = ()) -> None:
        """Of these, which come in their order."""
        self._letters, self._ends = bytearray(), array("Q")
        for one in ordered:
            self._letters += one.encode(*_LOSSLESS)
            self._ends.append(len(self._letters))

    def __len__(self) -> int:
        """How many."""
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """One of them, or a list of some."""
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        begin = self._ends[place - 1] if place else 0
        return self._letters[begin : self._ends[place]].decode(*_LOSSLESS)

    def __contains__(self, one: object) -> bool:
        """Whether it is one of them; by halves."""
        index = bisect_left(self, one) if isinstance(one, str) else len(self)
        return index < len(self) and self[index] == one
