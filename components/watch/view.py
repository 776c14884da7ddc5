"""What is shown of a running update, made of its journal, its ledger and what the brokers count.

The rule: the same facts give the same view; what nobody tells is None and shown as unknown, and nothing here asks anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components.cutover.cohort import share_percent
from components.cutover.words import COLOURS, Colour
from components.report.model import StepReport
from components.report.numbers import NoCutoverError, report_of
from components.report.planned import planned_of
from components.run.orders import ABORT, HOLD, read
from components.value import Value

RATE_SECONDS = 5.0
"""The rate is that of the last few seconds."""
LAST_EVENTS = 8
QUIET = frozenset({"sample", "move", "plan", "pace"})
"""Events that are numbers of the view already."""


class StepView(Value):
    """One step: ``state`` is done, now or to come; ``planned`` are the clients that the plan had for it."""

    name: str
    state: str
    clients: int = 0
    planned: int | None = None
    mover: str | None = None


class GateView(Value):
    """The last that a gate said when it did not pass."""

    name: str
    verdict: str
    value: float | None
    threshold: float | None
    node: str = ""


class View(Value):
    """Everything at one moment; ``nodes`` are the clients of each node by ``colour/node``, None where it does not answer."""

    stack: str
    at: float
    to: str | None = None
    direction: str | None = None
    outcome: str | None = None
    held_by: str | None = None
    share_wanted_percent: float | None = None
    share_measured_percent: float | None = None
    rate_per_second: float | None = None
    budget_per_second: int | None = None
    moved: int = 0
    seconds_left: float | None = None
    steps: tuple[StepView, ...] = ()
    gates: tuple[GateView, ...] = ()
    nodes: Mapping[str, int | None] = {}
    events: tuple[str, ...] = ()


def view(
    stack: str,
    at: float,
    events: Sequence[Mapping[str, Any]],
    *,
    share: int | None,
    memory: Mapping[str, str],
    nodes: Mapping[str, int | None],
) -> View:
    """The view at unix seconds ``at``; ``share`` is green's in parts of 10,000, ``nodes`` as in the view."""
    held = _order(memory)
    try:
        report = report_of(events)
    except NoCutoverError:
        return View(stack=stack, at=at, nodes=nodes, held_by=held)
    mine = events[_beginning(events) :]
    to: Colour = next(colour for colour in COLOURS if report.to in {colour, "?"})
    steps = _steps(report.steps, {one.name: one.clients for one in planned_of(mine)})
    rate = _rate(mine, at)
    left = sum(max(0, (step.planned or 0) - step.clients) for step in steps)
    ended = any(event["event"] in {"end", "error"} for event in mine[-3:])
    pace = next((event.get("rate") for event in reversed(mine) if event["event"] == "pace"), report.budget_per_second)
    return View(
        stack=stack,
        at=at,
        to=report.to,
        direction=report.direction,
        outcome=report.outcome if ended else None,
        held_by=held,
        share_wanted_percent=None if share is None else share_percent(to, share),
        share_measured_percent=_measured(nodes, to),
        rate_per_second=rate,
        budget_per_second=report.budget_per_second,
        moved=sum(step.clients for step in steps),
        seconds_left=None if ended or not pace else round(left / float(pace), 1),
        steps=steps,
        gates=_gates(mine),
        nodes=nodes,
        events=tuple(_told(event, at) for event in mine if event["event"] not in QUIET)[-LAST_EVENTS:],
    )


def _order(memory: Mapping[str, str]) -> str | None:
    order = read(memory, ABORT) or read(memory, HOLD)
    return None if order is None else f"{'abort' if ABORT in memory else 'held'} by {order}"


def _beginning(events: Sequence[Mapping[str, Any]]) -> int:
    """Where the newest run begins."""
    return max((index for index, event in enumerate(events) if event["event"] == "run"), default=0)


def _steps(done: Iterable[StepReport], planned: Mapping[str, int | None]) -> tuple[StepView, ...]:
    seen = {step.name: step for step in done}
    found = [
        StepView(
            name=step.name,
            state="now" if step.ended is None else "done",
            clients=step.clients,
            planned=planned.get(step.name),
            mover=step.mover,
        )
        for step in seen.values()
    ]
    found += [
        StepView(name=name, state="to come", planned=count) for name, count in planned.items() if name not in seen
    ]
    return tuple(found)


def _rate(events: Sequence[Mapping[str, Any]], at: float) -> float:
    since = at - RATE_SECONDS
    counts = [event.get("count") or 0 for event in events if event["event"] == "move" and float(event["t"]) >= since]
    return round(sum(counts) / RATE_SECONDS, 1)


def _measured(nodes: Mapping[str, int | None], to: Colour) -> float | None:
    known = {name: count for name, count in nodes.items() if count is not None}
    total = sum(known.values())
    if not total or len(known) < len(nodes):
        return None
    return round(100 * sum(count for name, count in known.items() if name.startswith(f"{to}/")) / total, 2)


def _gates(events: Sequence[Mapping[str, Any]]) -> tuple[GateView, ...]:
    last: dict[str, GateView] = {}
    for event in events:
        if event["event"] == "gate":
            name = str(event.get("name", "?"))
            last[name] = GateView(
                name=name,
                verdict=str(event.get("verdict", "unknown")),
                value=event.get("value"),
                threshold=event.get("threshold"),
                node=str(event.get("node", "")),
            )
    return tuple(last.values())


def _told(event: Mapping[str, Any], at: float) -> str:
    facts = " ".join(
        f"{key}={str(value)[:60]}" for key, value in event.items() if key not in {"t", "run", "event", "details"}
    )
    return f"{max(0.0, at - float(event['t'])):.0f} s ago: {event['event']} {facts}"[:160]
