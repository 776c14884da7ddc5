"""Prove on the data of a source that no permission widens: every decision before and after, for the topics that are used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from components.migration.hop_44_5.source import Options, Source


@dataclass(frozen=True)
class Difference:
    """One decision that is not the same on both sides."""

    username: str | None
    clientid: str
    action: str
    topic: str
    before: str
    after: str

    @property
    def widens(self) -> bool:
        """A deny that became an allow."""
        return self.before == "deny" and self.after == "allow"


@dataclass(frozen=True)
class Proof:
    """What was compared: how many decisions, and which differ."""

    decisions: int
    differences: tuple[Difference, ...]


def prove(source: Source, from_version: str, to_version: str, *, topics: Iterable[str] = (), options: Options | None = None) -> Proof:
    """Compare the decisions of 4.4 on ``source`` with those of its conversion.

    Args:
        topics: further topics and filters to ask for: retained messages, subscriptions, delayed messages.

    Raises:
        BadSource: the source is refused.

    """
    raise NotImplementedError
