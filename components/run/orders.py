"""What people tell a running update through its ledger: stay as you are, go on, go back.

The rule: an order is a value of the ledger, so it is heard from any machine, within a moment; it says who gave it, when and why, and the journal
has it. Whatever a hold stops has not been begun: it is looked for before each act; and what a cluster does by itself meanwhile is stopped.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from components.emqx.errors import BadInput, GateFailed
from components.run.hour import SOON_SECONDS, ends_at, told

HOLD, ABORT = "hold", "abort"
"""Keys of the balancer's memory."""
LOOK_SECONDS = 0.5
"""How often a run that is held looks whether it may go on."""
_FORM = re.compile(r"(\d+(?:\.\d+)?) (\S+) (.+)", re.DOTALL)
_WHO = re.compile(r"[^\s]{1,64}")


class Order(NamedTuple):
    """Who wants it, since when (unix seconds), and why."""

    at: float
    who: str
    why: str

    def __str__(self) -> str:
        return f"{self.who}: {self.why}"


def written(order: Order) -> str:
    """As the ledger keeps it.

    Raises:
        BadInput: nobody is named, or no reason.

    """
    if not _WHO.fullmatch(order.who) or not order.why.strip():
        raise BadInput(
            "an order", seen=f"who {order.who!r}, why {order.why!r}", todo="say who wants it and why (WHY=...)"
        )
    return f"{order.at:.3f} {order.who} {' '.join(order.why.split())[:300]}"


def read(memory: Mapping[str, str], key: str) -> Order | None:
    """The order under this key; one that somebody wrote by hand counts, with what can be read of it."""
    text = memory.get(key)
    if not text:
        return None
    found = _FORM.fullmatch(text)
    return Order(float(found[1]), found[2], found[3]) if found else Order(0.0, "somebody", text)


class Still(NamedTuple):
    """What goes on without us, so that a hold has to ``stop`` it; ``start`` begins it again afterwards."""

    stop: Callable[[], Awaitable[None]]
    start: Callable[[], Awaitable[None]]


class Ears(NamedTuple):
    """What a run hears and answers with: its memory now, whether it must stop, its clock, journal and screen, and for how long its balancer keeps connections of before."""

    memory: Callable[[], Awaitable[Mapping[str, str]]]
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    record: Callable[..., None]
    progress: Callable[[str], None]
    warn: Callable[[str], None]
    forget: Callable[[str], Awaitable[None]]
    keeps_seconds: float | None


async def _wait(memory: Mapping[str, str], ears: Ears, held: Order, still: Still | None) -> Mapping[str, str]:
    """Stay as it is until somebody says otherwise; the memory then. Whoever holds it hears in time what the balancer does by itself."""
    ends, how = ends_at(memory, ears.keeps_seconds, ears.now()), "`make resume` or `make abort`"
    ears.progress(f"held by {held}; {how}{f'; {told(ends, ears.now())}' if ends else ''}")
    while HOLD in memory and ABORT not in memory:
        if still is not None:
            await still.stop()
        await ears.sleep(LOOK_SECONDS)
        memory = await ears.memory()
        if ends is not None and ends - ears.now() <= SOON_SECONDS:
            ears.warn(f"held by {held}, and {told(ends, ears.now())}: {how} before the rest does not fit any more")
            ends = None
    return memory


async def obey(memory: Mapping[str, str], ears: Ears, still: Still | None = None) -> float:
    """Wait as long as a hold lasts; how many seconds that were.

    Raises:
        GateFailed: somebody wants everybody back; the order is taken out of the ledger, since it is carried out now.

    """
    held, began = read(memory, HOLD), ears.now()
    if held is not None:
        ears.record("hold", who=held.who, why=held.why)
        memory = await _wait(memory, ears, held, still)
        ears.record("resume", abort=ABORT in memory)
    order = read(memory, ABORT)
    if order is not None:
        ears.record("abort", who=order.who, why=order.why)
        await ears.forget(ABORT)
        await ears.forget(HOLD)
        raise GateFailed(
            "going on",
            seen=f"it was called off by {order}",
            todo="set emqx:live back to the old colour, or run pulumi up again when it may go on",
        )
    if held is not None and still is not None:
        await still.start()
    return ears.now() - began
