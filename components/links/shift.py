"""Carries out the transitions that the plan has for one step; what is to be done is the plan's, never decided here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace

from components.cutover.cohort import everybody, share_percent
from components.cutover.evacuation import Evacuation
from components.cutover.facts import Thresholds
from components.cutover.movers import Choice
from components.cutover.plan import DRAIN, Desired, Transition, World, part
from components.cutover.portions import Span, Weighed, spans
from components.cutover.steps import Step
from components.cutover.words import COLOURS, Colour, Direction, other
from components.emqx.errors import GateFailed, Unreachable
from components.emqx.known import known
from components.ledger.base import DRAINED_AT, drained
from components.links.booting import Booting
from components.links.carrying import carry_sessions, offline_count
from components.links.filling import bounded
from components.links.in_time import in_time
from components.links.opening import silent
from components.links.reach import within
from components.links.room import refuse_full
from components.links.sending_back import SEND_BACK, sent_back
from components.links.spreading import spread
from components.links.target import missing, open_target, recipients, wait_until_up
from components.movers import MOVERS
from components.movers.task import Task
from components.routers.base import Spreads
from components.run.hour import beginning
from components.run.meter import Meter
from components.run.run import Run
from components.value import Value


class Manner(Value):
    """How clients are moved: the steps, by what, the budget, node evacuation's knobs, and what stops the update.

    ``sessions_may_end`` is whether sessions that nothing can carry may end, ``keep_stale_sessions`` whether those that clients leave behind stay.
    """

    steps: tuple[Step, ...]
    budget_per_second: int
    mover: Choice = Choice()
    evacuation: Evacuation = Evacuation()
    gates: Thresholds = Thresholds()
    sessions_may_end: bool = False
    keep_stale_sessions: bool = False

    @property
    def rest(self) -> Weighed:
        """What is left once the whole share is set, behind a router that does not know clients."""
        return Weighed(
            steps=(),
            portions=self.mover.portions,
            mover=self.mover.mover,
            budget_per_second=self.budget_per_second,
            wait_seconds=self.evacuation.wait_health_check_seconds,
            thresholds=self.gates,
        )


async def carry_out(run: Run, name: str, to: Colour, manner: Manner, direction: Direction) -> dict[str, float]:
    """Do what the plan has for the step ``name`` (``drain`` for the last one); nothing where it was done before.

    On the way forward a failing gate sends everybody back to the colour they came from. The way back does not hold, and
    nothing sends clients to the colour that they are taken from.

    Returns:
        ``{"moved": clients, "moving_seconds": seconds}``.

    Raises:
        GateFailed: on the way forward after the clients are back.

    """
    source = other(to)
    steps = tuple(step for step in manner.steps if direction == "forward" or step.kind == "share")
    if direction == "back" and await silent(run, source):
        return await _leave_silent(run, name, to)
    without = await missing(run, to, direction)
    manner = await _within_reach(run, name, to, manner, without)
    world, portions = await _observe(run, to, without), bool(manner.mover.portions)
    todo = part(world, Desired(to, steps, manner.mover.mover, manner.mover.portions), name)
    found = spans(todo, to, world.share, portions=portions)
    meters = [Meter(run, name, to, one.parts, _gates(manner, one), manner.budget_per_second, without) for one in found]
    if not todo:
        return _facts(meters)
    parts = todo[-1].parts
    mover = manner.mover.mover if parts == everybody(to) else manner.mover.cohort
    step = {"name": name, "share": share_percent(to, parts), "mover": mover}
    run.record("step", **step, phase="begin")
    try:
        async with bounded(run, last=name == DRAIN):
            for span, meter in zip(found, meters, strict=True):
                await _span(run, span, to, manner, meter, without, forward=direction == "forward")
    except GateFailed as failed:
        if direction == "back":
            raise
        raise await send_back(run, source, manner, failed, name) from None
    facts = _facts(meters)
    moved = {"clients": facts["moved"], "moving_seconds": facts["moving_seconds"], "dropped": _dropped(meters)}
    run.record("step", **step, phase="end", **moved)
    return facts


async def _span(
    run: Run, span: Span, to: Colour, manner: Manner, meter: Meter, without: Collection[str], *, forward: bool
) -> None:
    """The acts under one meter."""
    meter.aside = Booting(run, to, without).look
    await meter.baseline()
    if forward and not run.in_one_cluster:
        await refuse_full(run.clusters[to], meter.leaving, meter.step)
    for transition in span.transitions:
        if manner.mover.portions:
            await in_time(run, transition, to, manner.rest, forward=forward)
        await _do(run, transition, to, manner, meter, without)


def _gates(manner: Manner, span: Span) -> Thresholds:
    """Those that judge it: a share that nobody was moved for is not as wanted."""
    return manner.gates if span.judged else manner.gates.model_copy(update={"share_deviation_percent": None})


async def _within_reach(run: Run, name: str, to: Colour, manner: Manner, without: Collection[str]) -> Manner:
    """No more a second than the listeners of ``to`` accept."""
    most = await within(run.clusters[to], manner.budget_per_second, without)
    if most == manner.budget_per_second:
        return manner
    run.progress(f"{name}: {most}/s of {manner.budget_per_second}/s, since the listeners of {to} accept no more")
    run.record("fact", section="reach", colour=to, rate=most, budget=manner.budget_per_second)
    return manner.model_copy(update={"budget_per_second": most})


async def send_back(run: Run, to: Colour, manner: Manner, failed: GateFailed, step: str) -> GateFailed:
    """Move everybody back to ``to`` as the cohorts were moved; the failure of the gate, with what came of it."""
    meter = Meter(run, SEND_BACK, to, everybody(to), manner.gates, manner.budget_per_second)

    async def move() -> None:
        there = recipients(run, to, await missing(run, to, "back"))
        await MOVERS[manner.mover.cohort](run, _task(SEND_BACK, other(to), everybody(to), manner, meter, there))

    return await sent_back(run, to, meter, move, failed, step)


async def _leave_silent(run: Run, name: str, to: Colour) -> dict[str, float]:
    """Give everybody to ``to`` at once: nobody can be moved off a colour that does not answer, and nobody should wait for it.

    It counts as drained when the balancer does not see it either; clients whose connection still stands there are not moved.
    """
    source = other(to)
    if await run.router.share() != everybody(to):
        run.progress(f"{name}: {source} does not answer; everybody is sent to {to} at once")
        await set_share(run, to, everybody(to), name, await missing(run, to, "back"))
    if name == DRAIN:
        await _drain_silent(run, source)
    return {"moved": 0, "moving_seconds": 0.0}


async def _drain_silent(run: Run, source: Colour) -> None:
    if any((await run.router.health()).get(source, {}).values()):
        raise Unreachable(
            f"draining {source}",
            node=source,
            seen="it does not answer us, and the balancer sees it up",
            todo=f"look at its management API; all new connections go to {other(source)}, then run pulumi up again",
        )
    run.progress(f"{source} counts as empty: neither we nor the balancer see any of it")
    await _drained(run, source)


async def _observe(run: Run, to: Colour, without: Collection[str]) -> World:
    """The world as the plan needs it; a colour is healthy when the balancer has all of it fully up, ``to`` but the nodes that it is without."""
    health = {colour: dict(nodes) for colour, nodes in (await run.router.health()).items()}
    for node in without:
        health.get(to, {}).pop(node, None)
    empty = drained(await run.memory())
    draining = [colour for colour in run.clusters if await known(run.clusters[colour].evacuations())]
    return World(
        share=await run.router.share(),
        healthy=frozenset(colour for colour in COLOURS if health.get(colour) and all(health[colour].values())),
        draining=frozenset(draining),
        drained=frozenset([empty] if empty else []),
    )


async def _do(
    run: Run, transition: Transition, to: Colour, manner: Manner, meter: Meter, without: Collection[str]
) -> None:
    source = other(to)
    acts: dict[str, Callable[[], Awaitable[None]]] = {
        "open": lambda: meter.judged(open_target(run, to, without)),
        # A target that breaks now keeps the share from rising: that is a gate's to judge, not to be waited out.
        "share": lambda: _share(run, transition, to, manner, meter, without),
        "move": lambda: _move(run, transition.step, source, transition.parts, manner, meter),
        "portion": lambda: _portion(run, transition, manner, meter, without),
        "hold": lambda: meter.watch_over(meter.hold(transition.seconds), moving=False),
        "judge": meter.all_known,
        "drain": lambda: _drain(run, transition.step, source, manner, meter, without),
    }
    await acts[transition.act]()


async def _share(run: Run, one: Transition, to: Colour, manner: Manner, meter: Meter, without: Collection[str]) -> None:
    await meter.judged(set_share(run, to, one.parts, one.step, without))
    await _spread(run, one.step, to, manner, without)


async def _spread(run: Run, step: str, to: Colour, manner: Manner, without: Collection[str] = ()) -> None:
    """Let the share reach everybody, while the gates are judged but that of the share: nobody is moved for it yet."""
    if not isinstance(run.router, Spreads):
        return
    gates = manner.gates.model_copy(update={"share_deviation_percent": None})
    meter = Meter(run, step, to, everybody(to), gates, manner.budget_per_second, without)
    await meter.judged(spread(run, step), moving=False)


async def _move(run: Run, step: str, source: Colour, parts: int, manner: Manner, meter: Meter) -> None:
    """Take the cohort off; the clients of a colour that does not answer are left to come by themselves."""
    if await silent(run, source):
        run.progress(f"{step}: {source} does not answer, its clients come by themselves")
        return
    await _spread(run, step, other(source), manner)
    await meter.watch_over(MOVERS[manner.mover.cohort](run, _task(step, source, parts, manner, meter)))


async def _portion(run: Run, one: Transition, manner: Manner, meter: Meter, without: Collection[str]) -> None:
    """Take a part of those on the old colour off, and let them come back; one that does not answer is left to the drain."""
    if await silent(run, one.colour):
        return
    await _spread(run, one.step, other(one.colour), manner)
    mover, percent = MOVERS[manner.mover.mover], share_percent(other(one.colour), one.parts)
    there = recipients(run, other(one.colour), without)
    task = replace(_task(one.step, one.colour, one.parts, manner, meter, there), portion=percent)
    await meter.watch_over(mover(run, task))


def _task(
    step: str, source: Colour, parts: int, manner: Manner, meter: Meter, recipients: tuple[str, ...] = ()
) -> Task:
    return Task(
        step=step,
        source=source,
        green_parts=parts,
        budget_per_second=manner.budget_per_second,
        knobs=manner.evacuation,
        moved=meter.moved,
        notice=meter.notice,
        recipients=recipients,
        keeps_sessions=manner.keep_stale_sessions,
    )


async def set_share(run: Run, to: Colour, parts: int, step: str, without: Collection[str] = ()) -> None:
    """Give ``to`` its part of the clients, once the balancer has all of it fully up."""
    await wait_until_up(run, to, without)
    await run.act("share", step=step, parts=parts)
    hour = beginning(await run.memory(), run.router.can.keeps_seconds, to, run.clock.now())
    if hour:
        await run.remember(hour)
    await run.set_share(parts)


async def _drain(run: Run, step: str, source: Colour, manner: Manner, meter: Meter, without: Collection[str]) -> None:
    """Take the last clients off the old colour, in one cluster their sessions too; after the last step, remember when it was empty."""
    if await silent(run, source):
        if step == DRAIN:
            await _drain_silent(run, source)
        return
    to, offline = other(source), await offline_count(run, source)
    await _spread(run, step, to, manner, without)
    running = bool(await run.clusters[source].evacuations())
    there = recipients(run, to, without)
    for mover in manner.mover.empties(shut=step == DRAIN, evacuates=running):
        await meter.watch_over(MOVERS[mover](run, _task(step, source, everybody(to), manner, meter, there)))
    if run.in_one_cluster:
        per_second = manner.evacuation.sess_evict_rate * len(run.clusters[source].node_names)
        await carry_sessions(run, source, per_second, before=offline, may_end=manner.sessions_may_end)
    if step == DRAIN:
        await _drained(run, source)


async def _drained(run: Run, source: Colour) -> None:
    await run.act("drained", colour=source)
    await run.remember({DRAINED_AT: f"{source} {run.clock.now():.3f}"})


def _facts(meters: Sequence[Meter]) -> dict[str, float]:
    seconds = sum(meter.moved.seconds for meter in meters)
    return {"moved": sum(meter.moved.count for meter in meters), "moving_seconds": round(seconds, 3)}


def _dropped(meters: Sequence[Meter]) -> int | None:
    counts = [meter.messages_dropped for meter in meters]
    return None if None in counts else sum(count or 0 for count in counts)
