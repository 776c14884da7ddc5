"""The rules of an upgrade: 114 from breaking-changes.json and our own, each with a detector that says hit, clear, or asks a person.

`block` stops a preview and an update until it is acknowledged or gone, and so does a question of such a rule: what nobody has looked
at is not clear.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from components.migration.facts import Facts, Plan
from components.migration.versions import scope

Severity = Literal["block", "warn", "info"]
FILES = ("breaking-changes.json", "own-rules.json")


@dataclass(frozen=True)
class Rule:
    """One row: fields as in docs/emqx/routes.md#how-the-rules-were-read; ``edition`` is ``both``, ``ee`` or ``ce``."""

    id: str
    since: str
    edition: str
    area: str
    keys: str
    change: str
    detect: str
    severity: Severity
    remedy: str
    ref: str

    def applies(self, plan: Plan) -> bool:
        """Whether the change lies on the way, for one of the two editions; for both of them where it is not known which."""
        if plan.edition_is_known and self.edition not in {"both", plan.edition_from, plan.edition_to}:
            return False
        return scope(self.id, self.since)(plan.source, plan.target)


@dataclass(frozen=True)
class Place:
    """Where a rule was seen: a file and its line, or an item such as ``auth_mnesia[3]``; never a value."""

    file: str
    line: int | None = None
    item: str = ""

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.item) if part)


@dataclass(frozen=True)
class Hit:
    """The rule bites, here."""

    places: tuple[Place, ...]


@dataclass(frozen=True)
class Clear:
    """The facts show that it does not."""


@dataclass(frozen=True)
class Question:
    """The facts cannot tell; a person must answer."""

    text: str


Finding = Hit | Clear | Question
Detector = Callable[[Facts], Finding]


@dataclass(frozen=True)
class Verdict:
    """A rule and what became of it."""

    rule: Rule
    finding: Finding
    acknowledged: bool

    @property
    def blocks(self) -> bool:
        """Whether the update has to wait."""
        return self.rule.severity == "block" and not self.acknowledged and not isinstance(self.finding, Clear)


class UnknownRuleError(ValueError):
    """An acknowledgement of a rule that does not exist: a typing error, or a rule that is gone."""


@cache
def catalogue() -> tuple[Rule, ...]:
    """All rules, in the order of their files; they are part of this package."""
    data = files("components.migration") / "data"
    return tuple(rule for name in FILES for rule in parse(json.loads((data / name).read_text(encoding="utf-8"))))


def parse(rows: Iterable[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """Rules from rows of breaking-changes.json.

    Raises:
        ValueError: a row lacks a field or has an unknown severity.

    """
    rules = []
    for row in rows:
        missing = [name for name in Rule.__dataclass_fields__ if not isinstance(row.get(name), str)]
        if missing or row["severity"] not in get_args(Severity):
            raise ValueError(f"rule {row.get('id')!r}: wrong {', '.join(missing) or 'severity'}")
        rules.append(Rule(**{name: row[name] for name in Rule.__dataclass_fields__}))
    return tuple(rules)


def evaluate(
    facts: Facts,
    detectors: Mapping[str, Detector],
    acknowledged: Collection[str] = (),
    rules: tuple[Rule, ...] | None = None,
) -> tuple[Verdict, ...]:
    """Every rule on the way of ``facts.plan`` and what it finds, in the order of the catalogue.

    Raises:
        UnknownRuleError: an acknowledged id that no rule has.

    """
    rules = catalogue() if rules is None else rules
    unknown = sorted(set(acknowledged) - {rule.id for rule in rules})
    if unknown:
        raise UnknownRuleError(f"no rule is called {', '.join(unknown)}; acknowledge only what the check shows")
    return tuple(
        Verdict(rule, detectors[rule.id](facts), rule.id in acknowledged) for rule in rules if rule.applies(facts.plan)
    )
