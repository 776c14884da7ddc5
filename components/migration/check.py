"""What a person reads before a move: the route, the rules that hit or ask, and what will be lost; as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from components.cutover.routes import CONDITIONS, Hop, RefusedRoute, Route, route
from components.cutover.versions import KNOWN, Known
from components.migration.archive import KEY_REFUSED_TABLES, Archive
from components.migration.detectors import DETECTORS
from components.migration.facts import Facts
from components.migration.manifest import Account, Item
from components.migration.rules import Clear, Hit, Question, Verdict, evaluate

NEVER_CARRIED = (
    "delayed messages",
    "sessions with their subscriptions and queued messages",
    "listener settings and listener certificates",
    "statistics, alarms, trace files and plugins",
    "the licence",
    "the order of authorization sources",
)
"""What no archive of 5.x holds (docs/emqx/backup.md#not-carried)."""
MOST_PLACES = 5
EDITION = (
    "  ask: which edition is it? Say --edition ee or ce: no file tells it. Route and losses are those of Enterprise, the rules are those of "
    "both, and nothing is converted before it is said"
)


@dataclass(frozen=True)
class Report:
    """The answer to ``check``.

    ``refusal`` is why the data cannot be converted, empty where it can; ``idle`` counts what is dropped and had no effect.
    """

    facts: Facts
    answer: Route | RefusedRoute
    verdicts: tuple[Verdict, ...]
    losses: tuple[str, ...]
    refusal: str = ""
    not_given: tuple[str, ...] = ()
    idle: int = 0

    @property
    def blocking(self) -> tuple[str, ...]:
        """What has to be settled: ``route``, ``conversion``, and ids of rules."""
        refused = (
            *(("route",) if isinstance(self.answer, RefusedRoute) else ()),
            *(("conversion",) if self.refusal else ()),
        )
        asked = () if self.facts.plan.edition_is_known else ("edition",)
        return (*refused, *asked, *(verdict.rule.id for verdict in self.verdicts if verdict.blocks))

    def text(self) -> str:
        """For a terminal: what blocks first, then what asks, warns, informs."""
        return (
            "\n".join(
                [
                    *_route(self.answer),
                    *(() if self.facts.plan.edition_is_known else (EDITION,)),
                    "",
                    *_rules(self.verdicts),
                    "",
                    *(f"Not given: {what}" for what in self.not_given),
                    *(f"Only looked through for what talks to the cluster: {file}" for file in self.facts.unread),
                    *_losses(self.losses, self.refusal),
                    *((f"  and {self.idle} that had no effect; convert lists them",) if self.idle else ()),
                    "",
                    _result(self.blocking),
                ]
            )
            + "\n"
        )

    def to_json(self) -> str:
        """For a program; places and words, never values."""
        hops = self.answer.hops if isinstance(self.answer, Route) else self.answer.path
        return json.dumps(
            {
                "from": str(self.facts.plan.source),
                "to": str(self.facts.plan.target),
                "refused": self.answer.reason if isinstance(self.answer, RefusedRoute) else None,
                "hops": [
                    {
                        "from": str(hop.source),
                        "to": str(hop.target),
                        "strategies": hop.strategies,
                        "conditions": hop.conditions,
                    }
                    for hop in hops
                ],
                "rules": [_row(verdict) for verdict in self.verdicts if not isinstance(verdict.finding, Clear)],
                "losses": self.losses,
                "losses_without_effect": self.idle,
                "not_given": self.not_given,
                "only_looked_through": self.facts.unread,
                "conversion_refused": self.refusal or None,
                "blocking": self.blocking,
            },
            indent=1,
        )


def check(
    facts: Facts,
    *,
    acknowledged: Collection[str] = (),
    account: Account | None = None,
    refusal: str = "",
    known: Known = KNOWN,
) -> Report:
    """Everything that is known about a move before it is made.

    Args:
        facts: the plan and what was given of the clusters.
        acknowledged: ids of rules that a person has answered for.
        account: of the conversion of the first hop, when there is one.
        refusal: why that conversion is refused.
        known: the releases that exist.

    Raises:
        UnknownRuleError: an acknowledged id that no rule has.

    """
    plan = facts.plan
    answer = route(str(plan.source), str(plan.target), plan.edition_from, plan.edition_to, known)
    if (
        isinstance(answer, Route)
        and answer.hops
        and plan.strategy is not None
        and plan.strategy not in answer.hops[0].strategies
    ):
        answer = RefusedRoute(f"{plan.strategy} is not possible from {plan.source} to {plan.target}", answer.hops)
    losses = tuple(map(_loss, account.losses())) if account else ()
    if plan.source.major > 4 and plan.strategy in {None, "two-cluster"}:
        losses = (*losses, *(f"in no archive: {what}" for what in NEVER_CARRIED), *_left_out(facts.archive))
    not_given, idle = (account.not_given, account.without_effect()) if account else (facts.not_read, 0)
    return Report(facts, answer, evaluate(facts, DETECTORS, acknowledged), losses, refusal, not_given, idle)


def _left_out(archive: Archive | None) -> Iterator[str]:
    """What an archive could hold and this one does not: an export by an API key leaves both out without a word (BK-02)."""
    for table, what in KEY_REFUSED_TABLES.items():
        if archive is not None and table not in archive.tables:
            todo = "make them anew on green, or export again with a dashboard token or on the command line"
            yield f"not in {archive.file}: {what} (an export by an API key leaves them out); {todo}"


def _loss(item: Item) -> str:
    return f"{item.section}[{item.at}] {item.label}: {item.verdict}: {item.how}{f'; {item.todo}' if item.todo else ''}"


def _hop(hop: Hop) -> Iterator[str]:
    yield f"  {hop}"
    yield from (f"    {condition}: {CONDITIONS[condition]}" for condition in hop.conditions)


def _route(answer: Route | RefusedRoute) -> Iterator[str]:
    if isinstance(answer, RefusedRoute):
        yield f"Route: refused. {answer.reason}"
        yield from (line for hop in answer.path for line in _hop(hop))
    else:
        yield "Route" if answer.hops else "Route: nothing changes"
        yield from (line for hop in answer.hops for line in _hop(hop))


def _rules(verdicts: tuple[Verdict, ...]) -> Iterator[str]:
    """What hits, the worst first; then what is asked, each question once."""
    kinds = Counter(type(verdict.finding) for verdict in verdicts)
    yield f"Rules: {len(verdicts)} on the way; {kinds[Hit]} hit, {kinds[Question]} ask, {kinds[Clear]} are clear"
    rank = {"block": 0, "warn": 1, "info": 2}
    worst_first = sorted(verdicts, key=lambda one: (not one.blocks, rank[one.rule.severity]))
    questions: dict[str, list[Verdict]] = {}
    for verdict in worst_first:
        if isinstance(verdict.finding, Hit):
            yield from _hit(verdict, verdict.finding)
        elif isinstance(verdict.finding, Question):
            questions.setdefault(verdict.finding.text, []).append(verdict)
    for question, asked in questions.items():
        yield f"  ask: {question}"
        yield from (f"    {_title(verdict)}" for verdict in asked)


def _title(verdict: Verdict) -> str:
    mark = "acknowledged" if verdict.acknowledged else "BLOCK" if verdict.blocks else verdict.rule.severity
    return f"{verdict.rule.id} {mark}: {verdict.rule.change}"


def _hit(verdict: Verdict, finding: Hit) -> Iterator[str]:
    places = finding.places[:MOST_PLACES]
    more = f" and {len(finding.places) - MOST_PLACES} more" if len(finding.places) > MOST_PLACES else ""
    yield f"  {_title(verdict)}"
    yield f"    at: {', '.join(map(str, places))}{more}"
    yield f"    do: {verdict.rule.remedy}"


def _losses(losses: tuple[str, ...], refusal: str) -> Iterator[str]:
    if refusal:
        yield f"Conversion: refused. {refusal}"
        return
    yield f"Losses: {len(losses)}"
    yield from (f"  {loss}" for loss in losses)


def _result(blocking: tuple[str, ...]) -> str:
    if not blocking:
        return "Nothing blocks."
    return f"{len(blocking)} block: {', '.join(blocking)}. Remedy them, or answer for a rule with --acknowledge ID."


def _row(verdict: Verdict) -> dict[str, object]:
    finding = verdict.finding
    return {
        "id": verdict.rule.id,
        "severity": verdict.rule.severity,
        "blocks": verdict.blocks,
        "acknowledged": verdict.acknowledged,
        "change": verdict.rule.change,
        "remedy": verdict.rule.remedy,
        "places": [str(place) for place in finding.places] if isinstance(finding, Hit) else [],
        "question": finding.text if isinstance(finding, Question) else None,
    }
