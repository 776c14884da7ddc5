"""Carries out the transitions that the plan has for one step; what is to be done is the plan's, never decided here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from components.cutover.cohort import everybody, share_percent
from components.cutover.evacuation import Evacuation
from components.cutover.facts import Thresholds
from components.cutover.pace import limit_seconds
from components.cutover.plan import Desired, Transition, World, plan
from components.cutover.steps import Step
from components.cutover.words import COLOURS, Colour, Mover, other
from components.emqx.errors import GateFailed, Unreachable
from components.operations.drain import evacuate
from components.operations.measure import known
from components.operations.meter import Meter
from components.operations.moving import Move, kick
from components.operations.opening import drained, open_target, wait_until_up
from components.operations.run import Run
from components.router.base import DRAINED_AT
from components.value import Value

SLACK = 10
"""A drain may take this many times its shortest time, and never less than a minute, before it gives up."""


class Manner(Value):
    """How clients are moved: the steps, the budget, node evacuation's knobs, and what stops the update."""

    steps: tuple[Step, ...]
    budget_per_second: int
    evacuation: Evacuation = Evacuation()
    gates: Thresholds = Thresholds()


async def carry_out(run: Run, name: str, to: Colour, manner: Manner) -> dict[str, float]:
    """Do what the plan has for the step ``name`` (``drain`` for the last one); nothing where it was done before.

    A failing gate sends everybody back to the colour they came from.

    Returns:
        ``{"moved": clients, "moving_seconds": seconds}``.

    Raises:
        GateFailed: after the clients are back.

    """
    source = other(to)
    mover: Mover = "evacuation" if await known(run.clusters[source].has_evacuation()) else "kick"
    world = await _observe(run)
    todo = [one for one in plan(world, Desired(to, manner.steps, mover)) if one.step == name]
    parts = todo[-1].parts if todo else world.share
    share = share_percent(to, parts)
    meter = Meter(run, name, to, parts, manner.gates, manner.budget_per_second)
    if not todo:
        return _facts(meter)
    last = parts == everybody(to)
    with_mover = mover if last else "kick"
    run.record("step", name=name, share=share, phase="begin", mover=with_mover)
    await meter.baseline()
    try:
        for transition in todo:
            await _do(run, transition, to, manner, meter)
    except GateFailed as failed:
        await _back_to_where_they_were(run, source, manner, failed, name)
        raise GateFailed(
            failed.tried, node=failed.node, seen=f"{failed.seen}; all clients are back on {source}", todo=failed.todo
        ) from None
    facts = _facts(meter)
    run.record(
        "step",
        name=name,
        share=share,
        phase="end",
        mover=with_mover,
        clients=facts["moved"],
        moving_seconds=facts["moving_seconds"],
    )
    return facts


async def _observe(run: Run) -> World:
    """The world as the plan needs it; a colour is healthy when the balancer has all of it fully up."""
    health = await run.router.health()
    empty = drained(await run.router.memory())
    draining = [colour for colour in run.clusters if await known(run.clusters[colour].evacuations())]
    return World(
        share=await run.router.share(),
        healthy=frozenset(colour for colour in COLOURS if health.get(colour) and all(health[colour].values())),
        draining=frozenset(draining),
        drained=frozenset([empty] if empty else []),
    )


async def _do(run: Run, transition: Transition, to: Colour, manner: Manner, meter: Meter) -> None:
    source = other(to)
    acts: dict[str, Callable[[], Awaitable[None]]] = {
        # A target that breaks now keeps the share from rising: that is a gate's to judge, not to be waited out.
        "share": lambda: meter.judged(set_share(run, to, transition.parts, transition.step)),
        "move": lambda: _move(run, Move(transition.step, source, transition.parts), manner, meter),
        "hold": lambda: meter.watch_over(meter.hold(transition.seconds), moving=False),
        "judge": meter.all_known,
        "drain": lambda: _drain(run, source, manner, meter),
    }
    await acts[transition.act]()


async def _move(run: Run, move: Move, manner: Manner, meter: Meter) -> None:
    """Kick the cohort; the clients of a colour that does not answer are left to come by themselves."""
    if await known(run.clusters[move.source].nodes()) is None:
        run.progress(f"{move.step}: {move.source} does not answer, its clients come by themselves")
        return
    await meter.watch_over(kick(run, move, manner.budget_per_second, meter.moved, meter.notice))


async def set_share(run: Run, to: Colour, parts: int, step: str) -> None:
    """Give ``to`` its part of the clients, once the balancer has all of it fully up."""
    await wait_until_up(run, to)
    await run.act("share", step=step, parts=parts)
    await run.router.set_share(parts)


async def _drain(run: Run, source: Colour, manner: Manner, meter: Meter) -> None:
    """Take the last clients off the old colour, and remember when it was empty."""
    evacuates = await known(run.clusters[source].has_evacuation())
    if evacuates is None:
        to = other(source)
        here = await known(run.clusters[to].live_connections()) or {}
        raise Unreachable(
            f"draining {source}",
            node=source,
            seen=f"it does not answer; the balancer sends everybody to {to}, where {sum(here.values())} clients are connected",
            todo=f"start {source} again, or remove it by hand, then run pulumi up again",
        )
    if evacuates:
        live = sum((await run.clusters[source].live_connections()).values())
        limit = max(60.0, SLACK * limit_seconds(live, manner.budget_per_second))
        limit += manner.evacuation.wait_health_check_seconds
        await meter.watch_over(
            evacuate(
                run,
                source,
                budget_per_second=manner.budget_per_second,
                knobs=manner.evacuation,
                limit_seconds=limit,
                moved=meter.moved,
                notice=meter.notice,
            )
        )
    else:
        move = Move("drain", source, everybody(other(source)))
        await meter.watch_over(kick(run, move, manner.budget_per_second, meter.moved, meter.notice))
    await run.act("drained", colour=source)
    await run.router.remember({DRAINED_AT: f"{source} {run.clock.now():.3f}"})


async def _back_to_where_they_were(run: Run, to: Colour, manner: Manner, failed: GateFailed, step: str) -> None:
    """Give the whole share to ``to`` and move everybody there at the paced rate, in the order of section D."""
    run.record("error", type=type(failed).__name__, message=str(failed))
    run.progress(f"{step}: {failed.seen}; sending the clients back to {to}")
    await open_target(run, to)
    parts = everybody(to)
    await run.act("share", step="send-back", parts=parts)
    await run.router.set_share(parts)
    meter = Meter(run, "send-back", to, parts, manner.gates, manner.budget_per_second)
    await kick(run, Move("send-back", other(to), parts), manner.budget_per_second, meter.moved, meter.notice)
    run.record("sent-back", to=to, clients=meter.moved.count)


def _facts(meter: Meter) -> dict[str, float]:
    return {"moved": meter.moved.count, "moving_seconds": round(meter.moved.seconds, 3)}
