"""From a forecast to the outline that a reviewer reads.

The rule: nothing is counted here; what the forecast does not know is unknown in the outline, and said to be assumed.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.cutover.forecast import Forecast, StepForecast
from components.cutover.outline import (
    Around,
    Back,
    Cost,
    Devices,
    Loss,
    Outline,
    PlannedStep,
    Room,
    Way,
    minutes,
)
from components.cutover.roll_forecast import BY, RollForecast
from components.cutover.routes import CONDITIONS, RefusedRoute, route

ROLL_BACK = {
    "in place": "declare the version before again (acknowledge: [way_back]): the nodes go down one by one, on their data",
    "backup": "only from the copies that are made of each node before it is touched (`python -m components.keepers restore`)",
    None: "nothing is rolled",
}


def of_cutover(plan: Forecast, around: Around) -> Outline:
    """The outline of a move between two colours."""
    busy, forward = plan.direction != "nothing", plan.direction == "forward"
    devices = Devices(
        count=plan.clients if busy else 0, times=1, begins="with the first step", told_to_go=plan.told_to_go
    )
    idle = "" if busy else plan.reason
    return Outline(
        headline=_headline(devices, plan.expected_seconds, plan.budget_per_second, idle),
        devices=devices,
        steps=tuple(_step(row, plan.to) for row in plan.steps),
        seconds=plan.expected_seconds,
        route=_way(around) if forward else None,
        rules=around.rules,
        backup=around.backup if forward else (),
        losses=_losses(plan) if busy else (),
        acknowledged=around.acknowledged,
        room=_room(plan, around, busy=busy),
        cost=_doubled(plan, around, busy=busy),
        back=_cutover_back(plan, around.soak_seconds),
        gates=plan.gates if busy else (),
        not_asked=around.not_asked,
        assumptions=_assumptions(plan) if busy else (),
    )


def of_roll(plan: RollForecast, around: Around, budget_per_second: int) -> Outline:
    """The outline of a roll; ``plan`` has no node where nothing is to be done."""
    devices = Devices(
        count=None if plan.left is None else sum(plan.left.values()),  # each counted once, wherever it ends
        times=max((row.most_disconnects for row in plan.nodes), default=0),
        begins="with the first node",
        told_to_go=None if plan.by == "evacuation" else 0,
    )
    busy = bool(plan.nodes)
    idle = "" if busy else "every node runs it"
    touched = "the first node that has started with the new version on its data"
    return Outline(
        headline=_headline(devices, plan.expected_seconds, budget_per_second, idle),
        devices=devices,
        steps=_roll_steps(plan, budget_per_second),
        seconds=plan.expected_seconds if busy else 0.0,
        route=_way(around) if busy and not plan.down else None,
        rules=around.rules,
        backup=around.backup if busy else (),
        losses=(Loss(what=f"sessions: {BY[plan.by]}", count=None),) if busy else (),
        acknowledged=around.acknowledged,
        room=Room(
            nodes_before=plan.of,
            nodes_after=plan.of,
            sessions=None,
            limit=around.licence_limit,
            accepts_per_second=plan.accepts,
        ),
        cost=Cost(nodes=0, hours=0.0),
        back=Back(way=ROLL_BACK[plan.back], no_return=touched if busy else "none"),
        gates=(),
        not_asked=around.not_asked,
        assumptions=("each node is out for 30 s, the longest that was recorded",) if busy else (),
    )


def _step(row: StepForecast, to: str) -> PlannedStep:
    return PlannedStep(
        name=row.name,
        what="" if row.share is None else f"{row.share:g} % on {to}",
        clients=row.clients,
        mover=row.mover,
        rate_per_second=row.rate_per_second,
        seconds=row.expected_seconds,
    )


def _roll_steps(plan: RollForecast, budget_per_second: int) -> tuple[PlannedStep, ...]:
    if not plan.nodes:
        return ()
    steps = [
        PlannedStep(
            name=f"roll-{number}",
            what=f"{row.node} from {row.runs}",
            clients=row.clients,
            mover=plan.by,
            rate_per_second=budget_per_second,
            seconds=row.expected_seconds,
        )
        for number, row in enumerate(plan.nodes, 1)
    ]
    evening = PlannedStep(
        name="rebalance",
        what="loads are evened out",
        clients=plan.evened,
        mover=plan.evens,
        seconds=plan.evening_seconds,
    )
    return (*steps, evening)


def _room(plan: Forecast, around: Around, *, busy: bool) -> Room:
    sessions = None if plan.clients is None else plan.clients + (plan.losses.sessions_offline or 0)
    return Room(
        nodes_before=around.nodes_before,
        nodes_after=around.nodes_after,
        sessions=sessions if busy else None,
        limit=around.licence_limit,
        accepts_per_second=plan.accepts,
    )


def _doubled(plan: Forecast, around: Around, *, busy: bool) -> Cost:
    """The old colour stands beside the new one until its soak is over, at the earliest."""
    if not busy or not around.nodes_before:
        return Cost(nodes=0, hours=0.0)
    if plan.expected_seconds is None:
        return Cost(nodes=around.nodes_before, hours=None)
    return Cost(nodes=around.nodes_before, hours=round((plan.expected_seconds + around.soak_seconds) / 3600, 3))


def unasked(colour: str, why: str, around: Around) -> Outline:
    """The outline of an update whose nodes could not be asked, or are not there yet (``why``)."""
    return Outline(
        headline=f"Whether devices reconnect is not known: {why}",
        devices=Devices(count=None, times=1, begins="", told_to_go=None),
        steps=(),
        seconds=None,
        route=None,
        rules=(),
        backup=around.backup,
        losses=(),
        acknowledged=around.acknowledged,
        room=Room(nodes_before=around.nodes_before, nodes_after=around.nodes_after, sessions=None, limit=None),
        cost=Cost(nodes=0, hours=None),
        back=Back(way="not known", no_return="not known"),
        gates=(),
        not_asked={**around.not_asked, colour: why},
        assumptions=("nothing could be counted: the update counts, and refuses what it must",),
    )


def _headline(devices: Devices, seconds: float | None, rate: int, idle: str) -> str:
    if idle:
        return f"No device reconnects: nothing is to be done ({idle})."
    if devices.count is None:
        return "Devices reconnect, and how many is not known."
    if devices.count == 0:
        return "No device reconnects: none is connected."
    often = "once each" if devices.times == 1 else f"at most {devices.times} times each"
    long = "" if seconds is None else f", in about {minutes(seconds)}"
    whom = "1 device reconnects" if devices.count == 1 else f"{devices.count} devices reconnect"
    return f"{whom}, {often}{long}, at most {rate} per second."


def _way(around: Around) -> Way:
    source = f"{around.source} ({around.source_edition})"
    target = f"{around.target} ({around.target_edition})"
    found = route(around.source, around.target, around.source_edition, around.target_edition)
    if isinstance(found, RefusedRoute):
        return Way(source=source, target=target, strategy=around.strategy, refused=found.reason)
    asked = tuple(dict.fromkeys(CONDITIONS[one] for hop in found.hops for one in hop.conditions))
    return Way(source=source, target=target, strategy=around.strategy, conditions=asked)


def _losses(plan: Forecast) -> tuple[Loss, ...]:
    losses = plan.losses
    found = [
        Loss(what="sessions ended", count=losses.sessions_ended, answered_by="sessions"),
        Loss(what="sessions left behind on the old colour", count=losses.sessions_left, answered_by="sessions"),
        Loss(what="sessions of offline clients", count=losses.sessions_offline, answered_by="sessions"),
        Loss(what="queued messages", count=losses.queued_messages, answered_by="sessions"),
        Loss(what="stale sessions on the colour that is gone back to", count=losses.stale_sessions),
    ]
    return tuple(loss for loss in found if loss.count != 0)


def _cutover_back(plan: Forecast, soak_seconds: float) -> Back:
    if plan.direction == "nothing":
        return Back(way="nothing is moved", no_return="none")
    old = "blue" if plan.to == "green" else "green"
    then = f", {soak_seconds:g} s after the drain at the earliest" if soak_seconds else ""
    return Back(
        way=f"set emqx:live: {old} again: everybody goes back at the same rate; what was written on {plan.to} meanwhile stays there",
        no_return=f"the change that takes {old} out of emqx:clusters{then}",
    )


def _assumptions(plan: Forecast) -> tuple[str, ...]:
    found: list[str] = []
    if plan.clients is None:
        found.append("clients and everything counted of them")
    if plan.sample is not None:
        found.append(
            f"clients of each step, sessions, queued messages: estimated from {plan.sample.looked_at} of {plan.sample.sessions} sessions"
        )
    unknown: Sequence[tuple[str, object]] = (
        ("sessions that are not carried over", plan.losses.sessions_offline),
        ("queued messages", plan.losses.queued_messages),
        ("connections that the balancer does not have", plan.past),
    )
    found += [f"{what}: not known" for what, value in unknown if value is None]
    found.append("durations: as if every gate passed at once and each client came back at once")
    return tuple(found)
