"""What a cutover remembers, by name; the names are public, since they stand in the ledger of every stack."""

from __future__ import annotations

from collections.abc import Mapping

from components.cutover.words import COLOURS, Colour
from components.emqx.errors import LeaseLost

LEASE = "run"
"""The token of the run that may act."""
ORIGIN, BEGAN_AT, OPENED_AT, DRAINED_AT, IMPORTED = "origin", "began_at", "opened_at", "drained_at", "imported"
CUTOVER = (ORIGIN, BEGAN_AT, OPENED_AT, DRAINED_AT, IMPORTED)
"""What is remembered of one cutover: it ends with the finalize, when one colour is left."""


def require_lease(memory: Mapping[str, str], holder: str) -> None:
    """Raise LeaseLost when the memory names another run than ``holder``, or none."""
    held = memory.get(LEASE, "")
    if held != holder:
        raise LeaseLost(
            "the lease of this run",
            node="the balancer",
            seen=f"run {held[:8] or 'none'} holds it, this is run {holder[:8]}",
            todo="let the other run finish; this one has done nothing more",
        )


def drained(memory: Mapping[str, str]) -> Colour | None:
    """The colour that the balancer remembers as drained (``drained_at`` is ``blue 1795344713.000``)."""
    colour = memory.get(DRAINED_AT, "").partition(" ")[0]
    return next((known for known in COLOURS if known == colour), None)


def drained_at(memory: Mapping[str, str], colour: Colour) -> float | None:
    """Since when the colour has been empty, in unix seconds; None when it was not drained, or got clients again."""
    return float(memory[DRAINED_AT].partition(" ")[2]) if drained(memory) == colour else None


def origin(memory: Mapping[str, str]) -> Colour | None:
    """The colour whose data filled the other one, as the balancer remembers it."""
    return next((known for known in COLOURS if known == memory.get(ORIGIN)), None)
