"""From the journal's events to the report; a run that was killed and the one that went on are one cutover.

The rule: the same events give the same report, in whatever order equal times were written; an event that is not known is passed over, so
that an older report reads a newer journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from components.report.configuration import configuration_of
from components.report.conversion import conversion_of
from components.report.fleet import FleetPart
from components.report.model import Connected, GateReport, LinkReport, Loss, Report, Sample, SentBack, StepReport
from components.report.planned import planned_of
from components.report.sums import Event, carried, count_of, dropped, told
from components.report.unwatched import total, unwatched

MOST_SAMPLES = 600
MOST_LINES = 50
"""Bounds on what is kept of samples, errors, gates and losses."""

RATIO_SECONDS = 1.0
"""A cutover whose budget lets everybody be moved in less has no ratio: its ticks are as long as it is."""


class NoCutoverError(ValueError):
    """The journal holds no cutover (or not the one that was asked for)."""


def report_of(events: Iterable[Event], *, run: str | None = None, fleet: FleetPart | None = None) -> Report:
    """The report of the cutover to which ``run`` belongs, of the newest one without it.

    Args:
        events: the journal's events, oldest first.
        run: a run's token.
        fleet: what the devices saw; None in production.

    Raises:
        NoCutoverError: there is none.

    """
    runs = _cutover(list(events), run)
    mine = [event for one in runs for event in one]
    began, last = float(mine[0]["t"]), float(mine[-1]["t"])
    end = next((event for event in reversed(mine) if event["event"] == "end"), None)
    outcome = _outcome(mine, end)
    seen = fleet or FleetPart()
    samples = _samples(mine, began)
    return Report(
        to=str(mine[0].get("to", "?")),
        direction=str(mine[0].get("direction", "?")),
        outcome=outcome,
        began_at=began,
        runs=len(runs),
        **_times(mine, runs[-1][0], began, outcome),
        disconnects=seen.disconnects,
        gap_seconds=seen.gap_seconds,
        refused_connections=seen.refused_connections,
        refused_by_reason=None if seen.refused_by_reason is None else dict(seen.refused_by_reason),
        stayed_away=seen.stayed_away,
        connected=seen.connected or _connected(samples, _clients(mine[0], mine)),
        messages=seen.messages,
        told_to_go=told(mine),
        most_disconnects=count_of(mine[0].get("most_disconnects")),
        messages_dropped=dropped(mine),
        sessions_carried=carried(mine),
        cutover_seconds=round((float(end["t"]) if end else last) - began, 3),
        gates=_gates(mine),
        losses=_losses(mine),
        configuration=configuration_of(mine),
        conversion=conversion_of(mine),
        links=_links(mine),
        sent_back=_sent_back(mine),
        errors=_errors(runs[-1]),
        planned=planned_of(mine),
        earlier_errors=_errors([event for earlier in runs[:-1] for event in earlier]),
        samples=_thinned(samples),
        levels=seen.levels_between(began, last),
        gaps=seen.gaps,
    )


def _times(events: Sequence[Event], newest: Event, began: float, outcome: str) -> dict[str, Any]:
    """Steps, and what the budget says of them; the clients are those of the run that began, the budget is today's."""
    alone = unwatched(events)
    steps = [_with_unwatched(step, alone.get(step.name, 0)) for step in _steps(events, began)]
    clients, budget = _clients(events[0], events), count_of(newest.get("budget_per_second"))
    moving = round(sum(step.moving_seconds for step in steps), 3)
    limit = clients / budget if clients is not None and budget else None
    # Half of the clients, a moment of moving in which one tick weighs more than the budget, or some who were moved while nobody looked at a clock, would make a ratio that is too low.
    rolled = events[0].get("direction") == "roll"  # which moves a client several times
    whole = outcome == "done" and total(alone) == 0 and not rolled and (limit or 0.0) >= RATIO_SECONDS
    return {
        "steps": tuple(steps),
        "clients": clients,
        "budget_per_second": budget,
        "moving_seconds": moving,
        "limit_seconds": limit,
        "ratio": round(moving / limit, 3) if limit and whole else None,
        "unwatched": total(alone),
    }


def _cutover(events: Sequence[Event], token: str | None) -> list[list[Event]]:
    """The runs of one cutover, oldest first: those with the same target that were cut short just before the one asked for."""
    runs: dict[str, list[Event]] = {}
    for event in events:
        name = event.get("run")
        if not isinstance(name, str):  # nobody's: a journal that was edited, or another file
            continue
        if event.get("event") == "run":
            runs.setdefault(name, [])
        if name in runs:
            runs[name].append(event)
    order = list(runs)
    if not order or (token is not None and token not in runs):
        raise NoCutoverError(
            f"no cutover{f' of run {token[:8]}' if token else ''} in the journal ({len(events)} events)"
        )
    last = order.index(token) if token is not None else len(order) - 1
    first = last
    while first > 0 and _goes_on(runs[order[first - 1]], runs[order[last]]):
        first -= 1
    return [runs[one] for one in order[first : last + 1]]


def _goes_on(before: Sequence[Event], after: Sequence[Event]) -> bool:
    """Whether the run before was cut short on the same way; one that sent its clients back was another cutover."""
    same = before[0].get("to") == after[0].get("to") and before[0].get("direction") == after[0].get("direction")
    return same and not any(event["event"] in {"end", "sent-back"} for event in before)


def _clients(first: Event, events: Sequence[Event]) -> int | None:
    if first.get("clients") is not None:
        return count_of(first["clients"])
    totals = [one.blue + one.green for one in _samples(events, 0) if one.blue is not None and one.green is not None]
    return max(totals, default=None)


def _outcome(events: Sequence[Event], end: Event | None) -> str:
    if end is not None:
        return str(end.get("outcome", "done"))
    return "failed" if any(event["event"] == "error" for event in events) else "interrupted"


def _steps(events: Sequence[Event], began: float) -> list[StepReport]:
    """The steps in the order in which they began; what a step did in several runs is added up."""
    steps: dict[str, StepReport] = {}
    moves: dict[str, list[Event]] = {}
    for event in events:
        name, at = str(event.get("name", event.get("step", ""))), round(float(event["t"]) - began, 3)
        if event["event"] == "step" and event.get("phase") == "begin":
            was = steps.get(name)
            share, mover = _number(event.get("share")), event.get("mover")
            fresh = StepReport(name=name, share=share, mover=mover, clients=0, began=at, ended=None, moving_seconds=0)
            steps[name] = was.model_copy(update={"ended": None}) if was else fresh
        elif event["event"] == "step" and name in steps:
            # The moves of the run that ended its step are in that step's own figures, those of one before it are not.
            done, seconds = count_of(event.get("clients")) or 0, _number(event.get("moving_seconds")) or 0.0
            batches = moves.pop(name, [])
            if batches and batches[0].get("run") != event.get("run"):
                steps = _cut_short(steps, name, batches)
            moved_by = event.get("mover") or steps[name].mover
            steps[name] = _added(steps[name].model_copy(update={"mover": moved_by}), done, seconds, at)
        elif event["event"] == "move":
            step = str(event.get("step", ""))
            batches = moves.setdefault(step, [])
            if batches and batches[0].get("run") != event.get("run"):
                steps = _cut_short(steps, step, batches)
                batches.clear()
            batches.append(event)
    for name, batches in moves.items():
        steps = _cut_short(steps, name, batches)
    return list(steps.values())


def _cut_short(steps: Mapping[str, StepReport], name: str, batches: Sequence[Event]) -> dict[str, StepReport]:
    """The moves of a step that did not end: the time is that between its first and its last batch."""
    if name not in steps or not batches:
        return dict(steps)
    clients = sum(count_of(batch.get("count")) or 0 for batch in batches)
    seconds = float(batches[-1]["t"]) - float(batches[0]["t"])
    return {**steps, name: _added(steps[name], clients, seconds, steps[name].ended)}


def _added(step: StepReport, clients: int, seconds: float, ended: float | None) -> StepReport:
    total = round(step.moving_seconds + seconds, 3)
    return step.model_copy(update={"clients": step.clients + clients, "moving_seconds": total, "ended": ended})


def _with_unwatched(step: StepReport, count: int | None) -> StepReport:
    return step.model_copy(update={"clients": step.clients + (count or 0), "unwatched": count})


def _samples(events: Sequence[Event], began: float) -> list[Sample]:
    return [
        Sample(
            t=round(float(event["t"]) - began, 3),
            blue=count_of(event.get("blue")),
            green=count_of(event.get("green")),
            share=count_of(event.get("share")),
        )
        for event in events
        if event["event"] == "sample"
    ]


def _connected(samples: Sequence[Sample], clients: int | None) -> Connected | None:
    """The colours are not counted at the same moment, so who moves meanwhile is on both: of how many is what was counted before."""
    totals = [one.blue + one.green for one in samples if one.blue is not None and one.green is not None]
    of = clients or max(totals, default=0)
    return Connected(min=min(*totals, of), of=of) if totals else None


def _sent_back(events: Sequence[Event]) -> SentBack | None:
    found = next((event for event in reversed(events) if event["event"] == "sent-back"), None)
    return (
        None if found is None else SentBack(to=str(found.get("to", "?")), clients=count_of(found.get("clients")) or 0)
    )


def _thinned(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """At most ``MOST_SAMPLES``: of each stretch the sample with the fewest connected, which is the one that matters."""
    if len(samples) <= MOST_SAMPLES:
        return tuple(samples)
    edges = [len(samples) * index // (MOST_SAMPLES - 2) for index in range(MOST_SAMPLES - 1)]
    stretches = [samples[low:high] for low, high in pairwise(edges)]
    kept = [min(stretch, key=lambda one: (one.blue or 0) + (one.green or 0)) for stretch in stretches]
    ends = [one for one in (samples[0], samples[-1]) if one not in kept]
    return tuple(sorted([*kept, *ends], key=lambda one: one.t))


def _gates(events: Sequence[Event]) -> tuple[GateReport, ...]:
    found: dict[tuple[str, str], GateReport] = {}
    for event in events:
        if event["event"] != "gate" or event.get("verdict") not in {"fail", "unknown"}:
            continue
        failed = event["verdict"] == "fail"
        key = (str(event.get("name", "?")), str(event.get("step", "")))
        was = found.get(key)
        shown = GateReport(
            name=key[0],
            step=key[1],
            failed=(was.failed if was else 0) + failed,
            unknown=(was.unknown if was else 0) + (not failed),
            value=_number(event.get("value")),
            threshold=_number(event.get("threshold")),
            node=str(event.get("node") or ""),
            reason=str(event.get("reason", ""))[:256],
        )
        keep = was is not None and was.failed and not failed
        found[key] = was.model_copy(update={"unknown": shown.unknown}) if was and keep else shown
    return tuple(found.values())[:MOST_LINES]


def _losses(events: Sequence[Event]) -> tuple[Loss, ...]:
    """The last word on each section: a run that goes on counts what is left again, the larger count is the loss."""
    losses: dict[str, Loss] = {}
    for event in events:
        if event["event"] == "loss":
            section, count = str(event.get("section", "?")), count_of(event.get("count")) or 0
            count = max(count, losses[section].count) if section in losses else count
            losses[section] = Loss(section=section, count=count, acknowledged=event.get("acknowledged"))
    return tuple(one for one in losses.values() if one.count)[:MOST_LINES]


def _links(events: Sequence[Event]) -> tuple[LinkReport, ...]:
    links: dict[str, LinkReport] = {}
    for event in events:
        if event["event"] == "link":
            name = str(event.get("name", "?"))
            links[name] = LinkReport(
                name=name, seconds=_number(event.get("seconds")) if event.get("phase") == "end" else None
            )
    return tuple(links.values())[: 4 * MOST_LINES]


def _errors(events: Sequence[Event]) -> tuple[str, ...]:
    """One line for each error; the traceback stays in the journal."""
    lines = [
        f"{event.get('type', 'Error')}: {event.get('message', '')}" for event in events if event["event"] == "error"
    ]
    return tuple(line[:1_000] for line in dict.fromkeys(lines))[-MOST_LINES:]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
