"""The drain behind a router that does not know clients: in portions, each judged before the next, within the time that old connections live.

The rule: what is planned is the longest that it may take, gates and returns at their bounds, so that a plan which fits is not cut off by the router itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from components.cutover.cohort import everybody
from components.cutover.facts import Thresholds
from components.cutover.pace import evacuation_seconds, limit_seconds
from components.cutover.plan import Transition
from components.cutover.steps import Problem, Step
from components.cutover.words import PARTS, Colour, Mover, other

DEFAULT_PORTIONS = (10.0, 50.0, 100.0)


class Span(NamedTuple):
    """Transitions under one meter: green's ``parts`` that say who leaves in it, and whether the share that is measured is to be as wanted at its end."""

    parts: int
    judged: bool
    transitions: tuple[Transition, ...]


def spans(todo: Sequence[Transition], to: Colour, share: int, *, portions: bool) -> list[Span]:
    """The acts of a step, each part that moves somebody by itself where it is done in portions; green has ``share`` before.

    With portions the measured share is judged in the last one alone: before, whoever connects anew comes too, however few were moved.
    """
    if not portions:
        return [Span(todo[-1].parts if todo else share, True, tuple(todo))]
    nobody, found, now = everybody(other(to)), list[Span](), list[Transition]()
    for one in todo:
        now.append(one)
        if one.act in {"portion", "move", "drain"}:
            found.append(Span(one.parts, one.act != "portion", tuple(now)))
            now = []
    return [*found, Span(nobody, False, tuple(now))] if now or not found else found


def problems(portions: Sequence[float]) -> Iterator[Problem]:
    """What is wrong with them, by paths below ``portions``."""
    for index, one in enumerate(portions):
        before = portions[index - 1] if index else 0.0
        if one <= before or one > 100:
            yield Problem(f"[{index}]", f"{one:g}", f"more than {before:g} and at most 100 percent")
    if not portions or portions[-1] != 100:
        yield Problem("", ", ".join(f"{one:g}" for one in portions) or "none", "percentages that rise to 100")


def too_fine(steps: Sequence[Step], finest_parts: int) -> Iterator[Problem]:
    """The shares that a router cannot have, by paths below ``steps``."""
    for index, step in enumerate(steps):
        if step.kind == "share" and round(step.share * PARTS / 100) % finest_parts:
            finest = finest_parts * 100 / PARTS
            allowed = "100 alone: this balancer has all or nothing" if finest == 100 else f"a multiple of {finest:g}"
            yield Problem(f"[{index}].share", f"{step.share:g}", f"{allowed} percent")


class Pacing(NamedTuple):
    """By what the clients go: mover, budget, and node evacuation's wait for the health check, before each portion."""

    mover: Mover
    budget_per_second: int
    wait_seconds: float = 0.0


def most_seconds(
    steps: Sequence[Step], portions: Sequence[float], clients: int, pacing: Pacing, thresholds: Thresholds
) -> float:
    """How long it may take from the first change of the share until the last client has left: holds, gates and the wait for who was moved at their bounds.

    A step behind the whole share finds nobody who has a connection of before.
    """
    seconds, begun = 0.0, False
    for step in steps:
        begun = begun or step.kind == "share"
        if not begun:
            continue
        if step.kind == "hold":
            seconds += step.seconds
        elif step.kind == "gate":
            seconds += thresholds.gate_seconds
        elif step.share == 100:
            break
    between = max(0, len(portions) - 1) * (
        max(thresholds.clients_away_seconds, thresholds.settle_seconds) + thresholds.gate_seconds
    )
    return seconds + between + _moving_seconds(portions, clients, pacing)


def _moving_seconds(portions: Sequence[float], clients: int, pacing: Pacing) -> float:
    if pacing.mover != "evacuation":
        return limit_seconds(clients, pacing.budget_per_second)
    before, seconds = 0.0, 0.0
    for portion in portions:
        # rounded up one by one, as the bursts are
        count = -(-int(clients * (portion - before)) // 100)
        seconds, before = seconds + evacuation_seconds(count, pacing.budget_per_second, pacing.wait_seconds), portion
    return seconds


def staying(clients: int, portion: float) -> int:
    """How many of so many clients stay when a portion (percent) of them has left."""
    return clients - -(-int(clients * portion) // 100)
