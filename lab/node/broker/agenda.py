"""What is due at which time: one heap for all sessions, so that fifteen thousand clients need one timer."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Agenda:
    """Calls to make at a time; whoever added one checks itself whether it still matters."""

    __slots__ = ("_heap", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def add(self, due: float, call: Callable[[], None]) -> None:
        """Make `call` once the clock has reached `due` (unix seconds)."""
        heapq.heappush(self._heap, (due, next(self._order), call))

    def run(self, now: float) -> int:
        """Make every call that is due, in order; says how many."""
        done = 0
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2]()
            done += 1
        return done

    def __len__(self) -> int:
        return len(self._heap)
