"""Who may publish and subscribe: the authorization sources in list order; the first source with an opinion decides.

`built_in_database` asks the rules of the client id, then of the user name, then of all; `file` its rules from top to bottom.  Nobody has
an opinion: `no_match`.  Superusers are not asked about.  EMQX's cache (one minute) is left out: a changed rule works at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from lab.node.kept.records import AclRule
from lab.node.kept.store import Store
from lab.node.kept.topics import covers, matches
from lab.node.rules.acl_file import Client, FileRule, concerns, parse_rules

Action = Literal["publish", "subscribe"]
_PLACEHOLDER = re.compile(r"\$\{(\w+(?:\.\w+)?)\}")


@dataclass(slots=True, frozen=True)
class Request:
    """What somebody wants to do; `topic` is a filter without share prefix when subscribing; `retain` counts for PUBLISH only."""

    client: Client
    action: Action
    topic: str
    qos: int = 0
    retain: bool = False


@dataclass(slots=True, frozen=True)
class Decision:
    """Allowed or not, and whether a rule said so (`matched`) or the setting `no_match`."""

    allowed: bool
    matched: bool


class Decides(Protocol):
    """Who is asked about a PUBLISH or a SUBSCRIBE."""

    @property
    def disconnects(self) -> bool:
        """Whether a denied client is thrown off."""

    def decide(self, request: Request) -> Decision:
        """The decision."""


class Authorizer:
    """Asks the sources of a cluster's store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def disconnects(self) -> bool:
        """Whether a denied client is thrown off (`deny_action`)."""
        return bool(self._store.effective("authorization").get("deny_action") == "disconnect")

    def decide(self, request: Request) -> Decision:
        """The decision about a request of somebody who is no superuser."""
        settings = self._store.effective("authorization")
        for source in settings.get("sources", []):
            if not source.get("enable", True):
                continue
            opinion = self._opinion(source, request)
            if opinion is not None:
                return Decision(opinion == "allow", matched=True)
        return Decision(settings.get("no_match", "allow") == "allow", matched=False)

    def _opinion(self, source: dict[str, str], request: Request) -> str | None:
        if source["type"] == "built_in_database":
            store, client = self._store, request.client
            for rules in (
                store.acl_clients.get(client.client_id, ()),
                store.acl_users.get(client.username or "", ()),
                store.acl_all,
            ):
                opinion = _first(rules, request)
                if opinion is not None:
                    return opinion
        elif source["type"] == "file":
            return _first_of_file(parse_rules(source.get("rules", "")), request)
        return None


def _first(rules: Iterable[AclRule], request: Request) -> str | None:
    for rule in rules:
        if (
            rule.action in {"all", request.action}
            and request.qos in rule.qos
            and (request.action == "subscribe" or rule.retain in {"all", request.retain})
            and _selects(rule.topic, request)
        ):
            return rule.permission
    return None


def _first_of_file(rules: Iterable[FileRule], request: Request) -> str | None:
    for rule in rules:
        if (
            rule.action in {"all", request.action}
            and (rule.qos is None or request.qos in rule.qos)
            and (request.action == "subscribe" or rule.retain in {None, request.retain})
            and concerns(rule.who, request.client)
            and (
                rule.topics is None
                or any(_selects(f"eq {topic}" if exact else topic, request) for exact, topic in rule.topics)
            )
        ):
            return rule.permission
    return None


def _selects(pattern: str, request: Request) -> bool:
    if "${" in pattern:
        client = request.client
        known = {"clientid": client.client_id, "username": client.username, "peerhost": client.ip}
        names = _PLACEHOLDER.findall(pattern)
        if any(known.get(name) is None for name in names):
            return False  # a placeholder without a value never matches
        pattern = _PLACEHOLDER.sub(lambda found: known[found[1]] or "", pattern)
    if pattern.startswith("eq "):
        return request.topic == pattern[3:]
    return covers(request.topic, pattern) if request.action == "subscribe" else matches(request.topic, pattern)
