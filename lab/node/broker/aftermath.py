"""What the death of a node leaves behind for the clients that were on it, when they come back to another one.

The rule: most come back at once.  On real clusters of three nodes with 2,000 devices one was answered 0x89 (3.1.1: 3) for 20 s, since the
cluster still held the lock of its id for the dead node, and some connects ended in a bare FIN.  How many depends on what was being done at
that moment; here it is a share of the clients, so that a fleet of a few meets it only where a test asks for it.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, auto
from random import Random

BUSY_SECONDS = 20.0
CLIENTS_A_BUSY_ONE, CLIENTS_A_CUT_ONE = 500, 100


class Meets(Enum):
    """What a connect meets."""

    NOTHING = auto()
    BUSY = auto()
    CUT = auto()


class Aftermath:
    """Who meets what, by client id."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._busy: dict[str, float] = {}
        self._cut: dict[str, float] = {}

    def begin(self, ids: Collection[str], now: float, busy: int | None = None, cut: int | None = None) -> None:
        """A node with these clients has died at `now` (unix seconds); how many are busy and cut off follows from how many they are, unless given."""
        count = len(ids)
        busy = min(count, count // CLIENTS_A_BUSY_ONE if busy is None else busy)
        cut = min(count - busy, count // CLIENTS_A_CUT_ONE if cut is None else cut)
        chosen = self._random.sample(sorted(ids), busy + cut)
        self._busy |= dict.fromkeys(chosen[:busy], now + BUSY_SECONDS)
        self._cut |= dict.fromkeys(chosen[busy:], now + BUSY_SECONDS)

    def meets(self, client_id: str, now: float) -> Meets:
        """What a connect with this id meets now: busy each time until the time is over, cut off once."""
        if now < self._busy.get(client_id, now):
            return Meets.BUSY
        if now < self._cut.pop(client_id, now):
            return Meets.CUT
        return Meets.NOTHING

    def sweep(self, now: float) -> None:
        """Forget what is over."""
        self._busy = {client_id: until for client_id, until in self._busy.items() if until > now}
        self._cut = {client_id: until for client_id, until in self._cut.items() if until > now}
