"""The devices' part of the report: the fleet's summary, and from its log the gaps and the number of connected devices over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.report.model import Bin, Connected, Extremes, Level, Messages, Spread

GAP_EDGES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 600.0)
"""Upper ends of the histogram's bins, seconds."""
MOST_LEVELS = 600


@dataclass(frozen=True)
class FleetPart:
    """What the devices saw; ``changes`` are (unix seconds, connected devices after it)."""

    disconnects: Extremes | None = None
    gap_seconds: Spread | None = None
    refused_connections: int | None = None
    refused_by_reason: Mapping[str, int] | None = None
    stayed_away: int | None = None
    connected: Connected | None = None
    messages: Messages | None = None
    gaps: tuple[Bin, ...] = ()
    changes: tuple[tuple[float, int], ...] = field(default=(), repr=False)

    def levels_between(self, began: float, ended: float) -> tuple[Level, ...]:
        """Connected devices over the cutover: the lowest number of each of ``MOST_LEVELS`` equal stretches of time."""
        width = max(0.001, (ended - began) / MOST_LEVELS)
        lowest: dict[int, int] = {}
        now: int | None = None
        for at, connected in self.changes:
            if at > ended:
                break
            if at >= began:
                index = int((at - began) / width)
                lowest[index] = min(lowest.get(index, connected), connected)
            now = connected
        if now is None:
            return ()
        before = next((connected for at, connected in reversed(self.changes) if at < began), None)
        start = [] if before is None else [Level(t=0, connected=before)]
        stretches = (Level(t=round(index * width, 3), connected=lowest[index]) for index in sorted(lowest))
        return (*start, *stretches, Level(t=round(ended - began, 3), connected=now))


def fleet_part(summary: Mapping[str, Any], log: Iterable[Mapping[str, Any]] = ()) -> FleetPart:
    """Read the fleet's ``summary.json`` and, where there is one, its event log (``{"t","event","id","gap"}``)."""
    counts = [0] * len(GAP_EDGES)
    changes: list[tuple[float, int]] = []
    now = 0
    for line in log:
        change = {"connected": 1, "disconnected": -1}.get(str(line.get("event")))
        if change is None:
            continue
        now += change
        changes.append((float(line["t"]), now))
        gap = line.get("gap")
        if isinstance(gap, int | float):
            counts[next((index for index, edge in enumerate(GAP_EDGES) if gap <= edge), len(GAP_EDGES) - 1)] += 1
    return FleetPart(
        disconnects=_picked(Extremes, summary.get("disconnects")),
        gap_seconds=_picked(Spread, summary.get("gap_seconds")),
        refused_connections=summary.get("refused_connections"),
        refused_by_reason=summary.get("refused_by_reason"),
        stayed_away=summary.get("stayed_away"),
        connected=_picked(Connected, summary.get("connected")),
        messages=_picked(Messages, summary.get("messages")),
        gaps=_trimmed(counts),
        changes=tuple(changes),
    )


def _picked(model: Any, data: Mapping[str, Any] | None) -> Any:
    """The model's own fields; the fleet says more than the report holds."""
    return None if data is None else model(**{name: data[name] for name in model.model_fields})


def _trimmed(counts: list[int]) -> tuple[Bin, ...]:
    filled = [index for index, count in enumerate(counts) if count]
    last = max(filled, default=-1)
    return tuple(Bin(up_to_seconds=GAP_EDGES[index], count=counts[index]) for index in range(last + 1))
