"""Whether the rest of a cutover still fits into the time for which the balancer keeps connections of before, looked at as the run goes on: pauses and kills take of it.

The rule: before the whole share is set a rest that does not fit is not begun, and everybody is sent back, which disconnects nobody who has not moved. Behind it
the drain goes on: to send back whom it has moved would disconnect more clients than the balancer may cut off.
"""

from __future__ import annotations

from components.cutover.cohort import everybody, share_percent
from components.cutover.plan import Transition
from components.cutover.portions import Weighed
from components.cutover.words import Colour, other
from components.emqx.errors import GateFailed
from components.emqx.known import known
from components.run.hour import ends_at, told
from components.run.run import Run


async def in_time(run: Run, one: Transition, to: Colour, rest: Weighed, *, forward: bool) -> None:
    """Look before an act that begins the drain or goes on with it.

    Args:
        run: the run.
        one: the act.
        to: where the clients go.
        rest: what is left behind the whole share: no steps, all portions.
        forward: whether the run may be refused; on the way back it only warns.

    Raises:
        Stopped, LeaseLost: this run may not act any more.
        GateFailed: it was called off, or it would set the whole share, and what is left would not be done in time.

    """
    begins = one.act == "share" and one.parts == everybody(to)
    if not begins and one.act not in {"portion", "move", "drain"}:
        return
    await run.checkpoint()  # a pause is over before it is counted
    now = run.clock.now()
    ends = ends_at(await run.memory(), run.router.can.keeps_seconds, now)
    live = await known(run.clusters[other(to)].live_connections()) if ends is not None else None
    clients = sum((live or {}).values())
    if ends is None or not clients:
        return
    most = rest.model_copy(update={"portions": _left(rest.portions, one, to)}).most_seconds(clients)
    if most < ends - now:
        return
    seen = f"{clients} clients are on {other(to)}, to take them off takes {most:.0f} s at most, and {told(ends, now)}"
    run.record("fact", section="hour", clients=clients, most_seconds=round(most, 1), left_seconds=round(ends - now, 1))
    if begins and forward:
        todo = "run pulumi up again: it starts at the first step, and with it another hour; a pause takes of the hour that goes on"
        raise GateFailed("setting the whole share", node="the balancer", seen=seen, todo=todo)
    run.warn(f"{one.step}: {seen}; whoever is still there then is cut off at once and comes by itself")


def _left(portions: tuple[float, ...], one: Transition, to: Colour) -> tuple[float, ...]:
    """The portions from this act on."""
    if one.act == "share":
        return portions
    percent = share_percent(to, one.parts) if one.act == "portion" else 100.0
    return tuple(portion for portion in portions if portion >= percent) or (100.0,)
