"""The steps of a cutover as the config writes them, and as values; names never say a direction, so that a flip is an update in place.

The rule: shares rise strictly and end at 100, so that every client has one step in which it is moved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from components.value import Value

MOST_STEPS = 100
"""Bounds the plan's size in preview and in Pulumi's state."""


class Step(Value):
    """One step: ``shift-10`` (a share, percent), ``hold-1`` (seconds) or ``gate-1``; the number of a hold or gate counts its kind."""

    kind: Literal["share", "hold", "gate"]
    name: str
    share: float = 0.0
    seconds: float = 0.0


class Problem(NamedTuple):
    """One thing that is wrong with a setting: ``steps[2].share``, the value as it may be shown, what is allowed."""

    path: str
    value: str
    allowed: str


class StepsError(ValueError):
    """Steps that cannot be right; ``problems`` says each of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems; the message has one line for each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{one.path}: {one.value}; allowed: {one.allowed}" for one in problems))


DEFAULT_STEPS: tuple[Step, ...] = (
    Step(kind="share", name="shift-10", share=10),
    Step(kind="hold", name="hold-1", seconds=30),
    Step(kind="share", name="shift-50", share=50),
    Step(kind="share", name="shift-100", share=100),
)


def parse_steps(raw: object) -> tuple[Step, ...]:
    """Read ``[{share: 10}, {hold: 5}, {gate: true}, {share: 100}]``; numbers may be floats or strings.

    Raises:
        StepsError: with every problem, paths relative to the list (``[2].share``).

    """
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        raise StepsError([Problem("", _shown(raw), "a list of {share: percent}, {hold: seconds} and {gate: true}")])
    problems: list[Problem] = []
    if len(raw) > MOST_STEPS:
        problems.append(Problem("", f"{len(raw)} steps", f"at most {MOST_STEPS}"))
    steps: list[Step] = []
    for index, item in enumerate(raw[:MOST_STEPS]):
        step = _step(f"[{index}]", item, steps)
        if isinstance(step, Step):
            steps.append(step)
        else:
            problems.append(step)
    problems += _rising(steps) if not problems else []
    if problems:
        raise StepsError(problems)
    return tuple(steps)


def _step(path: str, item: object, before: Sequence[Step]) -> Step | Problem:
    if not isinstance(item, Mapping) or len(item) != 1 or next(iter(item)) not in {"share", "hold", "gate"}:
        return Problem(path, _shown(item), "one of {share: percent}, {hold: seconds}, {gate: true}")
    kind, value = next(iter(item.items()))
    number = _number(value)
    counted = 1 + sum(step.kind == kind for step in before)
    if kind == "gate":
        if value in (True, "true"):
            return Step(kind="gate", name=f"gate-{counted}")
        return Problem(f"{path}.gate", _shown(value), "true")
    if kind == "hold":
        if number is not None and 0 < number <= 7 * 86_400:
            return Step(kind="hold", name=f"hold-{counted}", seconds=number)
        return Problem(f"{path}.hold", _shown(value), "more than 0 and at most 604800 seconds")
    if number is not None and 0.01 <= number <= 100 and _is_whole(number * 100):
        return Step(kind="share", name=f"shift-{number:g}", share=number)
    return Problem(f"{path}.share", _shown(value), "more than 0 and at most 100 percent, in hundredths")


def _rising(steps: Sequence[Step]) -> list[Problem]:
    shares = [(index, step.share) for index, step in enumerate(steps) if step.kind == "share"]
    if not shares:
        return [Problem("", "no share", "at least one {share: percent}, the last one 100")]
    problems = [
        Problem(f"[{index}].share", f"{share:g}", f"more than the {before:g} of the share before it")
        for (_, before), (index, share) in pairwise(shares)
        if share <= before
    ]
    index, last = shares[-1]
    if last < 100:
        problems.append(Problem(f"[{index}].share", f"{last:g}", "100 for the last share"))
    return problems


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6


def _shown(value: object) -> str:
    """A value in a message: scalars in short, of containers only the kind and the keys (a value may be a secret in a wrong place)."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(str(key)[:20] for key in list(value)[:5]) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"a list of {len(value)}"
    return repr(value)[:40]
