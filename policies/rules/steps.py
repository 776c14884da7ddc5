"""The steps of a cutover rise and end at 100."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from rules.closed import items, policy
from rules.tokens import CUTOVER, TRAFFIC_SHIFT

_KINDS = ("share", "hold", "gate")


def _rise(token: str, props: Mapping[str, Any]) -> Iterator[str]:
    if token == TRAFFIC_SHIFT:
        share = _share(props["share"])
        if not 0 <= share <= 100:
            yield f"share {share:g}, 0 to 100 percent is allowed (emqx:cutover.steps)"
        return
    shares = [_share(step["share"]) for step in items(props["steps"]) if _is_share(step)]
    if not shares:
        yield "there is no share among the steps, at least {share: 100} is needed (emqx:cutover.steps)"
        return
    for before, share in pairwise([0.0, *shares]):
        if share <= before:
            yield f"a share of {share:g} comes after {before:g}, shares must rise (emqx:cutover.steps)"
    if shares[-1] != 100:
        yield f"the last share is {shares[-1]:g}, it must be 100 (emqx:cutover.steps)"


def _is_share(step: Any) -> bool:
    """A step as the config writes it (`{share: 10}`), or as our resources do (`{kind: share, share: 10}`)."""
    if not isinstance(step, Mapping):
        message = f"a step is expected, not {type(step).__name__}"
        raise TypeError(message)
    kind = step["kind"] if "kind" in step else next((kind for kind in _KINDS if kind in step), None)
    if kind not in _KINDS:
        message = f"{str(kind)[:20]!r} is no kind of step"
        raise ValueError(message)
    return bool(kind == "share")


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        message = f"{str(value)[:20]!r} is no share"
        raise TypeError(message)
    return float(value)


steps_rise = policy(
    "steps-rise",
    "The steps of a cutover rise and end at 100 percent.",
    {CUTOVER, TRAFFIC_SHIFT},
    _rise,
    "Write emqx:cutover.steps with rising shares, the last one 100.",
)
