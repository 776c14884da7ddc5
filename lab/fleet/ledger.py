"""The messages of one device that talks to itself; a message is lost, doubled or late by its sequence number, never by a guess.

A device publishes to its own topic and subscribes to it, so that no split between colours can make a message look lost: what is
missing is what a move lost. Nothing is published while the device is away.
"""

from __future__ import annotations

from dataclasses import dataclass

FIELDS = ("published", "received", "expected", "lost", "duplicated", "out_of_order", "unheard", "forgotten")
LIMIT = 32
"""QoS 1 messages without acknowledgement at which a device publishes no more."""


@dataclass(slots=True)
class Counts:
    """Sums over messages; ``expected`` leaves out those that may still arrive, and those that no broker could have brought back.

    ``unheard`` were published by a device that had no subscription any more and did not ask for one, ``forgotten`` ones were not
    acknowledged and the device did not send them again.
    """

    published: int = 0
    received: int = 0
    expected: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    unheard: int = 0
    forgotten: int = 0

    def add(self, other: Counts) -> None:
        """Add the other's sums."""
        for name in FIELDS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Ledger:
    """Sequence numbers of one device at one QoS: what was sent, what came back, what is not acknowledged."""

    __slots__ = (
        "_highest",
        "_out",
        "duplicated",
        "forgotten",
        "next",
        "out_of_order",
        "received",
        "unacknowledged",
        "unheard",
    )

    def __init__(self) -> None:
        self.next = 0
        self.received = self.duplicated = self.out_of_order = self.unheard = self.forgotten = 0
        self.unacknowledged: dict[int, int] = {}  # packet id -> sequence number, in order of sending
        self._out: dict[int, float] = {}  # sequence number -> unix seconds; stays in here when it is lost
        self._highest = -1

    def publish(self, now: float, *, heard: bool = True) -> int:
        """A new sequence number that is on its way now; it comes back only where the device has a subscription (``heard``)."""
        sequence, self.next = self.next, self.next + 1
        if heard:
            self._out[sequence] = now
        else:
            self.unheard += 1
        return sequence

    def forget(self) -> None:
        """What was not acknowledged is not sent again."""
        self.forgotten += self._withdrawn()
        self.unacknowledged.clear()

    def deafen(self) -> None:
        """The device has no subscription any more: what it sends again cannot come back."""
        self.unheard += self._withdrawn()

    def _withdrawn(self) -> int:
        """How many that were not acknowledged have not come either; they are not expected any more."""
        return sum(self._out.pop(sequence, None) is not None for sequence in self.unacknowledged.values())

    def receive(self, sequence: int) -> str:
        """Whether this one is ``first``, ``late`` (after a higher one) or ``again``."""
        if self._out.pop(sequence, None) is None:
            self.duplicated += 1
            return "again"
        self.received += 1
        if sequence < self._highest:
            self.out_of_order += 1
            return "late"
        self._highest = sequence
        return "first"

    def lost(self, before: float) -> list[int]:
        """The numbers that were sent before this time and never came."""
        return [sequence for sequence, sent in self._out.items() if sent < before]

    def waiting(self, since: float) -> bool:
        """Whether something that was sent since this time has not come."""
        return any(sent >= since for sent in self._out.values())

    def counts(self, before: float) -> Counts:
        """The sums, where only what was sent before this time can be lost."""
        lost = len(self.lost(before))
        return Counts(
            self.next,
            self.received,
            self.received + lost,
            lost,
            self.duplicated,
            self.out_of_order,
            self.unheard,
            self.forgotten,
        )
