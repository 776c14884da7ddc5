"""Both sides of the hop as they decide: 4.2 by what was given, 4.3 by what was written, and what a rule that is left out changes.

The rule kept here: the side after is made of the requests and the converted export alone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.migration.configs.terms import Loaded
from components.migration.detectors.set_by import by_variable
from components.migration.facts import Facts
from components.migration.hop_42_43.acl import Rule, applied, evaluated
from components.migration.hop_42_43.settings import USERS_OF
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.users import divide
from components.migration.manifest import Ledger
from components.migration.permissions.before import Before
from components.migration.permissions.client import Action, Client
from components.migration.permissions.questions import spelled
from components.migration.requests import Request
from components.migration.surroundings import BuiltIn, source_of, surroundings

PLUGINS: Mapping[str, str] = {
    "auth_clientid": "emqx_auth_clientid",
    "auth_username": "emqx_auth_username",
    "auth_mnesia": "emqx_auth_mnesia",
    "acl_mnesia": "emqx_auth_mnesia",
}
"""Which plugin of 4.2 a section of the export has an effect by."""
BUDGET = 3_000_000
"""Rules that are gone through to say what a rule that is left out changes; about 3 s."""
Key = tuple[str, str]
Users = dict[Key, tuple[bytes, bytes]]


def effect(facts: Facts, plugin: str) -> bool | None:
    """Whether a plugin of 4.2 was loaded; None where nobody says it."""
    said: list[Loaded] = [*(facts.plugins or ()), *by_variable(facts)]
    return None if not said and facts.plugins is None else any(one.name == plugin and one.enabled for one in said)


def off_sections(facts: Facts) -> frozenset[str]:
    """Sections of the export that had no effect on 4.2, as their plugin was not loaded."""
    return frozenset(section for section, plugin in PLUGINS.items() if effect(facts, plugin) is False)


def off_users(facts: Facts) -> frozenset[str]:
    """Kinds of users of the files that had no effect on 4.2, as their plugin was not loaded."""
    return frozenset(kind for kind, plugin in USERS_OF.items() if effect(facts, plugin) is False)


@dataclass
class Sides:
    """Both sides; ``users`` are those of 4.2 by section, ``budget`` is what is left of it."""

    old: Before
    new: Before
    users: Mapping[str, Users] = field(default_factory=dict)
    budget: int = field(default=BUDGET)

    def changes(self, rule: Rule) -> str:
        """What becomes of the decisions of a rule that is left out, in words."""
        size = sum(len(self.old.rows.get(key, ())) for key in ((rule.kind, rule.value), ("all", "")))
        self.budget -= 8 * (size + 1)
        if self.budget < 0:
            return "wider or narrower is not known, as there are too many rules; prove says more"
        client = {"clientid": Client(rule.value), "username": Client("any-client", rule.value)}.get(
            rule.kind, Client("any-client", "anybody")
        )
        words: dict[str, str] = {}
        for row in rule.rows():
            action = Action.PUBLISH if row.action == "pub" else Action.SUBSCRIBE
            for topic in dict.fromkeys(spelled(rule.topic, Client("%c", "%u"))):
                if action is Action.PUBLISH and not {"+", "#"}.isdisjoint(topic.split("/")):
                    continue
                (was, knew), (now, knows) = self.old.ask(client, action, topic), self.new.ask(client, action, topic)
                if not (knew and knows):
                    words.setdefault(f"{row.action} {topic} was {was if knew else 'not known'}", UNKNOWN)
                elif was is not now:
                    side = "wider" if now == "allow" else "narrower"
                    words.setdefault(f"{row.action} {topic} was {was}, is {now}", side)
        return "; ".join(f"{what}: {how}" for what, how in words.items()) or "no decision changes by it"


UNKNOWN = "now acl.conf and acl_nomatch decide, which were not given"


def sides(
    facts: Facts, rules: Iterable[Rule], users: Mapping[str, Users], superusers: Iterable[Key], new: New
) -> Sides:
    """Both of them.

    Args:
        facts: what was given.
        rules: of 4.2, from ``newest_first``.
        users: of 4.2, by section of its export.
        superusers: of 4.2.
        new: what was written for 4.3.

    Raises:
        BadSource: ``acl.conf`` is not what 4.2 would read.

    """
    source = source_of(facts)
    settings = Settings(source, Ledger())
    asks_users = any(effect(facts, plugin) is not False for plugin in PLUGINS.values())
    known = surroundings(
        source, settings, BuiltIn(asks_rows=effect(facts, "emqx_auth_mnesia") is not False, asks_users=asks_users)
    )
    rules, off = list(rules), off_sections(facts)
    of_enterprise = any(rule.of_enterprise for rule in rules)
    old = Before(
        users={key: one for section, listed in users.items() if section not in off for key, one in listed.items()},
        rows=evaluated(rules),
        superusers=frozenset(superusers),
        is_literal=not of_enterprise,
        has_ties=of_enterprise,
        **known.fields(),
    )
    return Sides(old, Before(users=new.users, rows=applied(new.requests), **known.fields()), users)


@dataclass(frozen=True)
class New:
    """What was written for 4.3."""

    users: Users
    requests: tuple[Request, ...]


def users_of(data: Mapping[str, Any], credential: str | None, off: frozenset[str]) -> Users:
    """The built-in users of an export, of 4.2 or converted, by type and name; those of a section without effect left out."""
    listed = users_by_section(data, credential)
    return {key: stored for section, users in listed.items() if section not in off for key, stored in users.items()}


def users_by_section(data: Mapping[str, Any], credential: str | None) -> dict[str, Users]:
    """The same, by section."""
    listed: dict[str, Users] = {"auth_clientid": {}, "auth_username": {}, "auth_mnesia": {}}
    for section, users in listed.items():
        rows = data.get(section)
        for row in rows if isinstance(rows, list) else ():
            kind = {"auth_clientid": "clientid", "auth_username": "username"}.get(section) or row.get(
                "type", credential
            )
            name = row.get({"auth_clientid": "clientid", "auth_username": "username"}.get(section, "login"))
            if isinstance(name, str) and kind in ("clientid", "username"):
                users[str(kind), name] = divide(_stored(row.get("password")), "sha256")
    return listed


def _stored(password: Any) -> bytes:
    try:
        return base64.b64decode(password, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return b""
