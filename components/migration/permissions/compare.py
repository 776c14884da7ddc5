"""Hold one side against others: the same questions to each, and every decision that is not the same.

The rule kept here: what rests on a fact that was not given is counted as not known, never as equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from components.migration.manifest import shorten
from components.migration.permissions.client import Access, Action, Client

LISTED = 1000
Question = tuple[Client, Action, str]


class Side(Protocol):
    """A cluster that decides."""

    def connect(self, client: Client, password: str | None) -> Access:
        """Whether the client gets in."""

    def knows(self, client: Client) -> bool:
        """Whether ``connect`` rests on nothing that is missing."""

    def ask(self, client: Client, action: Action, topic: str) -> tuple[Access, bool]:
        """The decision, and whether it rests on nothing that is missing."""


@dataclass(frozen=True)
class Difference:
    """One decision that is not the same on both sides; ``action`` may be ``connect``, then without a topic."""

    username: str | None
    clientid: str
    action: str
    topic: str
    before: Access
    after: Access

    @property
    def widens(self) -> bool:
        """A deny that became an allow."""
        return self.before is Access.DENY and self.after is Access.ALLOW

    def __str__(self) -> str:
        """One line; no secret is in it."""
        who = f"client {shorten(self.clientid)!r} user {shorten(self.username or '')!r}"
        return f"{'WIDER' if self.widens else 'narrower'}: {who} {self.action} {shorten(self.topic)!r}: {self.before} -> {self.after}"


@dataclass(frozen=True)
class Proof:
    """What was compared.

    Args:
        decisions: how many.
        differences: those that differ, at most 1000 of each direction.
        widened: how many denies became allows; must be 0.
        narrowed: how many allows became denies; each has an item in the account that says it.
        left_out: how many logins were not asked for, because there were too many.
        unknown: how many rest on a fact that was not given; they are in none of the two.
        missing: those facts, in words.
        notes: what a reader must know of the sides that were compared.

    """

    decisions: int
    differences: tuple[Difference, ...]
    widened: int
    narrowed: int
    left_out: int = 0
    unknown: int = 0
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it is proven that nothing is wider: no decision is, and none rests on a fact that was not given."""
        return not (self.widened or self.unknown or self.missing)

    def __str__(self) -> str:
        """For the person who reads it."""
        head = f"{self.decisions} decisions: {self.widened} wider, {self.narrowed} narrower"
        head += f", {self.unknown} not known" if self.unknown else ""
        rest = (f"{self.left_out} logins were not asked for (too many)",) if self.left_out else ()
        missing = tuple(f"not known without {one}" for one in self.missing)
        return "\n".join((head, *rest, *self.notes, *missing, *map(str, self.differences)))


class _Found:
    """Differences of one side, as many of each direction as are listed, and how many there are."""

    def __init__(self) -> None:
        self.listed: list[Difference] = []
        self.counts = {True: 0, False: 0}

    def add(self, difference: Difference) -> None:
        """One more of them."""
        self.counts[difference.widens] += 1
        if self.counts[difference.widens] <= LISTED:
            self.listed.append(difference)


def compare(
    old: Side,
    new: Iterable[Side],
    asked: Iterable[Question],
    clients: Iterable[Client] = (),
    missing: tuple[str, ...] = (),
) -> Proof:
    """Ask both sides the same.

    The questions are gone through once, whatever the number of sides, and ``clients`` after them, so that they may be those that asked;
    of what differs, doors come first, side by side.
    """
    sides = [(side, _Found(), _Found()) for side in new]
    count = unknown = 0
    for client, action, topic in asked:
        was, before = old.ask(client, action, topic)
        for side, _, topics in sides:
            is_now, after = side.ask(client, action, topic)
            count += 1
            if not (before and after):
                unknown += 1
            elif was is not is_now:
                topics.add(Difference(client.username, client.clientid, str(action), topic, was, is_now))
    for client in clients:
        for side, doors, _ in sides:
            for one in _at_the_door(old, side, client):
                doors.add(one)
    found = _Found()
    for one in (one for _, doors, topics in sides for part in (doors, topics) for one in part.listed):
        found.add(one)
    wider, narrower = (sum(part.counts[way] for _, *parts in sides for part in parts) for way in (True, False))
    return Proof(count, tuple(found.listed), wider, narrower, unknown=unknown, missing=missing)


def _at_the_door(old: Side, new: Side, client: Client) -> Iterator[Difference]:
    for password in (None, "not its password") if old.knows(client) and new.knows(client) else ():
        was, is_now = old.connect(client, password), new.connect(client, password)
        if was is not is_now:
            yield Difference(client.username, client.clientid, "connect", "", was, is_now)
