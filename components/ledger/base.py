"""The seam between a cutover and where it is remembered, and the words in it; these are public, since they stand in the ledger of every stack.

The rule: a value counts only under the lease. Whatever writes has the ledger for itself meanwhile, and a share is set at the router before
anybody else may write, so that share and router never tell of two runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from components.cutover.words import COLOURS, PARTS, Colour
from components.emqx.errors import BadInput, LeaseLost

LEASE = "run"
"""The token of the run that may act."""
ORIGIN, BEGAN_AT, OPENED_AT, DRAINED_AT, IMPORTED = "origin", "began_at", "opened_at", "drained_at", "imported"
SCOPE = "scope"
"""``colour`` where the colours are nodes of one cluster: whoever takes one of them away has to let it leave first."""
SPREADS_UNTIL = "spreads_until"
"""Until when devices may still be told the share of before, in unix seconds (``links.spreading``)."""
WEIGHED_AT = "weighed_at"
"""The colour that is given more, and when its weight was changed first: some balancers end connections of before so long after it (``run.hour``)."""
CUTOVER = (ORIGIN, BEGAN_AT, OPENED_AT, DRAINED_AT, IMPORTED, SCOPE, SPREADS_UNTIL, WEIGHED_AT)
"""What is remembered of one cutover: it ends with the finalize, when one colour is left."""
SERVERS = "servers"
"""The nodes that are to be out of service at the balancer (``routers.share``)."""
STATES = "server_states"
"""The same as a file that HAProxy begins with, where its processes begin without us (pods): with every node, since a line needs its port."""


def guard_key(colour: Colour) -> str:
    """Under which the guard of a colour is known that began last: a guard that was replaced guards nothing any more (docs/adr/0012)."""
    return f"guard_{colour}"


class Record(NamedTuple):
    """What a ledger holds: green's share as it should be, in parts of 10,000 (None: no balancer ever ran), and the rest by name."""

    share: int | None = None
    memory: Mapping[str, str] = {}


def parts_of(text: str) -> int | None:
    """A share as a store has it; None where it is none that can be."""
    return int(text) if text.isascii() and text.isdigit() and int(text) <= PARTS else None


class Writing(Protocol):
    """The ledger while nobody else may write it."""

    @property
    def record(self) -> Record:
        """What it holds now."""
        ...

    async def write(self, values: Mapping[str, str | None] | None = None, *, share: int | None = None) -> None:
        """Set the named values (``None`` forgets one) and the share where it is given; what is not named stays."""
        ...


class Ledger(Protocol):
    """Where a cutover is remembered; it outlives the balancer's processes and the machine that runs Pulumi.

    ``run`` is the token of the lease; ``origin`` the colour whose data the other one was filled from; ``began_at`` unix seconds; ``opened_at``,
    ``imported`` and ``drained_at`` a colour and unix seconds: ``blue 1795344713``.
    """

    async def read(self) -> Record:
        """What it holds; Refused or Unreachable where it cannot be read."""
        ...

    def held(self, holder: str | None) -> AbstractAsyncContextManager[Writing]:
        """The ledger for us alone, over processes and machines, as long as the block runs.

        ``holder`` is the run that acts: LeaseLost when another one holds the lease at this moment. None takes it without asking: to begin a
        run, which writes its own token, and to bring a balancer to what is written. GaveUp when somebody else keeps it for too long.
        """
        ...


def require_parts(parts: int) -> None:
    """Raise BadInput when this is no share."""
    if not 0 <= parts <= PARTS:
        raise BadInput("setting green's share", seen=f"{parts}", todo=f"give parts of {PARTS}: 0..{PARTS}")


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


def in_one_cluster(memory: Mapping[str, str]) -> bool:
    """Whether the colours of the cutover that is remembered are nodes of one cluster."""
    return memory.get(SCOPE) == "colour"


def origin(memory: Mapping[str, str]) -> Colour | None:
    """The colour whose data filled the other one, as the balancer remembers it."""
    return next((known for known in COLOURS if known == memory.get(ORIGIN)), None)
