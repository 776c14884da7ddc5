"""The built-in rules of the hop: what is sent, and for each rule whether its decisions were held against those of 4.2.

The rule kept here: a rule is carried where the rules of its login are asked in the same order on both sides, which makes every decision the
same; where not, the account says what is wider and what is narrower.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from components.migration.facts import Facts
from components.migration.hop_42_43.acl import SECTION, Rule, newest_first, read_rule, requests, unsaid
from components.migration.hop_42_43.export import Exported
from components.migration.hop_42_43.sides import New, Sides, off_sections, sides, users_by_section, users_of
from components.migration.manifest import Ledger
from components.migration.permissions.before import Row
from components.migration.requests import Request
from components.migration.words import Credential

NO_RULE = "no rule: who, topic, action (pub, sub, pubsub) and allow or deny are needed"
ANEW = "make the rule anew"
SAME = "sent after the import; its login's rules are asked in 4.2's order, so each decision is the same"
FOR_ALL = "sent after the import as a rule for all; these are asked in 4.2's order, so each decision is the same"
NO_EFFECT = "without effect on 4.2, as its login is a superuser; behind an allow of everything on 4.3"
TIED = "sent after the import; another rule of its login is of the same millisecond, and Enterprise 4.2 asks such in the order of its table, which nobody knows"
OTHERWISE = "sent after the import, but its login's rules are asked in another order than on 4.2"
OFF = "emqx_auth_mnesia was not loaded on 4.2: it had no effect"


@dataclass(frozen=True)
class Permissions:
    """What is sent, and both sides as they decide."""

    requests: tuple[Request, ...]
    sides: Sides


def convert_permissions(
    facts: Facts,
    exported: Exported,
    credential: Credential | None,
    superusers: Iterable[tuple[str, str]],
    ledger: Ledger,
) -> Permissions:
    """The rules of the export; each row is an item of the ledger.

    Args:
        facts: what was given, with an export.
        exported: the rest of it, converted.
        credential: what built-in users are.
        superusers: by type and name; those of files among them.
        ledger: where the account is kept.

    Raises:
        BadSource: ``acl.conf`` is not what 4.2 would read.

    """
    off = off_sections(facts)
    data = facts.export.data if facts.export else {}
    listed = facts.export.rows(SECTION) if facts.export else []
    ledger.expect(SECTION, len(listed))
    read = [read_rule(index, row, credential) for index, row in enumerate(listed)]
    rules = newest_first(rule for rule in read if rule is not None) if SECTION not in off else []
    kept = [rule for rule in rules if not unsaid(rule)]
    supers = () if "auth_mnesia" in off else tuple(dict.fromkeys(superusers))
    sent = requests(kept, supers, _roots(rules))
    new = New(users_of(exported.data, credential, frozenset()), sent)
    both = sides(facts, rules, users_by_section(data, credential), supers, new)
    for index, row in enumerate(listed):
        label = f"{row.get('login', row.get('type_value', 'all'))} {row.get('action')} {row.get('topic')}"
        rule = read[index]
        if SECTION in off:
            ledger.dropped(SECTION, index, label, OFF, "nothing")
        elif rule is None:
            ledger.dropped(SECTION, index, label, NO_RULE, ANEW)
        elif unsaid(rule):
            why = f"{unsaid(rule)}; without it {both.changes(rule)}"
            ledger.dropped(SECTION, index, label, why, "where it matters, move what it protects to another topic")
    _account_kept(kept, both, ledger, listed)
    return Permissions(sent, both)


def _account_kept(kept: list[Rule], both: Sides, ledger: Ledger, listed: list[dict[str, object]]) -> None:
    """The rules that are sent; what is left out of a login is not among what is compared."""
    said = {(rule.kind, rule.value, row.topic, row.action) for rule in kept for row in rule.rows()}
    same = {
        key: _firsts(row for row in rows if (*key, row.topic, row.action) in said)
        == _firsts(both.new.rows.get(key, ()))
        for key, rows in both.old.rows.items()
    }
    times = Counter(((rule.kind, rule.value), rule.created_at) for rule in kept)
    for rule in kept:
        key, row = (rule.kind, rule.value), listed[rule.at]
        label = f"{row.get('login', row.get('type_value', 'all'))} {rule.action} {rule.topic}"
        if key in both.old.superusers:
            ledger.carried(SECTION, rule.at, label, NO_EFFECT)
        elif not same[key]:
            ledger.changed(SECTION, rule.at, label, OTHERWISE, "hold the login's decisions against each other: prove")
        elif rule.of_enterprise and times[key, rule.created_at] > 1:
            ledger.changed(SECTION, rule.at, label, TIED, "try a topic that an allow and a deny of it have in common")
        else:
            ledger.carried(SECTION, rule.at, label, FOR_ALL if rule.kind == "all" else SAME)


def _firsts(rows: Iterable[Row]) -> dict[str, list[tuple[str, str]]]:
    """The rules that can decide, by action, in their order: of one topic the first."""
    firsts: dict[str, dict[str, str]] = {}
    for row in rows:
        firsts.setdefault(row.action, {}).setdefault(row.topic, row.access)
    return {action: list(topics.items()) for action, topics in firsts.items()}


def _roots(rules: Iterable[Rule]) -> list[str]:
    """First levels with ``$`` that a rule mentions."""
    roots = {rule.topic.split("/")[0] for rule in rules if rule.topic.startswith("$") and not unsaid(rule)}
    return sorted(root for root in roots if not {"+", "#"} & set(root))
