"""What happened to a part of the fleet, as numbers that several processes can put together; the summary is a function of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from lab.fleet.ledger import Counts


@dataclass(slots=True)
class Tally:
    """One process's part.

    ``disconnects`` has one number per client, ``gaps`` and ``latencies`` are seconds, ``levels`` is every change of the number of
    connected clients as (unix seconds, +1 or -1) since all of the part were connected, ``messages`` is by QoS.
    """

    disconnects: list[int] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    gaps: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    levels: list[tuple[float, int]] = field(default_factory=list)
    resumed: int = 0
    started_anew: int = 0
    messages: dict[str, Counts] = field(default_factory=lambda: {"0": Counts(), "1": Counts()})

    def as_json(self) -> dict[str, Any]:
        """As plain JSON (`asdict` alone would break the counters: it rebuilds a dict from pairs, which a Counter counts)."""
        messages = {qos: asdict(counts) for qos, counts in self.messages.items()}
        return {**{one.name: getattr(self, one.name) for one in fields(self)}, "messages": messages}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Tally:
        """The same again."""
        counters = {name: Counter(data[name]) for name in ("reasons", "refused")}
        levels = [(moment, change) for moment, change in data["levels"]]
        messages = {qos: Counts(**counts) for qos, counts in data["messages"].items()}
        return cls(**{**data, **counters, "levels": levels, "messages": messages})


def merge(tallies: Iterable[Tally]) -> Tally:
    """All parts as one; the changes of the number of connected clients in the order in which they happened."""
    whole = Tally()
    for part in tallies:
        whole.disconnects += part.disconnects
        whole.reasons += part.reasons
        whole.refused += part.refused
        whole.gaps += part.gaps
        whole.latencies += part.latencies
        whole.levels += part.levels
        whole.resumed += part.resumed
        whole.started_anew += part.started_anew
        for qos, counts in part.messages.items():
            whole.messages[qos].add(counts)
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
    }


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Median, 99th percentile (nearest rank) and maximum; None where there is no value."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p99": None, "max": None}

    def rank(percent: int) -> float:
        return round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)], 4)

    return {"p50": rank(50), "p99": rank(99), "max": round(ordered[-1], 4)}
