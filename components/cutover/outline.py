"""All that a reviewer has to know of an update, as one value: it is ``plan.json``, and ``plan.md`` is made of nothing else.

The rule: the first sentence says whether any device reconnects; what is not known is None and stands among the assumptions, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.cutover.words import Edition
from components.value import Value


class Devices(Value):
    """Who loses their connection: ``count`` devices, each at most ``times``, from ``begins`` on; ``told_to_go`` get a DISCONNECT."""

    count: int | None
    times: int
    begins: str
    told_to_go: int | None


class PlannedStep(Value):
    """One step as it will be in the journal; ``seconds`` is None where it lasts until something is clear, or is not known."""

    name: str
    what: str
    clients: int | None = None
    mover: str | None = None
    rate_per_second: int | None = None
    seconds: float | None = None


class Way(Value):
    """From which version to which, how, and what the matrix of routes asks for."""

    source: str
    target: str
    strategy: str
    refused: str | None = None
    conditions: tuple[str, ...] = ()


class RuleLine(Value):
    """An upgrade rule that hits or asks, and what to do."""

    id: str
    severity: str
    change: str
    remedy: str
    hits: bool
    acknowledged: bool


class Loss(Value):
    """What is not carried over, and the word by which somebody answers for it; None: nobody has to."""

    what: str
    count: int | None
    answered_by: str | None = None


class Room(Value):
    """Whether the live colour has room: ``sessions`` will count against ``limit`` of its licence (0: no limit; None: not known)."""

    nodes_before: int
    nodes_after: int
    sessions: int | None
    limit: int | None
    accepts_per_second: int | None = None

    @property
    def free(self) -> int | None:
        """Sessions that stay free; None where nothing limits them or nobody knows."""
        return self.limit - self.sessions if self.limit and self.sessions is not None else None


class Cost(Value):
    """The doubled period: ``nodes`` more for at least ``hours``; None: for as long as nobody knows."""

    nodes: int
    hours: float | None

    @property
    def node_hours(self) -> float | None:
        """The one times the other."""
        return None if self.hours is None else round(self.nodes * self.hours, 2)


class Back(Value):
    """How one comes back, and from when on one cannot."""

    way: str
    no_return: str


class Outline(Value):
    """The whole plan."""

    headline: str
    devices: Devices
    steps: tuple[PlannedStep, ...]
    seconds: float | None
    route: Way | None
    rules: tuple[RuleLine, ...]
    backup: tuple[str, ...]
    losses: tuple[Loss, ...]
    acknowledged: tuple[str, ...]
    room: Room
    cost: Cost
    back: Back
    gates: tuple[str, ...]
    not_asked: Mapping[str, str]
    assumptions: tuple[str, ...]


class Around(Value):
    """What the outline has from elsewhere: what the stack declares, what was asked of the clusters, and what the rules say."""

    strategy: str
    source: str
    source_edition: Edition
    target: str
    target_edition: Edition
    nodes_before: int
    nodes_after: int
    soak_seconds: float = 0.0
    backup: tuple[str, ...] = ()
    rules: tuple[RuleLine, ...] = ()
    acknowledged: tuple[str, ...] = ()
    licence_limit: int | None = None
    not_asked: Mapping[str, str] = {}


def minutes(seconds: float) -> str:
    """A duration for reading."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} minutes"
