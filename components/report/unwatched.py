"""Clients that an evacuation moved while no update watched: EMQX goes on with it after the update has ended.

The rule: whoever is missing between two counts of an evacuation, and in no ``move`` of the journal, was moved unwatched; where a count
is missing (a journal of an older version has none) their number is not known, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Event = Mapping[str, Any]


def unwatched(events: Iterable[Event]) -> dict[str, int | None]:
    """By the step that found them gone; a step in which nobody was missing is not there.

    Args:
        events: those of one cutover, oldest first. ``evacuation`` says the ``live`` connections before it and its ``step``.

    """
    found: dict[str, int | None] = {}
    left: int | None = 0
    watched = None
    for event in events:
        kind = event["event"]
        if kind == "evacuation":
            live = _count(event.get("live"))
            _note(found, str(event.get("step", "")), _less(left, live))
            left, watched = live, event.get("run")
        elif kind == "move" and event.get("mover") == "evacuation":
            left = _less(left, _count(event.get("count")))
        elif kind == "step" and event.get("phase") == "end":
            # A run that ends the step without a look at the old colour, which does not answer, has seen none of them leave.
            _note(found, str(event.get("name", "")), left if event.get("run") != watched else 0)
            left = 0
    return found


def total(found: Mapping[str, int | None]) -> int | None:
    """All of them; None as soon as one step's are not known."""
    counts = [count for count in found.values() if count is not None]
    return sum(counts) if len(counts) == len(found) else None


def _note(found: dict[str, int | None], step: str, missing: int | None) -> None:
    if missing == 0:
        return
    before = found.get(step, 0)
    found[step] = None if before is None or missing is None else before + missing


def _less(left: int | None, gone: int | None) -> int | None:
    """What is left of some; of nobody nobody is left."""
    if left == 0:
        return 0
    return None if left is None or gone is None else max(0, left - gone)


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None
