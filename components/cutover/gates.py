"""Judgements on measured facts: each gate passes, fails, or does not know; what to do about it is the caller's.

The rule: a fact that is missing for a moment is neither good nor bad (a joining node makes the API answer 500 for 2 s, a restarted one counts
from 0 again: docs/emqx/counters.md#health-during-a-move), and one that is missing for longer than ``unknown_seconds`` fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Literal

from components.cutover.facts import Facts, NodeFacts, Thresholds, Verdict

__all__ = [
    "Facts",
    "NodeFacts",
    "Thresholds",
    "Verdict",
    "failure_rate",
    "judge",
    "may_be_away",
    "names",
    "remember",
]

SMALL_FLEET = 100
"""Below so many clients ``COME_AND_GO`` of them are no deviation, whatever percentage they make."""
COME_AND_GO = 2


def judge(thresholds: Thresholds, baseline: float | None, facts: Facts, history: Sequence[Facts]) -> list[Verdict]:
    """Judge ``facts`` by all gates that are on.

    Args:
        thresholds: of the stack's config.
        baseline: the old colour's own connect failure rate before the cutover (``failure_rate``); None counts as 0.
        facts: the newest observation.
        history: the ones before it, oldest first, as ``remember`` keeps them.

    """
    seen = (*history, facts)
    verdicts: list[Verdict] = []
    for name, gate in _GATES.items():
        threshold = getattr(thresholds, name)
        if threshold is not None:
            said = gate(thresholds, baseline or 0.0, seen)
            verdicts += [_bounded(verdict, thresholds, baseline or 0.0, seen, gate) for verdict in said]
    return verdicts


def remember(thresholds: Thresholds, history: Sequence[Facts], facts: Facts) -> tuple[Facts, ...]:
    """The history with ``facts``, without what no gate looks at any more; its length is bounded by the longest threshold."""
    keep = max(
        thresholds.stall_seconds or 0,
        thresholds.unknown_seconds,
        thresholds.settle_seconds,
        thresholds.window_seconds,
        thresholds.clients_away_seconds if thresholds.clients_away_fraction else 0,
    )
    kept = (*history, facts)
    old = [index for index, one in enumerate(kept) if one.at <= facts.at - keep]
    return kept[old[-1] :] if old else kept


def names(thresholds: Thresholds) -> tuple[str, ...]:
    """The gates that are on."""
    return tuple(name for name in _GATES if getattr(thresholds, name) is not None)


def failure_rate(sent: int, refused: int, minimum_connects: int) -> float | None:
    """Refused connects over all connects; None for fewer than ``minimum_connects``, which say nothing."""
    return refused / sent if sent >= minimum_connects else None


def _bounded(verdict: Verdict, thresholds: Thresholds, baseline: float, seen: Sequence[Facts], gate: _Gate) -> Verdict:
    """A fact that has been missing for longer than its bound is a failure; what was measured has its gate's own bound."""
    if not _missing(verdict):
        return verdict
    since = seen[-1].at
    for index in range(len(seen) - 1, 0, -1):
        earlier = gate(thresholds, baseline, seen[:index])
        if any(not _missing(one) and (one.node == verdict.node or not (one.node and verdict.node)) for one in earlier):
            break
        since = seen[index - 1].at
    lasted = seen[-1].at - since
    if lasted <= thresholds.unknown_seconds:
        return verdict
    return verdict._replace(
        verdict="fail", reason=f"{verdict.reason}, for {lasted:.0f} s (at most {thresholds.unknown_seconds:g})"
    )


def _missing(verdict: Verdict) -> bool:
    return verdict.verdict == "unknown" and verdict.value is None


def _connect_failures(thresholds: Thresholds, baseline: float, seen: Sequence[Facts]) -> Iterable[Verdict]:
    name, limit = "connect_failure_rate_above_baseline", thresholds.connect_failure_rate_above_baseline or 0.0
    facts = seen[-1]
    if facts.connack_sent is None or facts.connack_error is None:
        return [Verdict(name, "unknown", None, limit, "", "the counters of connects could not be read")]
    window = [one for one in seen if one.at >= facts.at - thresholds.window_seconds]
    sent, refused = _connects(window)
    rate = failure_rate(sent, refused, thresholds.connect_failure_minimum_connects)
    if rate is None:
        return [Verdict(name, "pass", None, limit, "", f"{sent} connects are too few to judge")]
    reason = f"{refused} of {sent} connects refused, {baseline:.1%} were before"
    return [Verdict(name, "fail" if rate - baseline > limit else "pass", rate - baseline, limit, "", reason)]


def _connects(seen: Sequence[Facts]) -> tuple[int, int]:
    """Connects and refusals, summed over the stretches in which no counter was reset."""
    known = [(one.connack_sent, one.connack_error) for one in seen if one.connack_sent is not None]
    total = refused = 0
    for (sent, error), (sent_now, error_now) in pairwise(known):
        if sent is None or sent_now is None or error is None or error_now is None:
            continue
        if sent_now >= sent and error_now >= error:
            total, refused = total + sent_now - sent, refused + error_now - error
    return total, refused


def _latency(thresholds: Thresholds, _: float, seen: Sequence[Facts]) -> Iterable[Verdict]:
    name, limit = "connect_latency_p99_milliseconds", thresholds.connect_latency_p99_milliseconds or 0.0
    return [_over(name, seen[-1].connect_latency_p99_milliseconds, limit, "", "p99 of a connect in milliseconds")]


def _nodes_lost(thresholds: Thresholds, _: float, seen: Sequence[Facts]) -> Iterable[Verdict]:
    name, limit = "nodes_lost", float(thresholds.nodes_lost or 0)
    if seen[-1].nodes is None:
        return [Verdict(name, "unknown", None, limit, "", "the nodes could not be listed")]
    lost = [node for node in seen[-1].nodes_expected if node not in seen[-1].nodes]
    if len(lost) <= limit:
        return [Verdict(name, "pass", float(len(lost)), limit, "", f"{len(lost)} nodes lost")]
    lasted = min(_lost_seconds(node, seen) for node in lost)
    if lasted < thresholds.settle_seconds:
        return [
            Verdict(
                name, "unknown", float(len(lost)), limit, lost[0], f"{', '.join(lost)} not running for {lasted:.0f} s"
            )
        ]
    return [
        Verdict(name, "fail", float(len(lost)), limit, lost[0], f"{', '.join(lost)} not running for {lasted:.0f} s")
    ]


def _lost_seconds(node: str, seen: Sequence[Facts]) -> float:
    """For how long the node was in no list; observations without a list say nothing."""
    since = seen[-1].at
    for one in reversed(seen):
        if one.nodes is None:
            continue
        if node in one.nodes:
            break
        since = one.at
    return seen[-1].at - since


def _memory(thresholds: Thresholds, _: float, seen: Sequence[Facts]) -> Iterable[Verdict]:
    name, limit = "memory_used_fraction", thresholds.memory_used_fraction or 0.0
    return _each_node(name, limit, seen[-1], _used_fraction, "of the memory in use")


def _used_fraction(node: NodeFacts) -> float | None:
    used, total = node.memory_used, node.memory_total
    return used / total if used is not None and total else None


def _load(thresholds: Thresholds, _: float, seen: Sequence[Facts]) -> Iterable[Verdict]:
    return _each_node("load1", thresholds.load1 or 0.0, seen[-1], lambda node: node.load1, "load average")


def _each_node(
    name: str, limit: float, facts: Facts, measure: Callable[[NodeFacts], float | None], what: str
) -> Iterable[Verdict]:
    if facts.nodes is None:
        return [Verdict(name, "unknown", None, limit, "", "the nodes could not be listed")]
    return [_over(name, measure(facts.nodes[node]), limit, node, what) for node in sorted(facts.nodes)]


def _license(thresholds: Thresholds, _: float, seen: Sequence[Facts]) -> Iterable[Verdict]:
    name, least, facts = "license_headroom_fraction", thresholds.license_headroom_fraction or 0.0, seen[-1]
    if facts.license_limit == 0:
        return [Verdict(name, "pass", None, least, "", "nothing is licensed")]
    if facts.license_limit is None or facts.license_sessions is None:
        return [Verdict(name, "unknown", None, least, "", "the licence could not be read")]
    free = (facts.license_limit - facts.license_sessions) / facts.license_limit
    reason = f"{facts.license_sessions} of {facts.license_limit} licensed sessions in use"
    return [Verdict(name, "fail" if free < least else "pass", free, least, "", reason)]


def _share(thresholds: Thresholds, _: float, seen: Sequence[Facts]) -> Iterable[Verdict]:
    name, limit = "share_deviation_percent", thresholds.share_deviation_percent or 0.0
    if seen[-1].moving:
        return [Verdict(name, "pass", None, limit, "", "not judged while clients are moved")]
    now = _deviation(seen[-1])
    if now is None and seen[-1].nodes is not None:
        # Only the old colour was not counted, now or before the step: its silence says nothing against the new one.
        return [Verdict(name, "pass", None, limit, "", "not judged: the old colour did not answer")]
    if now is None:
        return [Verdict(name, "unknown", None, limit, "", "the share could not be measured")]
    reason = f"{seen[-1].share_measured_percent:.1f} % of the clients, {seen[-1].share_wanted_percent:.1f} % wanted"
    if seen[-1].clients_away:
        reason += f"; {seen[-1].clients_away} of the {seen[-1].moved} clients that were moved have not come back"
    limit = max(limit, _granular(seen[-1]))
    if now <= limit:
        return [Verdict(name, "pass", now, limit, "", reason)]
    since = seen[-1].at
    for one in reversed(seen):
        apart = _deviation(one)
        if one.moving or (apart is not None and apart <= limit):
            break
        since = since if apart is None else one.at
    settled = seen[-1].at - since >= thresholds.settle_seconds
    return [Verdict(name, "fail" if settled else "unknown", now, limit, "", reason)]


def _granular(facts: Facts) -> float:
    """What a client or two make in a small fleet, in percentage points."""
    few = facts.clients is not None and 0 < facts.clients < SMALL_FLEET
    return 100 * COME_AND_GO / (facts.clients or 1) + 1e-9 if few else 0.0


def _deviation(facts: Facts) -> float | None:
    if facts.share_measured_percent is None or facts.share_wanted_percent is None:
        return None
    return abs(facts.share_measured_percent - facts.share_wanted_percent)


def may_be_away(thresholds: Thresholds, moved: int) -> float:
    """How many of so many moved clients may stay away; infinite where nobody judges it."""
    fraction = thresholds.clients_away_fraction
    return math.inf if fraction is None else max(1.0, fraction * moved)


def _away(thresholds: Thresholds, _: float, seen: Sequence[Facts]) -> Iterable[Verdict]:
    """Judged while others are moved too: of those who were moved long enough ago, who cannot have come back?"""
    name, limit = "clients_away_fraction", thresholds.clients_away_fraction or 0.0
    now, patience = seen[-1], thresholds.clients_away_seconds
    long_ago = next((one.moved for one in reversed(seen) if one.at <= now.at - patience), None)
    if not long_ago or now.moved is None:
        return [Verdict(name, "pass", None, limit, "", f"nobody was moved {patience:g} s ago")]
    if now.clients_away is None:
        return [Verdict(name, "unknown", None, limit, "", "the clients of the new colour could not be counted")]
    away = max(0, now.clients_away - (now.moved - long_ago))
    reason = f"{away} of {long_ago} clients have not come {patience:g} s after they were moved"
    says: Literal["pass", "fail"] = "fail" if away > may_be_away(thresholds, long_ago) else "pass"
    return [Verdict(name, says, away / long_ago, limit, "", reason)]


def _dropped(thresholds: Thresholds, _: float, seen: Sequence[Facts]) -> Iterable[Verdict]:
    name, limit, now = "dropped_messages", float(thresholds.dropped_messages or 0), seen[-1]
    if now.source_silent:
        return [Verdict(name, "pass", None, limit, "", "not judged: the old colour does not answer")]
    return [_over(name, now.messages_dropped, limit, "", "messages without a subscriber in this step")]


def _stall(thresholds: Thresholds, _: float, seen: Sequence[Facts]) -> Iterable[Verdict]:
    name, limit, facts = "stall_seconds", thresholds.stall_seconds or 0.0, seen[-1]
    if not facts.moving:
        return [Verdict(name, "pass", None, limit, "", "nothing is moved now")]
    if facts.moved is None or facts.to_move is None:
        return [Verdict(name, "unknown", None, limit, "", "the progress could not be measured")]
    if facts.source_silent:
        return [Verdict(name, "pass", None, limit, "", "not judged: the old colour does not answer")]
    since = facts.at
    for one in reversed(seen):
        if not one.moving or one.source_silent or _nobody_left(one) or one.moved not in {None, facts.moved}:
            break
        since = one.at
    lasted = 0.0 if _nobody_left(facts) else facts.at - since
    return [_over(name, lasted, limit, "", f"seconds at {facts.moved} of {facts.to_move} clients moved")]


def _nobody_left(facts: Facts) -> bool:
    """Whether nobody could be moved just then: all were, or the rest wait (waiting_health_check, docs/emqx/evacuation.md#phases)."""
    return facts.moved is not None and facts.to_move is not None and facts.moved >= facts.to_move


def _over(name: str, value: float | None, limit: float, node: str, what: str) -> Verdict:
    if value is None:
        return Verdict(name, "unknown", None, limit, node, f"{what}: could not be measured")
    return Verdict(name, "fail" if value > limit else "pass", value, limit, node, f"{value:.4g} {what}")


_Gate = Callable[[Thresholds, float, Sequence[Facts]], Iterable[Verdict]]
_GATES: Mapping[str, _Gate] = {
    "connect_failure_rate_above_baseline": _connect_failures,
    "connect_latency_p99_milliseconds": _latency,
    "nodes_lost": _nodes_lost,
    "memory_used_fraction": _memory,
    "load1": _load,
    "license_headroom_fraction": _license,
    "share_deviation_percent": _share,
    "clients_away_fraction": _away,
    "stall_seconds": _stall,
    "dropped_messages": _dropped,
}
