"""One step of a cutover: room before, the share, the cohort's move, the hold, the judgement; it never lowers a share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from components.cutover.cohort import green_parts
from components.cutover.gates import Thresholds
from components.cutover.pace import limit_seconds
from components.cutover.words import Colour, Mover, other
from components.emqx.errors import GateFailed
from components.operations.drain import Evacuation, evacuate
from components.operations.meter import Meter
from components.operations.moving import Move, kick
from components.operations.opening import open_target, wait_until_up
from components.operations.run import Run
from components.value import Value

SLACK = 10
"""A drain may take this many times its shortest time, and never less than a minute, before it gives up."""


class StepWork(Value):
    """What one step of the chain does: the share to reach, then how long it is held."""

    name: str
    to: Colour
    share: int
    hold_seconds: float = 0.0
    gate: bool = True


class Manner(Value):
    """How clients are moved: the budget, node evacuation's knobs, and what stops the update."""

    budget_per_second: int
    evacuation: Evacuation = Evacuation()
    gates: Thresholds = Thresholds()
    skip_holds: bool = False


async def shift(run: Run, work: StepWork, manner: Manner) -> dict[str, float]:
    """Reach the share, move its clients, hold, and judge; a failing gate sends the cohort back.

    At 100 % only the share is set where the edition can evacuate nodes: the drain then moves everybody who is left.

    Returns:
        ``{"moved": clients, "moving_seconds": seconds}``.

    Raises:
        GateFailed: after the cohort is back on the colour it came from.

    """
    source = other(work.to)
    parts = green_parts(work.to, work.share)
    mover = await _mover(run, source, last=work.share == 100)
    meter = Meter(run, work.name, work.to, work.share, manner.gates, manner.budget_per_second)
    run.record("step", name=work.name, share=work.share, phase="begin", mover=mover)
    await meter.baseline()
    if _grows(work.to, await run.router.share(), parts):
        await wait_until_up(run, work.to)
        await run.act("share", step=work.name, parts=parts)
        await run.router.set_share(parts)
    move = Move(step=work.name, source=source, green_parts=parts)

    async def work_through() -> None:
        if mover == "kick":
            await kick(run, move, manner.budget_per_second, meter.moved, meter.notice)
        if not manner.skip_holds:
            await meter.hold(work.hold_seconds)

    await or_send_back(run, work, manner, meter, work_through)
    return _end(run, work, mover, meter)


async def drain(run: Run, to: Colour, manner: Manner) -> dict[str, float]:
    """Take the last clients off the old colour, and remember when it was empty."""
    source = other(to)
    work = StepWork(name="drain", to=to, share=100)
    meter = Meter(run, work.name, to, 100, manner.gates, manner.budget_per_second)
    mover = await _mover(run, source, last=True)
    run.record("step", name="drain", share=100, phase="begin", mover=mover)
    await meter.baseline()
    live = sum((await run.clusters[source].live_connections()).values())
    limit = max(60.0, SLACK * limit_seconds(live, manner.budget_per_second))

    async def empty() -> None:
        if mover == "evacuation":
            await evacuate(
                run,
                source,
                budget_per_second=manner.budget_per_second,
                knobs=manner.evacuation,
                limit_seconds=limit + manner.evacuation.wait_health_check_seconds,
                moved=meter.moved,
                notice=meter.notice,
            )
        else:
            move = Move(step="drain", source=source, green_parts=green_parts(to, 100))
            await kick(run, move, manner.budget_per_second, meter.moved, meter.notice)

    await or_send_back(run, work, manner, meter, empty)
    await run.act("drained", colour=source)
    await run.router.remember({"drained_at": f"{source} {run.clock.now():.3f}"})
    return _end(run, work, mover, meter)


async def or_send_back(
    run: Run, work: StepWork, manner: Manner, meter: Meter, act: Callable[[], Awaitable[None]]
) -> None:
    """Do the work under the meter's eye; when a gate fails, everybody goes back to where they came from.

    Raises:
        GateFailed: with the place where the clients are now.

    """
    try:
        await meter.watch_over(act())
    except GateFailed as failed:
        source = other(work.to)
        run.record("error", type="GateFailed", message=str(failed))
        run.progress(f"{work.name}: {failed.seen}; sending the clients back to {source}")
        await send_back(run, source, manner)
        raise GateFailed(
            failed.tried,
            node=failed.node,
            seen=f"{failed.seen}; all clients are back on {source}",
            todo=failed.todo,
        ) from None


async def send_back(run: Run, to: Colour, manner: Manner) -> None:
    """Give the whole share to ``to`` and move everybody there at the paced rate, in the order of section D."""
    await open_target(run, to)
    parts = green_parts(to, 100)
    await run.act("share", step="send-back", parts=parts)
    await run.router.set_share(parts)
    meter = Meter(run, "send-back", to, 100, manner.gates, manner.budget_per_second)
    move = Move(step="send-back", source=other(to), green_parts=parts)
    await kick(run, move, manner.budget_per_second, meter.moved, meter.notice)
    run.record("sent-back", to=to, clients=meter.moved.count)


def _end(run: Run, work: StepWork, mover: Mover, meter: Meter) -> dict[str, float]:
    facts = {"moved": meter.moved.count, "moving_seconds": round(meter.moved.seconds, 3)}
    run.record(
        "step",
        name=work.name,
        share=work.share,
        phase="end",
        mover=mover,
        clients=facts["moved"],
        moving_seconds=facts["moving_seconds"],
    )
    return facts


def _grows(to: Colour, present_parts: int, wanted_parts: int) -> bool:
    return wanted_parts > present_parts if to == "green" else wanted_parts < present_parts


async def _mover(run: Run, source: Colour, *, last: bool) -> Mover:
    """The last step has nobody left to tell apart: there the nodes are evacuated, where the edition can."""
    return "evacuation" if last and await run.clusters[source].has_evacuation() else "kick"
