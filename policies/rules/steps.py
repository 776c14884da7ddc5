"""The steps of a cutover: they rise and end at 100, begin small and behind a gate in production, and no faster than green can take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from rules.base import Rule, Seen, Setting, fields, in_production, items, number, production, whole
from rules.tokens import BLUE_GREEN, CUTOVER, TRAFFIC_SHIFT

_KINDS = ("share", "hold", "gate")
_PERCENT = {"type": "number", "minimum": 0, "maximum": 100}
_KEY = "emqx:cutover.steps"


def _rise(seen: Seen) -> Iterator[str]:
    if seen.token == TRAFFIC_SHIFT:
        share = _share(seen.props["share"])
        if not 0 <= share <= 100:
            yield f"share {share:g}, 0 to 100 percent is allowed ({_KEY})"
        return
    shares = _shares(seen.props["steps"])
    if not shares:
        yield f"there is no share among the steps, at least {{share: 100}} is needed ({_KEY})"
        return
    for before, share in pairwise([0.0, *shares]):
        if share <= before:
            yield f"a share of {share:g} comes after {before:g}, shares must rise ({_KEY})"
    if shares[-1] != 100:
        yield f"the last share is {shares[-1]:g}, it must be 100 ({_KEY})"


def _first(seen: Seen) -> Iterator[str]:
    shares, most = _shares(seen.props["steps"]), number(seen.settings["mostPercent"])
    if in_production(seen) and not seen.props["in_place"] and (not shares or shares[0] > most):
        yield f"the first share is {shares[0] if shares else 100:g}, at most {most:g} percent in production ({_KEY})"


def _gates(seen: Seen) -> Iterator[str]:
    """Judged is what stands between two shares; the first one has nothing to be judged by yet."""
    most = number(seen.settings["abovePercent"])
    if not in_production(seen) or seen.props["in_place"]:
        return
    gated = False
    for step in items(seen.props["steps"]):
        if kind(step) == "share":
            share = _share(step["share"])
            if share > most and not gated:
                yield f"no gate stands before the share of {share:g}, every one over {most:g} percent needs one ({_KEY})"
            gated = False
        elif kind(step) == "gate":
            gated = True


def _budget(seen: Seen) -> Iterator[str]:
    """The colour that is gone to has to take the clients as fast as they are moved."""
    props, per_node = seen.props, number(seen.settings["connectsPerSecondOfANode"])
    budget = number(props["budget_per_second"])
    (live,) = (entry for entry in items(props["clusters"]) if entry["colour"] == props["live"])
    takes = whole(live["nodes"]) * per_node
    if budget > takes:
        yield (
            f"{budget:g} clients per second are moved, and {live['colour']} may be sent {takes:g}: {per_node:g} for each of"
            f" {whole(live['nodes'])} nodes (emqx:cutover.budgetPerSecond)"
        )


def _shares(steps: Sequence[Any]) -> list[float]:
    return [_share(step["share"]) for step in items(steps) if kind(step) == "share"]


def kind(step: Any) -> str:
    """What a step is: as the config writes it (`{share: 10}`), or as our resources do (`{kind: share, share: 10}`).

    Raises:
        ValueError: it is none.

    """
    found = fields(step)
    word = found["kind"] if "kind" in found else next((one for one in _KINDS if one in found), None)
    if word not in _KINDS:
        message = f"{str(word)[:20]!r} is no kind of step"
        raise ValueError(message)
    return str(word)


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        message = f"{str(value)[:20]!r} is no share"
        raise TypeError(message)
    return float(value)


RULES = (
    Rule(
        "steps-rise",
        "The steps of a cutover rise and end at 100 percent.",
        {CUTOVER, TRAFFIC_SHIFT},
        _rise,
        "Write emqx:cutover.steps with rising shares, the last one 100.",
    ),
    Rule(
        "first-step-small",
        "In production the first step moves a small part.",
        {BLUE_GREEN},
        _first,
        "Begin emqx:cutover.steps with a small share.",
        settings={**production(), "mostPercent": Setting("The most that the first share may be.", _PERCENT, 10)},
    ),
    Rule(
        "gate-before-step",
        "In production a gate stands before every larger step.",
        {BLUE_GREEN},
        _gates,
        "Put {gate: true} before it in emqx:cutover.steps.",
        settings={
            **production(),
            "abovePercent": Setting("The share up to which a step needs no gate before it.", _PERCENT, 10),
        },
    ),
    Rule(
        "budget-fits",
        "Clients are moved no faster than the live colour may be sent them.",
        {BLUE_GREEN},
        _budget,
        "Lower emqx:cutover.budgetPerSecond, or give the colour more nodes.",
        settings={
            "connectsPerSecondOfANode": Setting(
                "How many clients a node may be sent each second.", {"type": "number", "exclusiveMinimum": 0}, 1000
            )
        },
    ),
)
