"""What a 4.x cluster's files set, and what variables of its image set over them: a rule that sees the one sees the other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.migration.configs.flat import Setting
from components.migration.configs.terms import Loaded
from components.migration.facts import Facts
from components.migration.rules import Clear, Finding, Place, Question
from components.migration.sources.base import Variable, loads


def settings(facts: Facts) -> Iterator[Setting]:
    """All settings of all 4.x files, and of files with environment variables, which override them."""
    yield from (setting for conf in facts.confs or () for setting in conf.settings)
    yield from overrides(facts)


def overrides(facts: Facts) -> Iterator[Setting]:
    """What ``EMQX_...`` variables in other files set."""
    return (one.setting for one in facts.environment.variables if one.setting is not None)


def unknown(facts: Facts) -> Iterator[Variable]:
    """Variables that are set to what is not known here."""
    return (one for one in facts.environment.variables if one.value is None)


def by_variable(facts: Facts) -> Iterator[Loaded]:
    """The plugins that the image switches on."""
    return loads(facts.environment.variables)


def place(setting: Setting) -> Place:
    """Where a setting stands; its value stays out."""
    return Place(setting.file, setting.line, setting.key)


def unless_unknown(facts: Facts, key: re.Pattern[str]) -> Finding:
    """Clear, but for a variable of this key that is set to what is not known here."""
    for one in unknown(facts):
        if one.name and key.fullmatch(one.key):
            return Question(f"what is {one.name} ({one.file}, line {one.line})? {one.why}: {one.todo}")
    return Clear()
