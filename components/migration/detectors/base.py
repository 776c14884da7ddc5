"""What detectors are made of: one builder for each kind of fact, so that a rule is one line of a table.

Each builder takes the question that it asks when its fact was not given; the rule kept is that no fact means a question, never "clear".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from components.migration.archive import Archive
from components.migration.detectors.set_by import by_variable, place, settings, unless_unknown
from components.migration.facts import Export, Facts, Live, Plan
from components.migration.rules import Clear, Detector, Finding, Hit, Place, Question

Verdicts = dict[str, Detector]
CLEAR = Clear()
PLAN = "the plan"


def found(places: Iterable[Place]) -> Finding:
    """Hit at these places, clear when there are none."""
    seen = tuple(dict.fromkeys(places))
    return Hit(seen) if seen else CLEAR


def in_cluster(plan: Plan) -> bool | None:
    """Whether old and new nodes meet in one cluster; nodes of 4.x and 5.x never can (51-01)."""
    if plan.source.major < min(plan.target.major, 5):
        return False
    return None if plan.strategy is None else plan.strategy != "two-cluster"


def by_source(four: Detector, five: Detector) -> Detector:
    """One detector for files of 4.x, one for those of 5.x and later."""
    return lambda facts: (four if facts.plan.source.major == 4 else five)(facts)


def ask(question: str) -> Detector:
    """Only a person can know."""
    return lambda _: Question(question)


def first(*detectors: Detector) -> Detector:
    """A hit of any; else what is still asked; else clear."""

    def detect(facts: Facts) -> Finding:
        findings = [detector(facts) for detector in detectors]
        places = tuple(place for finding in findings if isinstance(finding, Hit) for place in finding.places)
        question = next((finding for finding in findings if isinstance(finding, Question)), CLEAR)
        return Hit(places) if places else question

    return detect


def if_given(detector: Detector) -> Detector:
    """What it finds where its fact was given; for a rule that another fact decides, while another rule asks for this one."""

    def detect(facts: Facts) -> Finding:
        finding = detector(facts)
        return CLEAR if isinstance(finding, Question) else finding

    return detect


def every(*detectors: Detector) -> Detector:
    """Clear as soon as one is; else what is still asked; else all hits."""

    def detect(facts: Facts) -> Finding:
        findings = [detector(facts) for detector in detectors]
        if any(isinstance(finding, Clear) for finding in findings):
            return CLEAR
        question = next((finding for finding in findings if isinstance(finding, Question)), None)
        return question or Hit(
            tuple(place for finding in findings if isinstance(finding, Hit) for place in finding.places)
        )

    return detect


def planned(test: Callable[[Plan], bool | None], question: str = "", item: str = "") -> Detector:
    """Decided by the plan; None of ``test`` means that nobody has said."""

    def detect(facts: Facts) -> Finding:
        answer = test(facts.plan)
        if answer is None:
            return Question(question)
        return Hit((Place(PLAN, item=item or f"{facts.plan.source} -> {facts.plan.target}"),)) if answer else CLEAR

    return detect


def measured(test: Callable[[Live], bool | None], question: str, item: str) -> Detector:
    """Decided by live answers."""

    def detect(facts: Facts) -> Finding:
        answer = test(facts.live)
        if answer is None:
            return Question(question)
        return Hit((Place("the running cluster", item=item),)) if answer else CLEAR

    return detect


def above(limit: int, value: int | None) -> bool | None:
    """Whether a count is above a limit; None where it was not asked."""
    return None if value is None else value > limit


def flat(pattern: str, question: str, where: Callable[[str], bool] = lambda _: True) -> Detector:
    """A setting of 4.x whose whole key matches, not commented out, with a value for which ``where`` holds."""
    key = re.compile(pattern)

    def detect(facts: Facts) -> Finding:
        if facts.confs is None:
            return Question(question)
        places = [place(setting) for setting in settings(facts) if key.fullmatch(setting.key) and where(setting.value)]
        return Hit(tuple(dict.fromkeys(places))) if places else unless_unknown(facts, key)

    return detect


def unset(pattern: str, question: str, unless: str) -> Detector:
    """A setting that is there while another one, ``unless``, is not: what relies on a default that changes."""
    key, other = re.compile(pattern), re.compile(unless)

    def detect(facts: Facts) -> Finding:
        if facts.confs is None:
            return Question(question)
        if any(other.fullmatch(setting.key) for setting in settings(facts)):
            return CLEAR
        return found(place(setting) for setting in settings(facts) if key.fullmatch(setting.key))

    return detect


def missing(pattern: str, question: str) -> Detector:
    """No file sets this, so that a default that changes is relied on."""
    key = re.compile(pattern)

    def detect(facts: Facts) -> Finding:
        if not facts.confs:
            return Question(question)
        if any(key.fullmatch(setting.key) for setting in settings(facts)):
            return CLEAR
        return Hit((Place(facts.confs[0].file, item="not set"),))

    return detect


def no_tree(facts: Facts, question: str) -> Finding:
    """What a missing HOCON means: of a 5.x cluster a question; a 4.x one has none, and what we convert has the target's own shapes."""
    return CLEAR if facts.plan.source.major == 4 else Question(question)


def hocon(path: str, question: str, where: Callable[[Any], bool] = lambda _: True) -> Detector:
    """A path of 5.x's HOCON, ``*`` for any one part, whose value passes ``where``; several paths are separated by blanks."""

    def detect(facts: Facts) -> Finding:
        if facts.hocons is None:
            return no_tree(facts, question)
        places = [
            Place(*whole.spot(name), name)
            for whole in facts.in_effect
            for one in path.split()
            for name, value in whole.find(one)
            if where(value)
        ]
        paths = (re.escape(one).replace(r"\*", "[^.]+") for one in path.split())
        return Hit(tuple(dict.fromkeys(places))) if places else unless_unknown(facts, re.compile("|".join(paths)))

    return detect


def absent(path: str, question: str) -> Detector:
    """A path of HOCON that stands nowhere: what relies on a default that changes."""

    def detect(facts: Facts) -> Finding:
        if facts.hocons is None:
            return Question(f"is {path} set on the new cluster?" if facts.plan.source.major == 4 else question)
        if any(True for whole in facts.in_effect for _ in whole.find(path)):
            return CLEAR
        return Hit((Place(facts.hocons[0].file, item=f"{path} is not set"),))

    return detect


def exported(test: Callable[[Export], Iterable[str]], question: str) -> Detector:
    """Items of a 4.x export, named like ``rules[2]``."""

    def detect(facts: Facts) -> Finding:
        export = facts.export
        if export is None:
            return Question(question)
        return found(Place(export.file, item=item) for item in test(export))

    return detect


def packed(test: Callable[[Archive, Plan], Iterable[str]], question: str) -> Detector:
    """Parts of a 5.x archive."""

    def detect(facts: Facts) -> Finding:
        archive = facts.archive
        if archive is None:
            return no_tree(facts, question)
        return found(Place(archive.file, item=item) for item in test(archive, facts.plan))

    return detect


def said(pattern: str, question: str) -> Detector:
    """A text that talks to the cluster: a script, an alert rule, a client's configuration; what only starts the nodes is none."""
    words = re.compile(pattern)

    def detect(facts: Facts) -> Finding:
        places = tuple(
            Place(text.file, number)
            for text in facts.texts or ()
            for number, line in enumerate(text.text.splitlines(), start=1)
            if words.search(line)
        )
        if places:
            return Hit(places)
        return (
            CLEAR
            if any(facts.kinds.get(text.file) != "variables" for text in facts.texts or ())
            else Question(question)
        )

    return detect


def loaded(pattern: str, question: str) -> Detector:
    """Plugins that 4.x loads at start, by name, be it by its file or by the variable of its image."""
    name = re.compile(pattern)

    def detect(facts: Facts) -> Finding:
        facts_of_both = (*(facts.plugins or ()), *by_variable(facts))
        places = [
            Place(fact.file, fact.line, fact.name)
            for fact in facts_of_both
            if fact.enabled and name.fullmatch(fact.name)
        ]
        return Question(question) if facts.plugins is None and not places else found(places)

    return detect


def modules(pattern: str, question: str) -> Detector:
    """Modules of an Enterprise 4.x export, by type, that are not switched off."""
    return _typed("modules", pattern, question)


def resources(pattern: str, question: str) -> Detector:
    """Resources of a 4.x export, by type."""
    return _typed("resources", pattern, question)


def _typed(section: str, pattern: str, question: str) -> Detector:
    kind = re.compile(pattern)
    return exported(
        lambda export: [
            f"{section}[{index}] {row.get('type')}"
            for index, row in enumerate(export.rows(section))
            if kind.search(str(row.get("type"))) and row.get("enabled") is not False
        ],
        question,
    )


def actions(test: Callable[[str], bool], question: str) -> Detector:
    """Actions of the rules of a 4.x export by name."""
    return exported(
        lambda export: [
            f"rules[{i}].actions[{j}] {action.get('name')}"
            for i, row in enumerate(export.rows("rules"))
            for j, action in actions_of(row)
            if test(str(action.get("name")))
        ],
        question,
    )


def actions_of(rule: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """The actions of a rule with their place; whatever else stands there is none."""
    listed = rule.get("actions")
    return (
        [(place, one) for place, one in enumerate(listed) if isinstance(one, dict)] if isinstance(listed, list) else []
    )


def block_of(row: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An object inside an object; empty where there is none."""
    value = row.get(key)
    return value if isinstance(value, dict) else {}
