"""What the events of a cutover count together.

The rule: what none of them knows is None, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Event = Mapping[str, Any]


def told(events: Sequence[Event]) -> int | None:
    """MQTT 5 clients that a kick told to go; None where an evacuation moved some, or a program that did not count them."""
    moves = [event for event in events if event["event"] == "move" and count_of(event.get("count"))]
    counts = [0 if event.get("mover") == "close" else count_of(event.get("told")) for event in moves]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def dropped(events: Sequence[Event]) -> int | None:
    """Messages that found no subscriber, over the steps that ended; None where none of them knew."""
    counts = [count_of(event.get("dropped")) for event in events if event["event"] == "step"]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def carried(events: Sequence[Event]) -> int | None:
    """Sessions of offline clients that were carried; None where nobody carries any."""
    counts = [count_of(event.get("count")) or 0 for event in events if event.get("section") == "sessions carried"]
    return sum(counts) if counts else None


def count_of(value: Any) -> int | None:
    """A count; what is none is not known."""
    return int(value) if isinstance(value, int | float) and value >= 0 else None
