"""The decision of 4.2, 4.3 and 4.4: built-in users, built-in ACL and ``acl.conf``, as recorded (V_*_auth_mnesia) and as their sources have it.

Read from emqx main-v4.4: emqx_access_control, emqx_auth_mnesia, emqx_acl_mnesia(_db), emqx_access_rule, emqx_mod_acl_internal.
The rule kept here: this file knows nothing of 5.x and of the conversions.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from components.migration.permissions.client import (
    EVERYBODY,
    Access,
    Action,
    Client,
    Either,
    Every,
    Name,
    Networks,
    Who,
    is_meant,
    password_matches,
)
from components.migration.permissions.erlang import Atom, Placed, Term, TermError, Text
from components.migration.permissions.index import Filters
from components.migration.permissions.topics import NEVER, Words, matches, words

BUILT_IN, FILE = "built_in_database", "file"
NO_MATCH, ANONYMOUS = "acl_nomatch", "allow_anonymous"
ALIASES = ("%cida", "%cna")  # Enterprise only: aliases of client id and common name; without them they are plain words
_ROW_ACTIONS = {Action.PUBLISH: "pub", Action.SUBSCRIBE: "sub"}
_ACTIONS = {
    "publish": (Action.PUBLISH,),
    "subscribe": (Action.SUBSCRIBE,),
    "pubsub": (Action.PUBLISH, Action.SUBSCRIBE),
}


class Row(NamedTuple):
    """One row of the built-in ACL: ``kind`` all, username or clientid; ``action`` pub or sub; ``created_at`` in milliseconds."""

    kind: str
    value: str
    topic: str
    action: str
    access: str
    created_at: int


def evaluation_order(rows: Iterable[Row]) -> list[Row]:
    """The rows of one login as 4.3 and 4.4 go through them: newest first; of one millisecond by topic, then action, each descending.

    One login has one row for a topic and an action, so that the access never decides (comparing/2, merge_rule/2).
    """
    return sorted(
        rows,
        key=lambda row: (row.created_at, row.topic.encode("utf-8", "surrogatepass"), row.action, row.access),
        reverse=True,
    )


class FileTopic(NamedTuple):
    """One topic of a rule; ``exact`` is ``{eq, ...}``."""

    words: Words
    exact: bool


class FileRule(NamedTuple):
    """One rule of ``acl.conf``; ``topics`` None for ``{allow, all}``; ``line`` from 1."""

    line: int
    access: Access
    who: Who
    actions: tuple[Action, ...]
    topics: tuple[FileTopic, ...] | None


@dataclass(frozen=True)
class Before:
    """What a 4.x decides by.

    Args:
        users: stored (salt, hash) by (type, name).
        hash_name: of the built-in users.
        uses_built_in_users: whether emqx_auth_mnesia checks passwords.
        rows: the built-in ACL in order of evaluation, by (kind, value); ("all", "") for everybody.
        file_rules: those of ``acl.conf``.
        sources: the order of the two, the absent ones left out.
        no_match: the answer where no rule matches.
        superusers: who is asked nothing, by (type, name); 4.2 only.
        is_literal: whether ``%c`` and ``%u`` in a built-in rule are compared as they stand there, as 4.2 does.
        missing: of ``BUILT_IN``, ``FILE``, ``NO_MATCH``, ``ANONYMOUS`` what was not given; what rests on it is not known.

    """

    users: Mapping[tuple[str, str], tuple[bytes, bytes]] = field(default_factory=dict)
    hash_name: str = "sha256"
    uses_built_in_users: bool = True
    allow_anonymous: bool = False
    rows: Mapping[tuple[str, str], Sequence[Row]] = field(default_factory=dict)
    file_rules: Sequence[FileRule] = ()
    sources: Sequence[str] = (BUILT_IN, FILE)
    no_match: Access = Access.DENY
    checks_acl: bool = True
    superusers: frozenset[tuple[str, str]] = frozenset()
    is_literal: bool = False
    missing: frozenset[str] = frozenset()

    def connect(self, client: Client, password: str | None) -> Access:
        """Whether the client gets in: any of the two records of it will do; who is not known is anonymous."""
        names = (("clientid", client.clientid), ("username", client.username or NEVER))
        stored = [self.users[name] for name in names if name in self.users] if self.uses_built_in_users else []
        if not stored:
            return Access.ALLOW if self.allow_anonymous else Access.DENY
        given = password or ""
        good = any(password_matches(self.hash_name, salt, digest, given) for salt, digest in stored)
        return Access.ALLOW if good else Access.DENY

    def knows(self, client: Client) -> bool:
        """Whether ``connect`` rests on nothing that is missing."""
        names = {("clientid", client.clientid), ("username", client.username or NEVER)}
        is_stored = self.uses_built_in_users and not names.isdisjoint(self.users)
        return is_stored or not self.missing & {BUILT_IN if self.uses_built_in_users else "", ANONYMOUS}

    def decide(self, client: Client, action: Action, topic: str) -> Access:
        """Whether the client may publish to a topic, or subscribe to a filter."""
        return self.judge(client, action, topic)[0]

    def judge(self, client: Client, action: Action, topic: str) -> tuple[Access, bool]:
        """The decision, and whether it rests on nothing that is missing."""
        names = {("clientid", client.clientid), ("username", client.username or NEVER)}
        if not self.checks_acl or not names.isdisjoint(self.superusers):
            return Access.ALLOW, True
        known = True
        for source in self.sources:
            known = known and source not in self.missing
            answer = (
                self._by_rows(client, action, topic) if source == BUILT_IN else self._by_file(client, action, topic)
            )
            if answer is not None:
                return answer, known
        return self.no_match, known and NO_MATCH not in self.missing

    def ask(self, client: Client, action: Action, topic: str) -> tuple[Access, bool]:
        """What is held against another side: ``judge``, the topic as it is."""
        return self.judge(client, action, topic)

    def _by_rows(self, client: Client, action: Action, topic: str) -> Access | None:
        keys = [("clientid", client.clientid), ("all", "")]
        if client.username is not None:
            keys.insert(1, ("username", client.username))
        asked, wanted = words(topic), _ROW_ACTIONS[action]
        for key in keys:
            if key in self.rows:
                row = self._first(key, wanted, client, asked)
                if row is not None:
                    return Access(row.access)
        return None

    def _first(self, key: tuple[str, str], action: str, client: Client, asked: Words) -> Row | None:
        """The first rule of a login that matches; those with a name to be put in are looked at one by one."""
        if (key, action) not in self._indices:
            rows = [row for row in self.rows[key] if row.action == action]
            fixed = (words(row.topic) if self.is_literal or not _is_fed(row.topic) else None for row in rows)
            self._indices[key, action] = (rows, Filters(fixed))
        rows, index = self._indices[key, action]

        def fits(place: int) -> bool:
            return matches(asked, _fed_row(rows[place].topic, client), loose=False)

        first = index.first_of(asked, fits, loose=False)
        return None if first is None else rows[first]

    @cached_property
    def _indices(self) -> dict[tuple[tuple[str, str], str], tuple[list[Row], Filters]]:
        """By login and action, made when they are first asked for."""
        return {}

    def _by_file(self, client: Client, action: Action, topic: str) -> Access | None:
        asked = words(topic)
        for rule in self.file_rules:
            if rule.topics is None:
                return rule.access
            if action in rule.actions and is_meant(rule.who, client) and _one_matches(rule.topics, client, asked):
                return rule.access
        return None


def _is_fed(topic: str) -> bool:
    return "%c" in topic or "%u" in topic


def _fed_row(topic: str, client: Client) -> Words:
    """The names are put in and the whole is divided again: a ``/``, ``+`` or ``#`` in a name acts."""
    fed = [
        client.clientid if word == "%c" else client.username if word == "%u" and client.username is not None else word
        for word in words(topic)
    ]
    return words("/".join(fed))


def _one_matches(topics: Iterable[FileTopic], client: Client, asked: Words) -> bool:
    """A name is one word, whatever is in it; without a user name the topics behind the first ``%u`` are not looked at."""
    for topic in topics:
        if topic.exact:
            if topic.words == asked:
                return True
            continue
        if client.username is None and "%u" in topic.words:
            return False
        fed = tuple(
            _word(client.clientid) if word == "%c" else _word(client.username or "") if word == "%u" else word
            for word in topic.words
        )
        if matches(asked, fed, loose=True):
            return True
    return False


def _word(name: str) -> str:
    """A name as one word of a filter; wildcards, slashes and the empty name are never equal to a word of a topic."""
    return NEVER if name in ("", "+", "#") or "/" in name else name


def compile_file(terms: Iterable[Placed]) -> list[FileRule]:
    """The rules of ``acl.conf``.

    Raises:
        TermError: a term that emqx_access_rule:compile/1 does not know; 4.4 would not have started with it.

    """
    return [_rule(line, term) for line, term in terms]


def _rule(line: int, term: Term) -> FileRule:
    match term:
        case (Atom("allow" | "deny" as access), Atom("all")):
            return FileRule(line, Access(access), EVERYBODY, tuple(Action), None)
        case (Atom("allow" | "deny" as access), who, Atom("publish" | "subscribe" | "pubsub" as actions), topics):
            parts = [topics] if isinstance(topics, Text) and topics.is_binary else topics
            if not isinstance(parts, list):
                raise TermError(line, "the topics of a rule are a list")
            compiled = tuple(_topic(line, part) for part in parts)
            return FileRule(line, Access(access), compile_who(line, who), _ACTIONS[actions], compiled)
    raise TermError(line, "no rule: {allow|deny, all} or {allow|deny, Who, subscribe|publish|pubsub, [Topic]}")


def compile_who(line: int, term: Term) -> Who:
    """The second part of a rule."""
    match term:
        case Atom("all") | (Atom("user" | "client"), Atom("all")):
            return EVERYBODY
        case (Atom("user" | "client" as kind), Text() as name):
            return Name("username" if kind == "user" else "clientid", in_bytes(line, name))
        case (Atom("ipaddr"), Text(network)):
            return Networks((_network(line, network),))
        case (Atom("ipaddrs"), list(networks)):
            return Networks(tuple(_network(line, part.text) for part in networks if isinstance(part, Text)))
        case (Atom("and"), list(parts)):
            return Every(tuple(compile_who(line, part) for part in parts))
        case (Atom("or"), list(parts)):
            return Either(tuple(compile_who(line, part) for part in parts))
    raise TermError(line, "a rule for somebody that 4.4 does not know (all, user, client, ipaddr, ipaddrs, and, or)")


def _topic(line: int, term: Term) -> FileTopic:
    match term:
        case Text():
            return FileTopic(words(in_bytes(line, term)), exact=False)
        case (Atom("eq"), Text() as text):
            return FileTopic(words(in_bytes(line, text)), exact=True)
    raise TermError(line, "a topic is a string or {eq, String}")


def in_bytes(line: int, text: Text) -> str:
    """The text that 4.4 compares with: of a string, a byte for each character."""
    if text.is_utf8 or text.text.isascii():
        return text.text
    try:
        return text.text.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise TermError(line, "a letter above U+00FF, for which 4.4 refuses to load the file") from None


def _network(line: int, text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise TermError(line, "no network address") from None
