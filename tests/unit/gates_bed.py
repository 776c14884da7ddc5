"""Gates one by one: thresholds with a single gate on, and its verdict after a row of observations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.cutover.gates import Facts, NodeFacts, Thresholds, Verdict, judge, names, remember

OFF = dict.fromkeys(names(Thresholds(load1=1)), None)
GIB = 2**30
FINE = NodeFacts(memory_used=1 * GIB, memory_total=4 * GIB, load1=0.5)


def only(gate: str, value: float, **more: Any) -> Thresholds:
    return Thresholds(**{**OFF, gate: value, **more})


def verdicts(thresholds: Thresholds, observed: Sequence[Facts], baseline: float | None = None) -> list[Verdict]:
    history: tuple[Facts, ...] = ()
    for facts in observed[:-1]:
        history = remember(thresholds, history, facts)
    return judge(thresholds, baseline, observed[-1], history)


def one(thresholds: Thresholds, observed: Sequence[Facts], baseline: float | None = None) -> Verdict:
    (verdict,) = verdicts(thresholds, observed, baseline)
    return verdict


def connects(*counters: tuple[float, int | None, int | None]) -> list[Facts]:
    return [Facts(at=at, connack_sent=sent, connack_error=error) for at, sent, error in counters]
