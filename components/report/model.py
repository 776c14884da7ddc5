"""The report of one cutover as a value; it is ``report.json``, and the page and the summary are made of nothing else.

The rule: what is not known is None, never zero; its size is bounded, whatever the number of clients.
"""

from __future__ import annotations

from components.migration.unlike import Unlike
from components.value import Value


class Extremes(Value):
    """Disconnects for each client of the fleet."""

    max: int
    mean: float


class Spread(Value):
    """Seconds between a disconnect and the next accepted connect."""

    p50: float | None
    p99: float | None
    max: float | None


class Connected(Value):
    """The smallest number of connected clients, of how many."""

    min: int
    of: int


class Messages(Value):
    """The fleet's own messages, each with a sequence number."""

    published: int
    received: int
    lost: int
    duplicated: int


class StepReport(Value):
    """One step: seconds are since the cutover began, ``moving_seconds`` those in which clients were seen to be disconnected.

    ``unwatched`` of its ``clients`` were moved by an evacuation that went on while no update ran.
    """

    name: str
    share: float | None
    mover: str | None
    clients: int
    began: float
    ended: float | None
    moving_seconds: float
    unwatched: int | None = 0


class Planned(Value):
    """One step as the plan of the first run had it; None: the plan did not know."""

    name: str
    mover: str | None
    clients: int | None
    seconds: float | None


class Sample(Value):
    """Live connections at ``t`` seconds since the cutover began, and green's share in parts of 10,000."""

    t: float
    blue: int | None
    green: int | None
    share: int | None


class Level(Value):
    """Devices that were connected at ``t``, as they saw it themselves."""

    t: float
    connected: int


class Bin(Value):
    """Gaps of more than the bin before and at most ``up_to_seconds``."""

    up_to_seconds: float
    count: int


class GateReport(Value):
    """How often a gate did not pass, and the last time it failed (or, without a failure, was unknown)."""

    name: str
    step: str
    failed: int
    unknown: int
    value: float | None
    threshold: float | None
    node: str
    reason: str


class Loss(Value):
    """What was not carried over, and whether the config accepted that."""

    section: str
    count: int
    acknowledged: bool | None


class LinkReport(Value):
    """One link of the chain; None seconds: it did not end."""

    name: str
    seconds: float | None


class Configuration(Value):
    """In what the effective configurations differed when the import was done, every thing, the grave ones first; paths, never values."""

    grave: int
    others: int
    things: tuple[Unlike, ...]


class Conversion(Value):
    """How many items of a 4.x colour were carried, changed and dropped; the first sentences of its losses, how many more there are, and where all of them stand."""

    carried: int
    changed: int
    dropped: int
    losses: tuple[str, ...]
    left_out: int
    not_given: tuple[str, ...]
    proof: tuple[str, ...]
    manifest: str


class SentBack(Value):
    """A gate has failed: everybody was moved to the colour ``to`` again, so many ``clients`` of them by a mover."""

    to: str
    clients: int


class Report(Value):
    """One cutover, from the first run that began it to the one that ended it.

    ``moving_seconds`` is the time in which clients were seen to be disconnected, ``limit_seconds`` is clients over budget, ``ratio`` the one
    over the other: None unless the cutover is done and nobody was moved ``unwatched``. What only devices can tell is None without the fleet's part.
    ``most_disconnects`` is how often a client of a roll can be disconnected at most, as its plan said; None of what is no roll.
    ``told_to_go`` are the MQTT 5 clients that a kick sent a DISCONNECT, None where an evacuation sent it to who knows how many.
    ``messages_dropped`` are those that found no subscriber while clients were moved: in one cluster the upper bound of what take-overs lost.
    ``sessions_carried`` are those of offline clients, None in two clusters.
    ``configuration`` is None where nothing was imported or a colour does not show its own.
    ``planned`` are the steps of the plan with which it began, none where the journal has none.
    ``errors`` are those of the newest run, ``earlier_errors`` those of the runs that it went on from.
    """

    to: str
    direction: str
    outcome: str
    began_at: float
    runs: int
    clients: int | None
    budget_per_second: int | None
    disconnects: Extremes | None
    gap_seconds: Spread | None
    refused_connections: int | None
    refused_by_reason: dict[str, int] | None
    stayed_away: int | None
    connected: Connected | None
    told_to_go: int | None
    messages_dropped: int | None
    sessions_carried: int | None
    messages: Messages | None
    cutover_seconds: float
    moving_seconds: float
    limit_seconds: float | None
    ratio: float | None
    unwatched: int | None
    sent_back: SentBack | None = None
    steps: tuple[StepReport, ...]
    gates: tuple[GateReport, ...]
    losses: tuple[Loss, ...]
    configuration: Configuration | None
    conversion: Conversion | None = None
    links: tuple[LinkReport, ...]
    errors: tuple[str, ...]
    most_disconnects: int | None = None
    earlier_errors: tuple[str, ...] = ()
    planned: tuple[Planned, ...] = ()
    samples: tuple[Sample, ...]
    levels: tuple[Level, ...]
    gaps: tuple[Bin, ...]
