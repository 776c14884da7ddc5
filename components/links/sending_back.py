"""What a failing gate does: everybody goes back to the colour that they came from, at the paced rate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from components.cutover.cohort import everybody
from components.cutover.words import Colour
from components.emqx.errors import GateFailed, LeaseLost, Stopped, UpgradeError
from components.links.opening import remember_opened
from components.links.spreading import spread
from components.links.target import missing, open_target, refuse_too_small
from components.run.meter import Meter
from components.run.run import Run

SEND_BACK = "send-back"
Move = Callable[[], Awaitable[None]]
"""Moves everybody, in the step of the name above."""


async def sent_back(run: Run, to: Colour, meter: Meter, move: Move, failed: GateFailed, step: str) -> GateFailed:
    """Send the clients back, and the gate's failure with what came of it; ``meter`` is that of the way back.

    A way back that stops in the middle is told with the gate's own words: they are the cause.

    Raises:
        Stopped, LeaseLost: this run must not go on.

    """
    run.record("error", type=type(failed).__name__, message=str(failed))
    run.progress(f"{step}: {failed.seen}; sending the clients back to {to}")
    try:
        await _send_back(run, to, meter, move)
    except (Stopped, LeaseLost):
        raise
    except UpgradeError as stuck:
        seen = f"{failed.seen}; and they could not all be sent back to {to}: {stuck.tried}: {stuck.seen}"
        return GateFailed(failed.tried, node=failed.node, seen=seen, todo=f"{stuck.todo}; {failed.todo}")
    seen = f"{failed.seen}; all clients are back on {to}"
    return GateFailed(failed.tried, node=failed.node, seen=seen, todo=failed.todo)


async def _send_back(run: Run, to: Colour, meter: Meter, move: Move) -> None:
    """The whole share to ``to``, then everybody, in the order of docs/emqx/evacuation.md#all-nodes-at-once."""
    without = await missing(run, to, "back")
    await refuse_too_small(run, to, without)
    await open_target(run, to, without)
    await remember_opened(run, to)
    await run.act("share", step=SEND_BACK, parts=everybody(to))
    await run.set_share(everybody(to))
    await spread(run, SEND_BACK)
    await move()
    run.record("sent-back", to=to, clients=meter.moved.count)
