"""The drain behind a router that does not know clients: in portions, each judged before the next, within the time that old connections live.

The rule: what is planned is the longest that it may take, gates and returns at their bounds, so that a plan which fits is not cut off by the router itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from components.cutover.cohort import everybody
from components.cutover.facts import Thresholds
from components.cutover.pace import evacuation_seconds, limit_seconds
from components.cutover.plan import Transition
from components.cutover.steps import Problem, Step
from components.cutover.words import PARTS, Colour, Mover, other
from components.value import Value

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
    found = list[list[Transition]]()
    for one in todo:
        if not found or (_moves(one) and any(map(_moves, found[-1]))):
            found.append([])
        found[-1].append(one)
    return [_span(acts, to) for acts in found or [[]]]


def _moves(one: Transition) -> bool:
    return one.act in {"portion", "move", "drain"}


def _span(acts: Sequence[Transition], to: Colour) -> Span:
    mover = next(filter(_moves, acts), None)
    if mover is None:
        return Span(everybody(other(to)), False, tuple(acts))
    return Span(mover.parts, mover.act != "portion", tuple(acts))


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


class Weighed(Value):
    """A cutover behind a router that does not know clients, as far as its length depends on it; ``wait_seconds`` is node evacuation's for the health check, before each portion, ``spread_seconds`` the router's after each share."""

    steps: tuple[Step, ...]
    portions: tuple[float, ...]
    mover: Mover
    budget_per_second: int
    wait_seconds: float = 0.0
    spread_seconds: float = 0.0
    thresholds: Thresholds = Thresholds()

    def most_seconds(self, clients: int) -> float:
        """How long it may take from the first change of the share until the last of so many clients has left: holds, gates and the wait for who was moved at their bounds.

        A step behind the whole share finds nobody who has a connection of before.
        """
        bounds = self.thresholds
        back = max(bounds.clients_away_seconds, bounds.settle_seconds) + bounds.gate_seconds
        shares = sum(step.kind == "share" for step in self.steps) * self.spread_seconds
        waits = sum(self._waits()) + shares + back * max(0, len(self.portions) - 1)
        return waits + self._moving_seconds(clients)

    def _waits(self) -> Iterator[float]:
        weighed = False
        for step in self.steps:
            if step.kind == "share" and step.share == 100:
                return
            weighed = weighed or step.kind == "share"
            if weighed and step.kind == "hold":
                yield step.seconds
            elif weighed and step.kind == "gate":
                yield self.thresholds.gate_seconds

    def _moving_seconds(self, clients: int) -> float:
        if self.mover != "evacuation":
            return limit_seconds(clients, self.budget_per_second)
        gone = [0, *(clients - staying(clients, portion) for portion in self.portions)]
        # each portion rounded up by itself, as the bursts are
        return sum(
            evacuation_seconds(later - before, self.budget_per_second, self.wait_seconds)
            for before, later in pairwise(gone)
        )


def staying(clients: int, portion: float) -> int:
    """How many of so many clients stay when a portion (percent) of them has left."""
    return clients - -(-int(clients * portion) // 100)
