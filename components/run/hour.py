"""The hour after which some balancers end connections of before by themselves: when it began, and when it is over.

The rule: it begins with the first change of the weights of a cutover and goes on through pauses, kills and new runs; when it is over the balancer has ended
what it could end, and the next change begins another.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from components.cutover.words import Colour
from components.ledger.base import WEIGHED_AT

SOON_SECONDS = 900.0
"""Whoever has paused an update is told when so much is left."""


def ends_at(memory: Mapping[str, str], keeps_seconds: float | None, now: float) -> float | None:
    """When connections of before are ended, in unix seconds; None where no such moment is to come."""
    _, _, since = memory.get(WEIGHED_AT, "").partition(" ")
    if keeps_seconds is None or not since:
        return None
    ends = float(since) + keeps_seconds
    return ends if ends > now else None


def beginning(memory: Mapping[str, str], keeps_seconds: float | None, to: Colour, now: float) -> dict[str, str | None]:
    """What to remember before the weights are changed in the direction of ``to``; nothing where an hour of this direction goes on."""
    colour = memory.get(WEIGHED_AT, "").partition(" ")[0]
    if keeps_seconds is None or (colour == to and ends_at(memory, keeps_seconds, now) is not None):
        return {}
    return {WEIGHED_AT: f"{to} {now:.3f}"}


def told(ends: float, now: float) -> str:
    """``the balancer ends connections of before at 14:05:00 UTC, in 12 min``."""
    moment = datetime.fromtimestamp(ends, UTC).strftime("%H:%M:%S")
    return f"the balancer ends connections of before at {moment} UTC, in {max(0.0, ends - now) / 60:.0f} min"
