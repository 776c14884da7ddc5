"""What the gates look at: thresholds, one observation, and a verdict; what is None was not known at that moment.

The rule: units stand in the names, and nothing here is read from a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import Field

from components.value import Value


class Thresholds(Value):
    """The values above (or below) which a gate fails; ``None`` switches the gate off."""

    connect_failure_rate_above_baseline: float | None = Field(default=0.05, ge=0, le=1)
    """Refused connects on the new colour, as part of all, above the old colour's own rate before (some devices always fail)."""
    connect_failure_minimum_connects: int = Field(default=10, ge=1)
    """Fewer connects than this in the window are too few to judge."""
    connect_latency_p99_milliseconds: float | None = Field(default=1000, gt=0)
    nodes_lost: int | None = Field(default=0, ge=0)
    memory_used_fraction: float | None = Field(default=0.9, gt=0, le=1)
    """Of the node's whole machine: EMQX does not tell its own."""
    load1: float | None = Field(default=None, gt=0)
    """The machine's load average; off, since the API does not tell the number of cores."""
    license_headroom_fraction: float | None = Field(default=0.02, ge=0, lt=1)
    """The part of the licensed sessions that must stay free."""
    share_deviation_percent: float | None = Field(default=5, gt=0, le=100)
    """Percentage points between the part of the clients that should be on the new colour and the part that is."""
    clients_away_fraction: float | None = Field(default=0.1, gt=0, le=1)
    """The part of the moved clients that has not come to the new colour ``clients_away_seconds`` after its disconnect; a single one may."""
    clients_away_seconds: float = Field(default=120, gt=0)
    """Longer than the longest pause between a device's attempts to connect (often 60 s); steps wait so long for their clients."""
    stall_seconds: float | None = Field(default=30, gt=0)
    """Without a single client moved although some are left, and may leave (not while EMQX waits for the health check)."""
    unknown_seconds: float = Field(default=30, gt=0)
    dropped_messages: int | None = Field(default=None, ge=0)
    """Messages that found no subscriber during a step, on all nodes; off: it also counts topics to which nobody listens. Of the messages that a take-over
    loses none is missing in it (recordings B1_loss_search_ce, B1_loss_search_2_ce)."""
    gate_seconds: float = Field(default=180, gt=0)
    """How long a gate step waits until every gate is known and passes at the same moment, however many take turns."""
    settle_seconds: float = Field(default=10, ge=0)
    """A lost node or a wrong share must last so long: a joining node vanishes for 2 s, moved clients take a moment to come back."""
    window_seconds: float = Field(default=60, gt=0)
    """Connects are counted over this time."""


class NodeFacts(Value):
    """One node of the new colour, as ``GET /nodes`` shows it; memory in bytes."""

    memory_used: int | None = None
    memory_total: int | None = None
    load1: float | None = None


class Facts(Value):
    """One observation of the new colour; each field may be None: not known now.

    ``connack_sent`` and ``connack_error`` are the sums over the nodes of ``packets.connack.sent`` and ``.error`` (the only pair that
    tells refused connects: docs/emqx/counters.md#what-an-attempt-to-connect-counts). ``nodes`` are those that run.
    ``license_limit`` is 0 where nothing is licensed.
    ``share_wanted_percent`` is what the cohorts make of the share (``cohort.moves``), ``share_measured_percent`` counts those on
    their way for the new colour; both need the old colour, which may be ``source_silent``. ``clients`` are those of both colours, as many as were ever seen in the step. ``clients_away`` are those of the ``moved``
    that the new colour does not have yet (``arrival``). ``moved`` of ``to_move`` counts while ``moving``; shares are judged while not.
    ``messages_dropped`` are those that found no subscriber since the step began, on the nodes of both colours.
    """

    at: float
    connack_sent: int | None = None
    connack_error: int | None = None
    connect_latency_p99_milliseconds: float | None = None
    nodes_expected: tuple[str, ...] = ()
    nodes: Mapping[str, NodeFacts] | None = None
    license_sessions: int | None = None
    license_limit: int | None = None
    share_wanted_percent: float | None = None
    share_measured_percent: float | None = None
    source_silent: bool = False
    clients: int | None = None
    clients_away: int | None = None
    moving: bool = False
    moved: int | None = None
    to_move: int | None = None
    messages_dropped: int | None = None


class Verdict(NamedTuple):
    """What one gate says; ``node`` is empty where it speaks of the colour."""

    gate: str
    verdict: Literal["pass", "fail", "unknown"]
    value: float | None
    threshold: float
    node: str
    reason: str
