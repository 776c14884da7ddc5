"""The decision of 5.x on what the conversion wrote: its authenticators, its built-in rules, its ``acl.conf``, its ``no_match``.

Read from emqx: emqx_authn_chains, emqx_authn_mnesia, emqx_authz, emqx_authz_mnesia, emqx_authz_rule, emqx_auth_template.
The rule kept here: it reads the output itself, the text and the request bodies, never what the conversion meant.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from components.migration.permissions.client import (
    EVERYBODY,
    Access,
    Action,
    Client,
    Either,
    Every,
    Name,
    Networks,
    Regex,
    Who,
    is_meant,
    password_matches,
)
from components.migration.permissions.erlang import Atom, Placed, Term, TermError, Text
from components.migration.permissions.index import KEPT, Filters
from components.migration.permissions.topics import Words, behind_delay, matches, words

BUILT_IN, FILE = "built_in_database", "file"
_VARIABLE = re.compile(r"\$\{\.?(username|clientid)\}")
_OTHER_VARIABLE = re.compile(r"\$\{\.?(?!username\}|clientid\})[A-Za-z0-9._]+\}|\$\{\$\}")


class Dialect(NamedTuple):
    """Where versions of 5.x differ.

    Args:
        loose: a leading wildcard matches ``$SYS`` (before 5.8.1).
        all_is_any: ``{allow, all}`` is for every topic; before 5.8.9 it is ``#``.
        plain_names: a placeholder does not take a name with ``+``, ``#`` or ``/``, unless ``topic_template_allow`` says so (6.3.0).

    """

    loose: bool
    all_is_any: bool
    plain_names: bool = False


def dialects(version: tuple[int, int, int]) -> tuple[Dialect, ...]:
    """The dialects that a version may speak; where its change logs do not say, both."""
    if version < (5, 8, 1):
        return (Dialect(loose=True, all_is_any=False),)
    if version < (5, 8, 9):
        return (Dialect(loose=False, all_is_any=False),)
    if version >= (6, 3, 0):
        return (Dialect(loose=False, all_is_any=True, plain_names=True),)
    if version < (5, 9, 0) or version >= (6, 0, 0):
        return (Dialect(loose=False, all_is_any=True),)
    return (Dialect(loose=False, all_is_any=False), Dialect(loose=False, all_is_any=True))


class Topic(NamedTuple):
    """One topic of a rule: its text, its words where it has no variable, and whether it is ``eq``."""

    text: str
    words: Words | None
    exact: bool


class Rule(NamedTuple):
    """One rule; ``topics`` None for every topic."""

    access: Access
    who: Who
    actions: tuple[Action, ...]
    topics: tuple[Topic, ...] | None


_ACTIONS = {"publish": (Action.PUBLISH,), "subscribe": (Action.SUBSCRIBE,), "all": tuple(Action)}


@dataclass(frozen=True)
class After:
    """What 5.x decides by.

    Args:
        authenticators: how many there are; with none, everybody gets in.
        user_type: ``username`` or ``clientid``, or empty where the built-in database is not among them.
        users: stored (salt, hash) by name.
        rows: the built-in rules in their stored order, by (kind, value); ("all", "") for everybody.
        sources: the enabled sources, in order.
        delays: whether delayed publish is on.
        name_letters: of ``+``, ``#`` and ``/`` those that a placeholder takes where the dialect wants plain names.

    """

    dialect: Dialect
    authenticators: int = 0
    user_type: str = ""
    hash_name: str = "sha256"
    users: Mapping[str, tuple[bytes, bytes]] = field(default_factory=dict)
    rows: Mapping[tuple[str, str], Sequence[Rule]] = field(default_factory=dict)
    file_rules: Sequence[Rule] = ()
    sources: Sequence[str] = ()
    no_match: Access = Access.ALLOW
    delays: bool = True
    name_letters: frozenset[str] = frozenset()

    def connect(self, client: Client, password: str | None) -> Access:
        """Whether the client gets in; what other back ends would say is left out, as it is before."""
        if not self.authenticators:
            return Access.ALLOW
        name = client.username if self.user_type == "username" else client.clientid
        if not self.user_type or password is None or name is None or name not in self.users:
            return Access.DENY
        salt, digest = self.users[name]
        return Access.ALLOW if password_matches(self.hash_name, salt, digest, password) else Access.DENY

    def knows(self, _client: Client) -> bool:
        """A conversion leaves nothing open."""
        return True

    def ask(self, client: Client, action: Action, topic: str) -> tuple[Access, bool]:
        """What is held against the side before."""
        return self.decide(client, action, topic), True

    def decide(self, client: Client, action: Action, topic: str) -> Access:
        """Whether the client may publish to a topic, or subscribe to a filter; where delayed publish is off, such a message reaches nobody."""
        asked = words(topic)
        behind = behind_delay(asked)
        if behind is not None:
            is_lost = not behind or (action is Action.PUBLISH and not self.delays)
            return Access.DENY if is_lost else self.decide(client, action, "/".join(behind))
        for source in self.sources:  # what a database or a server answers is left out
            rule = None
            if source == FILE:
                found = (one for one in self.file_rules if action in one.actions and is_meant(one.who, client))
                rule = next((one for one in found if self._one_matches(one, client, asked)), None)
            elif source == BUILT_IN:
                keys = (("clientid", client.clientid), ("username", client.username or "\0"), ("all", ""))
                firsts = (self._first(key, action, client, asked) for key in keys if key in self.rows)
                rule = next((one for one in firsts if one is not None), None)
            if rule is not None:
                return rule.access
        return self.no_match

    def _first(self, key: tuple[str, str], action: Action, client: Client, asked: Words) -> Rule | None:
        """The first rule of a login that matches; those with a variable are looked at one by one."""
        rules, index = self._indexed(key, action)

        def fits(place: int) -> bool:
            return self._one_matches(rules[place], client, asked)

        first = index.first_of(asked, fits, loose=self.dialect.loose)
        return None if first is None else rules[first]

    @cached_property
    def _indexed(self) -> Callable[[tuple[str, str], Action], tuple[list[Rule], Filters]]:
        """The rules of a login for an action and their index, made when they are asked for."""
        rows_of = self.rows

        @lru_cache(maxsize=KEPT)
        def indexed(key: tuple[str, str], action: Action) -> tuple[list[Rule], Filters]:
            rules = [rule for rule in rows_of[key] if action in rule.actions]
            return rules, Filters(_fixed(rule) for rule in rules)

        return indexed

    def _one_matches(self, rule: Rule, client: Client, asked: Words) -> bool:
        if rule.topics is None:
            return self.dialect.all_is_any or matches(asked, ("#",), loose=self.dialect.loose)
        for topic in rule.topics:
            if topic.words is None and self.dialect.plain_names and self._is_forbidden(topic.text, client):
                continue
            pattern = topic.words if topic.words is not None else words(_rendered(topic.text, client))
            if asked == pattern if topic.exact else matches(asked, pattern, loose=self.dialect.loose):
                return True
        return False

    def _is_forbidden(self, text: str, client: Client) -> bool:
        """Whether one of the names that the topic needs has a letter that is not to be put in."""
        names = [getattr(client, found) or "" for found in _VARIABLE.findall(text)]
        return any(letter in name for name in names for letter in {"+", "#", "/"} - self.name_letters)


def _fixed(rule: Rule) -> Words | None:
    """The filter of a built-in rule that is the same for everybody."""
    if rule.topics is None or len(rule.topics) != 1 or rule.topics[0].exact:
        return None
    return rule.topics[0].words


def _rendered(text: str, client: Client) -> str:
    """A user name that is not given is rendered as the atom that it is inside: ``undefined``."""
    names = {"username": "undefined" if client.username is None else client.username, "clientid": client.clientid}
    return _VARIABLE.sub(lambda found: names[found[1]], text)


def compile_topic(text: str, *, exact: bool = False) -> Topic:
    """One topic as text; ``eq `` before it makes it exact.

    Raises:
        ValueError: it has a variable that is not for names: no conversion writes one.

    """
    if not exact and text.startswith("eq "):
        return Topic(text[3:], words(text[3:]), exact=True)
    if not exact and _OTHER_VARIABLE.search(text):
        raise ValueError("a topic with a variable that this model does not know")
    is_template = not exact and _VARIABLE.search(text) is not None
    return Topic(text, None if is_template else words(text), exact)


def compile_row(body: Mapping[str, Any]) -> Rule:
    """One built-in rule: ``{"permission", "action", "topic"}``."""
    return Rule(Access(body["permission"]), EVERYBODY, _ACTIONS[body["action"]], (compile_topic(body["topic"]),))


def compile_file(terms: Iterable[Placed]) -> list[Rule]:
    """The rules of a 5.x ``acl.conf``.

    Raises:
        TermError: a term that emqx_authz_rule:compile/1 does not know.

    """
    return [_rule(line, term) for line, term in terms]


def _rule(line: int, term: Term) -> Rule:
    match term:
        case (Atom("allow" | "deny" as access), Atom("all")):
            return Rule(Access(access), EVERYBODY, tuple(Action), None)
        case (Atom("allow" | "deny" as access), who, Atom("publish" | "subscribe" | "all" as actions), list(topics)):
            compiled = tuple(_topic(line, topic) for topic in topics)
            return Rule(Access(access), _who(line, who), _ACTIONS[actions], compiled)
    raise TermError(line, "no rule of 5.x")


def _topic(line: int, term: Term) -> Topic:
    match term:
        case Text(text):
            return compile_topic(text)
        case (Atom("eq"), Text(text)):
            return compile_topic(text, exact=True)
    raise TermError(line, "no topic of 5.x")


def _who(line: int, term: Term) -> Who:
    match term:
        case Atom("all"):
            return EVERYBODY
        case (Atom("username" | "clientid" as kind), (Atom("re"), Text(pattern))):
            return Regex(kind, re.compile(pattern))
        case (Atom("username" | "clientid" as kind), Text(name)):
            return Name(kind, name)
        case (Atom("ipaddr"), Text(network)):
            return Networks((ipaddress.ip_network(network, strict=False),))
        case (Atom("ipaddrs"), list(networks)):
            return Networks(
                tuple(ipaddress.ip_network(part.text, strict=False) for part in networks if isinstance(part, Text))
            )
        case (Atom("and"), list(parts)):
            return Every(tuple(_who(line, part) for part in parts))
        case (Atom("or"), list(parts)):
            return Either(tuple(_who(line, part) for part in parts))
    raise TermError(line, "nobody that 5.x knows")
