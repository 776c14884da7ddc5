"""From 4.3 to 4.4 by an export: everything has the same shape, and only the order of built-in rules would be lost, which decides.

An import stamps the rules anew within a few milliseconds (docs/emqx/v4-data.md), so they are sent after it, the last to be asked first, each in a
millisecond of its own. The rule kept here: each item of the export and each file is in the account.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from components.migration.facts import Facts
from components.migration.hop_42_43.acl import SECTION, applied, newest_first, read_rule, requests, unsaid
from components.migration.manifest import NO_EXPORT, Account, Ledger
from components.migration.permissions.before import Before
from components.migration.permissions.compare import Proof
from components.migration.permissions.questions import questions
from components.migration.prove import before_of, proof_of, used
from components.migration.requests import Request
from components.migration.surroundings import source_of

SAME = "sent after the import; its login's rules are asked in 4.3's order, so each decision is the same"
AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Converted:
    """The result: the document without built-in rules, what is sent after it, the files by their name, the account, and both sides as they decide."""

    document: str
    requests: tuple[Request, ...]
    files: Mapping[str, str]
    account: Account
    old: Before
    new: Before


def convert(facts: Facts) -> Converted:
    """Convert what was given of a 4.3.

    Raises:
        BadSource: ``acl.conf`` is not what 4.3 would read, or a row of the export is no rule.

    """
    ledger, reach = Ledger(), before_of(source_of(facts))
    export = facts.export.data if facts.export else {}
    listed = facts.export.rows(SECTION) if facts.export else []
    rules = [rule for index, row in enumerate(listed) if (rule := read_rule(index, row, None))]
    sent = requests([rule for rule in newest_first(rules) if not unsaid(rule)], ())
    ledger.expect(SECTION, len(listed))
    for rule in rules:
        label = f"{rule.value or 'all'} {rule.action} {rule.topic}"
        if unsaid(rule):
            ledger.dropped(SECTION, rule.at, label, unsaid(rule), "make the rule anew")
        else:
            ledger.carried(SECTION, rule.at, label, SAME)
    for section, rows in export.items():
        if section != SECTION and isinstance(rows, list):
            ledger.expect(section, len(rows))
            for index in range(len(rows)):
                ledger.carried(section, index, f"{section}[{index}]", AS_IT_IS)
    for name in facts.files:
        ledger.expect(name, 1)
        ledger.carried(name, 0, PurePath(name).name, AS_IT_IS)
    old = Before(**{name: getattr(reach, name) for name in Before.__dataclass_fields__})
    document = json.dumps({name: rows for name, rows in export.items() if name != SECTION})
    new = replace(old, rows=applied(sent))
    return Converted(document, sent, facts.files, ledger.account(_lacks(facts)), old, new)


def prove(facts: Facts, made: Converted, topics: tuple[str, ...], most: int) -> Proof:
    """Both sides on the same data."""
    export = facts.export.data if facts.export else {}
    return proof_of(made.old, [made.new], questions(made.old, [*used(export), *topics], most), most)


def _lacks(facts: Facts) -> Iterator[str]:
    if facts.export is None:
        yield NO_EXPORT
    yield from facts.not_read
