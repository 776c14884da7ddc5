"""What a failing gate does: everybody goes back to the colour that they came from, at the paced rate."""

from __future__ import annotations

from components.cutover.cohort import everybody
from components.cutover.facts import Thresholds
from components.cutover.words import Colour, other
from components.emqx.errors import GateFailed, LeaseLost, Stopped, UpgradeError
from components.links.opening import remember_opened
from components.links.target import missing, open_target, refuse_too_small
from components.movers.kick import Move, kick
from components.run.meter import Meter
from components.run.run import Run


async def sent_back(
    run: Run, to: Colour, gates: Thresholds, budget_per_second: int, failed: GateFailed, step: str
) -> GateFailed:
    """Send the clients back, and the gate's failure with what came of it.

    A way back that stops in the middle is told with the gate's own words: they are the cause.

    Raises:
        Stopped, LeaseLost: this run must not go on.

    """
    run.record("error", type=type(failed).__name__, message=str(failed))
    run.progress(f"{step}: {failed.seen}; sending the clients back to {to}")
    try:
        await _send_back(run, to, gates, budget_per_second)
    except (Stopped, LeaseLost):
        raise
    except UpgradeError as stuck:
        seen = f"{failed.seen}; and they could not all be sent back to {to}: {stuck.tried}: {stuck.seen}"
        return GateFailed(failed.tried, node=failed.node, seen=seen, todo=f"{stuck.todo}; {failed.todo}")
    seen = f"{failed.seen}; all clients are back on {to}"
    return GateFailed(failed.tried, node=failed.node, seen=seen, todo=failed.todo)


async def _send_back(run: Run, to: Colour, gates: Thresholds, budget_per_second: int) -> None:
    """The whole share to ``to``, then everybody, in the order of docs/emqx/evacuation.md#all-nodes-at-once."""
    without = await missing(run, to, "back")
    await refuse_too_small(run, to, without)
    await open_target(run, to, without)
    await remember_opened(run, to)
    parts = everybody(to)
    await run.act("share", step="send-back", parts=parts)
    await run.set_share(parts)
    meter = Meter(run, "send-back", to, parts, gates, budget_per_second)
    await kick(run, Move("send-back", other(to), parts), budget_per_second, meter.moved, meter.notice)
    run.record("sent-back", to=to, clients=meter.moved.count)
