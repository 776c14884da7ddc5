"""What happened to a part of the fleet, as numbers that several processes can put together; the summary is a function of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

from lab.fleet.ledger import Counts


@dataclass(slots=True)
class OfKind:
    """One kind of client in one process: devices, those that were disconnected, that are away now, that have no subscription now.

    ``gaps`` are seconds, one for each time that a device came back; ``stayed_away`` counts those who never will by what ended them.
    """

    devices: int = 0
    disconnected: int = 0
    away: int = 0
    silent: int = 0
    refused: int = 0
    gaps: list[float] = field(default_factory=list)
    stayed_away: Counter[str] = field(default_factory=Counter)

    def count(self) -> None:
        """Begin to count the devices again; what happened stays."""
        self.devices = self.disconnected = self.away = self.silent = 0
        self.stayed_away = Counter()

    def add_device(self, disconnects: int, gone: str | None, *, away: bool, silent: bool) -> None:
        """One device as it is now; ``gone`` says why it stays away for good."""
        self.devices += 1
        self.disconnected += disconnects > 0
        self.away += away
        self.silent += silent and not away
        if gone is not None:
            self.stayed_away[gone] += 1

    def add(self, other: OfKind) -> None:
        """Add another process's part."""
        self.devices += other.devices
        self.disconnected += other.disconnected
        self.away += other.away
        self.silent += other.silent
        self.refused += other.refused
        self.gaps += other.gaps
        self.stayed_away += other.stayed_away


@dataclass(slots=True)
class Tally:
    """One process's part.

    ``disconnects`` has one number per client, ``latencies`` are seconds, ``levels`` is every change of the number of
    connected clients as (unix seconds, +1 or -1) since all of the part were connected, ``messages`` is by QoS, ``kinds`` by name.
    """

    disconnects: list[int] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    levels: list[tuple[float, int]] = field(default_factory=list)
    resumed: int = 0
    started_anew: int = 0
    messages: dict[str, Counts] = field(default_factory=lambda: {"0": Counts(), "1": Counts()})
    kinds: dict[str, OfKind] = field(default_factory=dict)

    @property
    def gaps(self) -> list[float]:
        """Of all kinds."""
        return [gap for kind in self.kinds.values() for gap in kind.gaps]

    def as_json(self) -> dict[str, Any]:
        """As plain JSON."""
        plain: dict[str, Any] = _TALLY.dump_python(self, mode="json")
        return plain

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Tally:
        """The same again."""
        return _TALLY.validate_python(data)


_TALLY = TypeAdapter(Tally)


def merge(tallies: Iterable[Tally]) -> Tally:
    """All parts as one; the changes of the number of connected clients in the order in which they happened."""
    whole = Tally()
    for part in tallies:
        whole.disconnects += part.disconnects
        whole.reasons += part.reasons
        whole.refused += part.refused
        whole.latencies += part.latencies
        whole.levels += part.levels
        whole.resumed += part.resumed
        whole.started_anew += part.started_anew
        for qos, counts in part.messages.items():
            whole.messages[qos].add(counts)
        for name, kind in part.kinds.items():
            whole.kinds.setdefault(name, OfKind()).add(kind)
    whole.levels.sort()
    return whole


def lowest(levels: Iterable[tuple[float, int]], of: int, since: float) -> int:
    """The smallest number of connected clients from ``since`` (unix seconds) on; all ``of`` them were connected before."""
    now, least, started = of, of, False
    for moment, change in levels:
        if moment >= since and not started:
            least, started = now, True
        now += change
        if started:
            least = min(least, now)
    return least if started else now


def summary(tally: Tally, ready_at: float) -> dict[str, Any]:
    """The figures of a fleet, as ``summary.json`` holds them.

    Args:
        tally: all parts together.
        ready_at: when the last client was connected and subscribed, unix seconds.

    """
    clients = len(tally.disconnects)
    messages = Counts()
    for counts in tally.messages.values():
        messages.add(counts)
    return {
        "clients": clients,
        "disconnects": {
            "max": max(tally.disconnects, default=0),
            "mean": round(sum(tally.disconnects) / clients, 4) if clients else 0.0,
            "by_reason": dict(sorted(tally.reasons.items())),
        },
        "gap_seconds": spread(tally.gaps),
        "connect_seconds": spread(tally.latencies),
        "refused_connections": sum(tally.refused.values()),
        "refused_by_reason": dict(sorted(tally.refused.items())),
        "reconnected": {"session_present": tally.resumed, "no_session": tally.started_anew},
        "connected": {"min": lowest(tally.levels, clients, ready_at), "of": clients},
        "messages": {
            **asdict(messages),
            "lost_qos0": tally.messages["0"].lost,
            "lost_qos1": tally.messages["1"].lost,
            "by_qos": {qos: asdict(counts) for qos, counts in tally.messages.items()},
        },
        "away": sum(kind.away for kind in tally.kinds.values()),
        "stayed_away": sum(kind.stayed_away.total() for kind in tally.kinds.values()),
        "silent": sum(kind.silent for kind in tally.kinds.values()),
        "kinds": {name: _of_kind(kind) for name, kind in tally.kinds.items() if kind.devices},
    }


def _of_kind(kind: OfKind) -> dict[str, Any]:
    return {
        "devices": kind.devices,
        "disconnected": kind.disconnected,
        "away": kind.away,
        "stayed_away": kind.stayed_away.total(),
        "stayed_away_by_reason": dict(sorted(kind.stayed_away.items())),
        "silent": kind.silent,
        "refused_connections": kind.refused,
        "gap_seconds": spread(kind.gaps),
    }


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Median, 99th percentile (nearest rank) and maximum; None where there is no value."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p99": None, "max": None}

    def rank(percent: int) -> float:
        return round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)], 4)

    return {"p50": rank(50), "p99": rank(99), "max": round(ordered[-1], 4)}
