"""The decision of 4.2, 4.3 and 4.4: built-in users, built-in ACL and ``acl.conf``, as recorded (V_*_auth_mnesia) and as their sources have it.

Read from emqx main-v4.4: emqx_access_control, emqx_auth_mnesia, emqx_acl_mnesia(_db), emqx_access_rule, emqx_mod_acl_internal.
The rule kept here: this file knows nothing of 5.x and of the conversions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice, takewhile
from typing import NamedTuple

from components.migration.permissions.client import (
    Access,
    Action,
    Client,
    is_meant,
    password_matches,
)
from components.migration.permissions.file_rules import FileRule, FileTopic
from components.migration.permissions.index import KEPT, Filters
from components.migration.permissions.topics import NEVER, Words, matches, words

BUILT_IN, FILE = "built_in_database", "file"
NO_MATCH, ANONYMOUS = "acl_nomatch", "allow_anonymous"
ALIASES = ("%cida", "%cna")  # Enterprise only: aliases of client id and common name; without them they are plain words
_ROW_ACTIONS = {Action.PUBLISH: "pub", Action.SUBSCRIBE: "sub"}


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
        is_literal: whether ``%c`` and ``%u`` in a built-in rule are compared as they stand there, as open source 4.2 does.
        has_ties: whether rules of one millisecond are asked in the order of their table, which nobody knows, as Enterprise 4.2 does.
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
    has_ties: bool = False
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
        names = (("clientid", client.clientid), ("username", client.username or NEVER))
        is_stored = self.uses_built_in_users and any(name in self.users for name in names)
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
            if source == BUILT_IN:
                decided = self._by_rows(client, action, topic)
                if decided is not None:
                    return decided[0], known and decided[1]
            elif (answer := self._by_file(client, action, topic)) is not None:
                return answer, known
        return self.no_match, known and NO_MATCH not in self.missing

    def ask(self, client: Client, action: Action, topic: str) -> tuple[Access, bool]:
        """What is held against another side: ``judge``, the topic as it is."""
        return self.judge(client, action, topic)

    def _by_rows(self, client: Client, action: Action, topic: str) -> tuple[Access, bool] | None:
        keys = [("clientid", client.clientid), ("all", "")]
        if client.username is not None:
            keys.insert(1, ("username", client.username))
        asked, wanted = words(topic), _ROW_ACTIONS[action]
        for key in keys:
            if key in self.rows:
                decided = self._first(key, wanted, client, asked)
                if decided is not None:
                    return decided
        return None

    def _first(self, key: tuple[str, str], action: str, client: Client, asked: Words) -> tuple[Access, bool] | None:
        """The first rule of a login that matches, and whether it is known to be the first; those with a name to be put in are looked at one by one."""
        rows, index = self._indexed(key, action)

        def fits(place: int) -> bool:
            return matches(asked, _fed_row(rows[place].topic, client), loose=False)

        first = index.first_of(asked, fits, loose=False)
        if first is None:
            return None
        return Access(rows[first].access), not self.has_ties or not any(
            row.access != rows[first].access and self._fits(row, client, asked) for row in _tied(rows, first)
        )

    def _fits(self, row: Row, client: Client, asked: Words) -> bool:
        return matches(asked, words(row.topic) if self.is_literal else _fed_row(row.topic, client), loose=False)

    @cached_property
    def _indexed(self) -> Callable[[tuple[str, str], str], tuple[list[Row], Filters]]:
        """The rows of a login for an action and their index, made when they are asked for."""
        rows_of, is_literal = self.rows, self.is_literal

        @lru_cache(maxsize=KEPT)
        def indexed(key: tuple[str, str], action: str) -> tuple[list[Row], Filters]:
            rows = [row for row in rows_of[key] if row.action == action]
            return rows, Filters(words(row.topic) if is_literal or not _is_fed(row.topic) else None for row in rows)

        return indexed

    def _by_file(self, client: Client, action: Action, topic: str) -> Access | None:
        asked = words(topic)
        for rule in self.file_rules:
            if rule.topics is None:
                return rule.access
            if action in rule.actions and is_meant(rule.who, client) and _one_matches(rule.topics, client, asked):
                return rule.access
        return None


def _tied(rows: Sequence[Row], first: int) -> Iterator[Row]:
    """The rules behind one that are of its millisecond."""
    return takewhile(lambda row: row.created_at == rows[first].created_at, islice(rows, first + 1, None))


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
        if len(topic.words) > len(asked) + 1:  # a name is one word, and "#" may stand for none
            continue
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
