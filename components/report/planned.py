"""The plan beside what was done: the steps that were forecast, and where the two differ.

The rule: what the plan did not know is no difference, and of a roll only the first node is counted, since clients choose their next one by
themselves; durations are shown and never judged, since gates and devices have their own time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from components.report.model import Planned, Report, StepReport

FACTS = ("name", "mover", "clients", "seconds")


def planned_steps(outline: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steps of a plan's outline (``plan.json``) as the journal keeps them."""
    steps = outline.get("steps")
    return (
        [{fact: step.get(fact) for fact in FACTS} for step in steps if isinstance(step, Mapping)]
        if isinstance(steps, list)
        else []
    )


def planned_of(events: Sequence[Mapping[str, Any]]) -> tuple[Planned, ...]:
    """The plan with which a cutover began to move clients; nothing where the journal has none, or one that another version wrote.

    A run that was refused before it moved anybody may have had another one: the stack file is corrected after it.
    """
    told = None
    for event in events:
        if event.get("event") == "plan":
            told = event
        elif event.get("event") == "move" and told is not None:
            break
    if told is None:
        return ()
    try:
        return tuple(Planned.model_validate(step) for step in told.get("steps") or ())
    except ValidationError:
        return ()


def disagreements(report: Report) -> Iterator[str]:
    """Where plan and act differ: steps and their order, who moved whom, and how many."""
    if not report.planned:
        yield "the journal has no plan"
        return
    done = {step.name: step for step in report.steps}
    counted = report.planned[:1] if report.direction == "roll" else report.planned
    order = [step.name for step in report.planned if step.name in done]
    if order != [step.name for step in report.steps if step.name in order]:
        yield f"steps were carried out in another order than {', '.join(order)}"
    for step in report.planned:
        act = done.get(step.name)
        if act is None:
            yield f"{step.name} was planned and is not in the journal"
        elif step.clients and act.mover is not None and not _movers(act) <= _movers(step):
            yield f"{step.name}: {step.mover} was planned, {act.mover} moved"
        elif step in counted and step.clients is not None and step.clients != act.clients:
            yield f"{step.name}: {step.clients} clients were planned, {act.clients} moved"


def _movers(step: Planned | StepReport) -> set[str]:
    """``close and evacuation`` are two, and the journal names those that had somebody to move."""
    return set((step.mover or "").split(" and "))
