"""What a cutover will do, in numbers, before it does anything: the plan of ``pulumi preview``, for reading and as JSON.

The rule: what could not be counted is shown as unknown, never as zero; the size depends on the steps, not on the clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic.alias_generators import to_camel

from components.cutover.cohort import green_parts, share_percent
from components.cutover.limits import Limits
from components.cutover.movers import Choice, told_to_go
from components.cutover.pace import evacuation_seconds, limit_seconds
from components.cutover.steps import Step
from components.cutover.words import PARTS, Colour, Direction, Mover
from components.value import Value


class Sample(Value):
    """How many sessions were looked at, of how many."""

    looked_at: int
    sessions: int


class Fleet(Value):
    """What was counted on the old colour; None where it could not be asked.

    ``mqtt5_clients`` are those that speak MQTT 5: a mover may tell them to go. ``cohorts`` are the clients in each hundredth of the hash (``cohort_counts``), ``assigned`` those without an id of
    their own, ``websocket`` those whose id the balancer cannot see; where they are None the shares of ``clients`` are used. ``past`` are those whose connection the balancer does not have. With a ``sample`` everything but
    ``clients`` is an estimate (``components.cutover.sample``).
    """

    clients: int | None = None
    mqtt5_clients: int | None = None
    persistent_connected: int | None = None
    persistent_offline: int | None = None
    queued_messages: int | None = None
    stale_sessions: int | None = 0
    cohorts: tuple[int, ...] | None = None
    assigned: int = 0
    websocket: int = 0
    past: int | None = 0
    sample: Sample | None = None


NOBODY = Fleet(clients=0, mqtt5_clients=0, persistent_connected=0, persistent_offline=0, queued_messages=0)


class StepForecast(Value):
    """One step: ``clients`` that it moves by ``mover`` at ``rate_per_second`` at most, and how long that takes."""

    name: str
    share: float | None = None
    clients: int | None = None
    mover: Mover | None = None
    rate_per_second: int | None = None
    expected_seconds: float | None = None


class Carries(Value):
    """What takes sessions along in one cluster: those of connected clients follow them; ``offline`` is whether the others go too, by ``how``."""

    offline: bool
    how: str


class Losses(Value):
    """What does not come along; None is unknown.

    ``sessions_ended`` are persistent sessions of connected clients that end on the old colour when they are moved one by one, ``sessions_left`` those
    that an evacuation leaves there, where they go on queueing: the way back would deliver what they queued
    (docs/emqx/evacuation.md#all-nodes-at-once). In one cluster all of these are 0 but ``sessions_offline``: those that nothing can carry.
    ``stale_sessions`` are those that an earlier evacuation left on the colour that is gone back to.
    """

    sessions_ended: int | None = None
    sessions_left: int | None = None
    sessions_offline: int | None = None
    queued_messages: int | None = None
    stale_sessions: int | None = 0


class Late(Value):
    """Clients whose cohort the balancer cannot know: they move in the last step; None is unknown."""

    without_id: int | None = None
    websocket: int | None = None


class Forecast(Value):
    """The plan with its numbers; JSON by ``model_dump(by_alias=True)``.

    ``sample`` is there where the fleet is large and its numbers are estimates.
    ``carried`` are the sessions that come along, where both colours are one cluster (None: they are not, or it is not known).
    ``accepts`` is what the listeners of the new colour accept in a second (None: no limit that is known), ``past`` the clients whose connection the balancer does not have.
    ``limits`` is there behind a balancer that does not know clients.
    ``told_to_go`` are the clients that get a DISCONNECT packet by the mover at most: some MQTT 5 libraries do not come back after one (docs/emqx/clients.md#which-mover-is-safe).
    """

    to: Colour
    direction: Direction
    reason: str
    clients: int | None
    budget_per_second: int
    mover: Choice
    told_to_go: int | None
    late: Late = Late()
    steps: tuple[StepForecast, ...]
    gates: tuple[str, ...]
    losses: Losses
    expected_seconds: float | None
    limit_seconds: float | None
    sample: Sample | None = None
    carried: int | None = None
    carries: Carries | None = None
    past: int | None = 0
    accepts: int | None = None
    limits: Limits | None = None


def forecast(
    *,
    to: Colour,
    direction: Direction,
    reason: str,
    share_parts: int,
    steps: Sequence[Step],
    mover: Choice,
    budget_per_second: int,
    fleet: Fleet,
    gates: Sequence[str] = (),
    wait_health_check_seconds: float = 0.0,
    carries: Carries | None = None,
    keeps_sessions: bool = False,
    accepts: int | None = None,
) -> Forecast:
    """The forecast of a cutover to ``to`` that starts at green's ``share_parts``; gates are shown as config spells them.

    ``accepts`` is what the listeners of ``to`` accept in a second, of which no more is asked.
    ``keeps_sessions`` is whether what clients leave behind stays (``keepStaleSessions``), ``carries`` what becomes of sessions where both colours are one cluster.
    """
    steps, fleet = _taken(direction, steps, fleet)
    budget_per_second = budget_per_second if accepts is None else min(budget_per_second, accepts)
    cohorts = _weighed(steps, fleet) if mover.portions else _cohorts(steps, fleet, to, share_percent(to, share_parts))
    rows = tuple(_row(*cohort, mover, budget_per_second, wait_health_check_seconds) for cohort in cohorts)
    return Forecast(
        to=to,
        direction=direction,
        reason=reason,
        clients=fleet.clients,
        budget_per_second=budget_per_second,
        mover=mover,
        told_to_go=told_to_go(fleet.mqtt5_clients, mover.mover, fleet.past),
        past=fleet.past,
        accepts=accepts,
        late=_late(fleet),
        steps=rows,
        gates=tuple(map(to_camel, gates)),
        losses=_losses(fleet, rows, keeps=keeps_sessions) if carries is None else _left(fleet, carries),
        carried=None if carries is None else _carried(fleet, carries),
        carries=carries,
        expected_seconds=_expected(rows),
        limit_seconds=None if fleet.clients is None else limit_seconds(fleet.clients, budget_per_second),
        sample=fleet.sample,
    )


def _late(fleet: Fleet) -> Late:
    return Late() if fleet.cohorts is None else Late(without_id=fleet.assigned, websocket=fleet.websocket)


def _weighed(steps: Sequence[Step], fleet: Fleet) -> Iterator[tuple[Step, int | None]]:
    """Each step with the clients that it moves, behind a router that does not know them: the whole share moves everybody, another one nobody."""
    for step in steps:
        yield step, None if step.kind != "share" else fleet.clients if step.share == 100 else 0


def _taken(direction: Direction, steps: Sequence[Step], fleet: Fleet) -> tuple[Sequence[Step], Fleet]:
    """The steps that a run in this direction takes, and whom it moves."""
    if direction == "nothing":
        return (), NOBODY
    if direction == "back":
        # it does not wait: holds and gates are for a colour that nobody knows yet
        return [step for step in steps if step.kind == "share"], fleet
    return steps, fleet


def _cohorts(steps: Sequence[Step], fleet: Fleet, to: Colour, start: float) -> Iterator[tuple[Step, int | None]]:
    """Each step with the clients that it moves; ``start`` is the share of ``to`` in percent that is reached already."""
    emptied = 0.0
    shares = [step.share for step in steps if step.kind == "share"]
    for step in steps:
        clients = None
        if step.kind == "share":
            # The step of a reached share moves those who were left when a run was cut off; of several the last one does.
            passed = any(step.share < share <= start for share in shares)
            high = emptied if passed else max(step.share, start)
            clients, emptied = _clients(fleet, to, start, emptied, high), high
        yield step, clients


def spreading(plan: Forecast, seconds: float) -> Forecast:
    """The same with a wait of so many seconds after each share."""
    rows = tuple(
        row
        if row.share is None or row.expected_seconds is None
        else row.model_copy(update={"expected_seconds": row.expected_seconds + seconds})
        for row in plan.steps
    )
    return plan.model_copy(update={"steps": rows, "expected_seconds": _expected(rows)}) if seconds else plan


def _expected(rows: Sequence[StepForecast]) -> float | None:
    return _sum(row.expected_seconds for row in rows if not row.name.startswith("gate"))


def _sum(seconds: Iterable[float | None]) -> float | None:
    """The sum; None when one of them is not known."""
    durations = list(seconds)
    known = [one for one in durations if one is not None]
    return sum(known) if len(known) == len(durations) else None


def _row(step: Step, clients: int | None, choice: Choice, budget: int, wait_seconds: float) -> StepForecast:
    if step.kind != "share":
        return StepForecast(name=step.name, expected_seconds=step.seconds if step.kind == "hold" else None)
    if choice.portions and step.share < 100:
        return StepForecast(name=step.name, share=step.share, clients=clients, expected_seconds=0.0)
    mover = choice.mover if step.share == 100 else choice.cohort
    seconds = None
    if clients is not None:
        evacuated = mover == "evacuation"
        seconds = evacuation_seconds(clients, budget, wait_seconds) if evacuated else limit_seconds(clients, budget)
    return StepForecast(
        name=step.name,
        share=step.share,
        clients=clients,
        mover=mover,
        rate_per_second=budget,
        expected_seconds=None if seconds is None else round(seconds, 1),
    )


def _clients(fleet: Fleet, to: Colour, start: float, low: float, high: float) -> int | None:
    """The clients between two shares of ``to``; uncounted, what is on the old colour is what lies above ``start``."""
    if fleet.clients is None:
        return None
    if high <= low:
        return 0
    if fleet.cohorts is None:
        before, now = (
            round(fleet.clients * max(0.0, share - start) / (100 - start)) if start < 100 else fleet.clients
            for share in (low, high)
        )
        return now - before
    at = sorted(green_parts(to, share) * 100 / PARTS for share in (low, high))
    counted = sum(
        count * max(0.0, min(at[1], index + 1) - max(at[0], index)) for index, count in enumerate(fleet.cohorts)
    )
    return round(counted) + (fleet.assigned + fleet.websocket if high == 100 else 0)


def _losses(fleet: Fleet, rows: Sequence[StepForecast], *, keeps: bool) -> Losses:
    ends: set[Mover | None] = {"kick"} if keeps else {"kick", "close"}
    alone = [row.clients for row in rows if row.mover in ends]
    ended: int | None = None
    left: int | None = None
    if fleet.persistent_connected is not None and fleet.clients is not None:
        one_by_one = sum(clients or 0 for clients in alone)
        ended = round(fleet.persistent_connected * one_by_one / fleet.clients) if fleet.clients else 0
        left = fleet.persistent_connected - ended
    return Losses(
        sessions_ended=ended,
        sessions_left=left,
        sessions_offline=fleet.persistent_offline,
        queued_messages=fleet.queued_messages,
        stale_sessions=fleet.stale_sessions,
    )


def _left(fleet: Fleet, carries: Carries) -> Losses:
    """In one cluster a session follows its client; one that is offline needs somebody to take it along."""
    lost = 0 if carries.offline else fleet.persistent_offline
    queued = 0 if carries.offline or lost == 0 else fleet.queued_messages
    return Losses(sessions_ended=0, sessions_left=0, sessions_offline=lost, queued_messages=queued)


def _carried(fleet: Fleet, carries: Carries) -> int | None:
    if fleet.persistent_connected is None or fleet.persistent_offline is None:
        return None
    return fleet.persistent_connected + (fleet.persistent_offline if carries.offline else 0)
