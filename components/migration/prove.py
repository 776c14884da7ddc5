"""Prove on the data of a source that no permission widens: every decision before and after, for the topics that are used.

The rule kept here: the side before is made of the source, the side after of what was written (requests, text, table), and neither of
the other. What databases and servers would answer is left out on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from components.migration.hop_44_5.acl import RULES, read_rows
from components.migration.hop_44_5.aclsource import read_file
from components.migration.hop_44_5.authn import anonymous_is_let_in, in_order
from components.migration.hop_44_5.authz import no_match
from components.migration.hop_44_5.convert import convert, hash_name
from components.migration.hop_44_5.plugins import Plugin, is_known, read_plugins
from components.migration.hop_44_5.result import Conversion, read_archive
from components.migration.hop_44_5.settings import Settings, is_on
from components.migration.hop_44_5.source import Options, Source, patch
from components.migration.hop_44_5.table import read_users as read_table
from components.migration.hop_44_5.users import AUTHENTICATOR, default_users, divide, read_users
from components.migration.hop_44_5.values import mappings
from components.migration.manifest import Ledger, shorten
from components.migration.permissions import after, before
from components.migration.permissions.after import After, Dialect, dialects
from components.migration.permissions.before import Before
from components.migration.permissions.client import Access, Action, Client, hashed
from components.migration.permissions.erlang import parse

MOST_DECISIONS = 2_000_000
COMMON_TOPICS = 200  # of those that are for everybody, asked for each login; fewer where there are many logins
FEWEST_COMMON = 2
QUESTIONS_OF_A_TOPIC = 12
LISTED = 1000
STRANGERS = (
    Client("stranger-1"),
    Client("stranger-2", "stranger"),
    *(Client(name, name) for name in ("+", "#", "a/b")),
    Client("local", None, "127.0.0.1"),
)


@dataclass(frozen=True)
class Difference:
    """One decision that is not the same on both sides; ``action`` may be ``connect``, then without a topic."""

    username: str | None
    clientid: str
    action: str
    topic: str
    before: Access
    after: Access

    @property
    def widens(self) -> bool:
        """A deny that became an allow."""
        return self.before is Access.DENY and self.after is Access.ALLOW

    def __str__(self) -> str:
        """One line; no secret is in it."""
        who = f"client {shorten(self.clientid)!r} user {shorten(self.username or '')!r}"
        return f"{'WIDER' if self.widens else 'narrower'}: {who} {self.action} {shorten(self.topic)!r}: {self.before} -> {self.after}"


@dataclass(frozen=True)
class Proof:
    """What was compared.

    Args:
        decisions: how many.
        differences: those that differ, at most 1000 of each direction.
        widened: how many denies became allows; must be 0.
        narrowed: how many allows became denies; each has an item in the account that says it.
        left_out: how many logins were not asked for, because there were too many.

    """

    decisions: int
    differences: tuple[Difference, ...]
    widened: int
    narrowed: int
    left_out: int = 0

    def __str__(self) -> str:
        """For the person who reads it."""
        head = f"{self.decisions} decisions: {self.widened} wider, {self.narrowed} narrower"
        rest = (f"{self.left_out} logins were not asked for (too many)",) if self.left_out else ()
        return "\n".join((head, *rest, *map(str, self.differences)))


def before_of(source: Source) -> Before:
    """4.4's side, from the source."""
    settings = Settings(source, Ledger())
    plugins = read_plugins(source, settings)
    acl_file = read_file(source, settings)
    mnesia = next((plugin for plugin in plugins if plugin.name == "mnesia"), Plugin("mnesia", None))
    uses = mnesia.enabled is not False and (mnesia.enabled is True or not is_known(source))
    name = hash_name(plugins)
    users = {(user.kind, user.login): divide(user.stored, name) for user in read_users(source)}
    for kind, login, password in default_users(settings):
        users.setdefault((kind, login), (b"", hashed(name or "sha256", b"", password)))
    rows = {key: [placed.row for placed in listed] for key, listed in read_rows(source).items()}
    wanted = in_order(
        [*([mnesia] if uses else []), *([Plugin("file", True)] if acl_file.enabled else [])], settings.peek("acl_order")
    )
    return Before(
        users=users,
        hash_name=name or "sha256",
        uses_built_in_users=uses,
        allow_anonymous=anonymous_is_let_in(settings),
        rows=rows,
        file_rules=before.compile_file(acl_file.terms),
        sources=[before.BUILT_IN if plugin.name == "mnesia" else before.FILE for plugin in wanted],
        no_match=no_match(settings),
        checks_acl=is_on(settings.peek("zone.external.enable_acl", "on")),
    )


def after_of(conversion: Conversion, dialect: Dialect) -> After:
    """5.x's side, from what was written."""
    authentication: Sequence[Mapping[str, Any]] = conversion.config["authentication"]
    enabled = [one for one in authentication if one["enable"]]
    built_in = next((one for one in enabled if one.get("backend") == after.BUILT_IN), {})
    authorization = conversion.config["authorization"]
    file_source = next((one for one in authorization["sources"] if one["type"] == after.FILE), {"rules": ""})
    return After(
        dialect=dialect,
        authenticators=len(enabled),
        user_type=str(built_in.get("user_id_type", "")),
        hash_name=str(built_in.get("password_hash_algorithm", {}).get("name", "sha256")),
        users=_users(conversion, str(built_in.get("password_hash_algorithm", {}).get("name", "sha256"))),
        rows=_rows(conversion),
        file_rules=after.compile_file(parse(file_source["rules"])),
        sources=[one["type"] for one in authorization["sources"] if one["enable"]],
        no_match=Access(authorization["no_match"]),
        delays=conversion.config.get("delayed", {"enable": True})["enable"],
        name_letters=frozenset(
            letter
            for name, letter in (("plus", "+"), ("hash", "#"), ("slash", "/"))
            if authorization.get("topic_template_allow", {}).get(name)
        ),
    )


def _users(conversion: Conversion, hash_name: str) -> dict[str, tuple[bytes, bytes]]:
    table = read_archive(conversion.archive).get("mnesia/emqx_authn_mnesia")
    users = {login: (salt, stored) for login, salt, stored in (read_table(table) if table else ())}
    for request in conversion.requests:
        if "import_users" in request.path:
            users |= {row["user_id"]: (row["salt"].encode(), row["password_hash"].encode()) for row in request.body}
        elif request.path.endswith(f"/{AUTHENTICATOR}/users"):
            users[request.body["user_id"]] = (b"", hashed(hash_name, b"", request.body["password"]))
    return users


def _rows(conversion: Conversion) -> dict[tuple[str, str], Sequence[after.Rule]]:
    rows: dict[tuple[str, str], Sequence[after.Rule]] = {}
    for request in conversion.requests:
        path, _, kind = request.path.rpartition("/")
        if path != RULES:
            continue
        if kind == "all":
            rows["all", ""] = [after.compile_row(rule) for rule in request.body["rules"]]
        elif kind in ("clients", "users"):
            name = "clientid" if kind == "clients" else "username"
            rows |= {(name, one[name]): [after.compile_row(rule) for rule in one["rules"]] for one in request.body}
    return rows


def prove(
    source: Source,
    from_version: str,
    to_version: str,
    *,
    topics: Iterable[str] = (),
    options: Options | None = None,
    most: int = MOST_DECISIONS,
) -> Proof:
    """Compare the decisions of 4.4 on ``source`` with those of its conversion, for every dialect that the target may speak.

    Args:
        source: the same that is converted.
        from_version: of the source.
        to_version: of green.
        topics: further topics and filters to ask for: retained messages, subscriptions, delayed messages.
        options: as for the conversion.
        most: decisions for each dialect of the target; logins beyond it are left out and counted.

    Raises:
        BadSource: the source is refused.

    """
    conversion = convert(source, from_version, to_version, options)
    old = before_of(source)
    asked = list(islice(_questions(old, source, topics, most), most))
    asked_for = dict.fromkeys(client for client, _, _ in asked)
    logins = {value for kind, value in (*old.rows, *old.users) if kind != "all"}
    left_out = len(logins - {name for client in asked_for for name in (client.clientid, client.username)})
    return compare(
        old, [after_of(conversion, dialect) for dialect in dialects(patch(to_version))], asked, asked_for, left_out
    )


def compare(
    old: Before,
    new: Iterable[After],
    asked: Sequence[tuple[Client, Action, str]],
    clients: Iterable[Client] = (),
    left_out: int = 0,
) -> Proof:
    """Ask both sides the same."""
    differences: list[Difference] = []
    count, by_direction = 0, {True: 0, False: 0}
    for side in new:
        for difference in _differ(old, side, asked, clients):
            by_direction[difference.widens] += 1
            if by_direction[difference.widens] <= LISTED:
                differences.append(difference)
        count += len(asked)
    return Proof(count, tuple(differences), by_direction[True], by_direction[False], left_out)


def _differ(
    old: Before, new: After, asked: Iterable[tuple[Client, Action, str]], clients: Iterable[Client]
) -> Iterator[Difference]:
    for client in clients:
        for password in (None, "not its password"):
            was, is_now = old.connect(client, password), new.connect(client, password)
            if was is not is_now:
                yield Difference(client.username, client.clientid, "connect", "", was, is_now)
    for client, action, topic in asked:
        was, is_now = old.reach(client, action, topic), new.decide(client, action, topic)
        if was is not is_now:
            yield Difference(client.username, client.clientid, str(action), topic, was, is_now)


def _questions(old: Before, source: Source, topics: Iterable[str], most: int) -> Iterator[tuple[Client, Action, str]]:
    """Strangers and everybody with a login, each for the topics of its own rules and for those that are for all."""
    filters = dict.fromkeys([*_file_topics(old), *_own(old, ("all", "")), *_used(source), *topics]) or ["a/topic"]
    logins = [key for key in dict.fromkeys([*old.rows, *old.users]) if key[0] != "all"]
    share = most // (len(logins) * QUESTIONS_OF_A_TOPIC + 1)
    common = list(filters)[: max(FEWEST_COMMON, min(COMMON_TOPICS, share))]
    for client in STRANGERS:
        yield from _ask(client, [*filters, *_all_rows(old, COMMON_TOPICS)])
    for key in logins:
        kind, value = key
        client = Client(value, "somebody") if kind == "clientid" else Client("any-client", value)
        yield from _ask(client, [*_own(old, key), *common])
        if kind == "clientid":
            yield from _ask(client._replace(username=None), _own(old, key))


def _ask(client: Client, filters: Iterable[str]) -> Iterator[tuple[Client, Action, str]]:
    for topic in dict.fromkeys(one for pattern in filters for one in spelled(pattern, client)):
        yield client, Action.SUBSCRIBE, topic
        if not re.search(r"(^|/)[+#](/|$)", topic):
            yield client, Action.PUBLISH, topic


def spelled(pattern: str, client: Client) -> Iterator[str]:
    """The filter itself and topics below it, with the names put in, left as they are, and as 5.x writes a missing one."""
    for username in dict.fromkeys((client.username or "undefined", "%u")):
        words = [client.clientid if word == "%c" else username if word == "%u" else word for word in pattern.split("/")]
        filled = "/".join(words)
        yield filled
        if "+" in words or "#" in words:
            yield "/".join("x" if word == "+" else "y/z" if word == "#" else word for word in words)
    if pattern[:1] in ("+", "#"):
        yield "$SYS/x"
        yield "$other/x/y"


def _own(old: Before, key: tuple[str, str]) -> list[str]:
    return [row.topic for row in old.rows.get(key, ())]


def _all_rows(old: Before, most: int) -> list[str]:
    return [topic for key in islice(old.rows, most) for topic in _own(old, key)]


def _file_topics(old: Before) -> Iterator[str]:
    for rule in old.file_rules:
        for topic in rule.topics or ():
            yield "/".join(topic.words)


def _used(source: Source) -> Iterator[str]:
    """Topics that rules read, and those that they republish to."""
    for rule in (source.export or {}).get("rules", []):
        yield from re.findall(r'"([^"\s]+)"', str(rule.get("rawsql", "")).partition("FROM")[2])
        for action in mappings(rule.get("actions")):
            args = action.get("args")
            target = args.get("target_topic") if isinstance(args, dict) else None
            if isinstance(target, str) and "${" not in target:
                yield target
