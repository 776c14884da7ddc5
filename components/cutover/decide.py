"""Which way a cutover goes, before anything is touched; declaring an empty colour beside a live one is never a cutover.

The rule (docs/adr/0003-cutover-diff-asks-the-balancer.md): nothing when ``to`` serves everybody, back when ``to`` is the origin (the colour
whose data filled the other one), forward otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from components.cutover.cohort import everybody, share_percent
from components.cutover.words import Colour, Direction, other


class Decision(NamedTuple):
    """The direction, and the sentence that goes into the plan and the journal."""

    direction: Direction
    reason: str


def decide(
    to: Colour,
    share_parts: int,
    origin: Colour | None,
    live_counts: Mapping[Colour, int | None],
    declared: Collection[Colour],
    drained: Colour | None = None,
) -> Decision:
    """Choose the direction of the cutover to ``to``.

    Args:
        to: the colour that is declared live.
        share_parts: green's share in parts of 10,000, as the balancer has it.
        origin: the colour whose data the other was filled from, remembered by the balancer until that colour leaves; None
            when no cutover ever began.
        live_counts: live connections by colour; None or missing where it could not be asked.
        declared: the colours in the stack's config.
        drained: the colour that the balancer remembers as drained: nobody can have come to it by the balancer since, so
            neither its silence nor a client that reaches it by hand makes a finished cutover run again.

    """
    old = other(to)
    if old not in declared:
        return Decision("nothing", f"{to} is the only colour")
    left = live_counts.get(old)
    if share_parts == everybody(to):
        if drained == old:
            return Decision("nothing", f"{to} serves everybody: its share is 100 % and {old} was drained")
        if reason := _serves(to, origin, left, live_counts.get(to) or 0):
            return Decision("nothing", reason)
    shown = "an unknown number" if left is None else str(left)
    where = f"{to} has {share_percent(to, share_parts):g} % and {shown} are on {old}"
    if to == origin:
        return Decision("back", f"{where}; the data of {old} came from {to}")
    return Decision("forward", where)


def _serves(to: Colour, origin: Colour | None, left: int | None, here: int) -> str:
    """Why nobody is left to be moved to ``to``, which has the whole share; empty where the drain has yet to look."""
    old = other(to)
    left = 0 if left is None and origin is None else left
    # Where a cutover began and its end was cut off, the drain has to say what was written on the old colour meanwhile.
    if left == 0 and origin != old:
        return f"{to} serves everybody: its share is 100 % and nobody is on {old}"
    if origin is None and left is not None and left <= here:
        # Without a cutover nobody came to the old colour through this balancer: somebody tries it by hand.
        return f"{to} serves: the {left} on {old} did not come through this balancer"
    return ""
