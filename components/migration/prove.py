"""Prove on the data of a source that no permission widens: every decision before and after, for the topics that are used.

The rule kept here: the side before is made of the source, the side after of what was written (requests, text, table), and neither of
the other. What databases and servers would answer is left out on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from components.migration.hop_44_5.acl import RULES, read_rows
from components.migration.hop_44_5.convert import convert, hash_name
from components.migration.hop_44_5.plugins import Plugin, is_known, read_plugins
from components.migration.hop_44_5.result import Conversion, read_archive
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.source import Options, Source, patch
from components.migration.hop_44_5.table import read_users as read_table
from components.migration.hop_44_5.users import AUTHENTICATOR, default_users, divide, read_users
from components.migration.hop_44_5.values import mappings
from components.migration.manifest import Ledger
from components.migration.permissions import after
from components.migration.permissions.after import After, Dialect, dialects
from components.migration.permissions.before import Before
from components.migration.permissions.client import Access, Client, hashed
from components.migration.permissions.compare import Proof, Question, Side, compare
from components.migration.permissions.erlang import parse
from components.migration.permissions.questions import questions
from components.migration.permissions.reach import Reach
from components.migration.permissions.written import SaltAndHash, Stored, Written
from components.migration.surroundings import WORDS, BuiltIn, surroundings

MOST_DECISIONS = 2_000_000


def before_of(source: Source) -> Before:
    """4.4's side, from the source."""
    settings = Settings(source, Ledger())
    plugins = read_plugins(source, settings)
    mnesia = next((plugin for plugin in plugins if plugin.name == "mnesia"), Plugin("mnesia", None))
    uses = mnesia.enabled is not False and (mnesia.enabled is True or not is_known(source))
    name = hash_name(plugins)
    users = {(user.kind, user.login): divide(user.stored, name) for user in read_users(source)}
    for kind, login, password in default_users(settings):
        users.setdefault((kind, login), (b"", hashed(name or "sha256", b"", password)))
    placed = read_rows(source)
    rows = {key: [one.row for one in placed.pop(key)] for key in list(placed)}
    known = surroundings(source, settings, BuiltIn(asks_rows=uses, asks_users=uses))
    return Reach(users=users, hash_name=name or "sha256", rows=rows, **known.fields())


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
        users=converted_users(conversion, str(built_in.get("password_hash_algorithm", {}).get("name", "sha256"))),
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


def converted_users(conversion: Conversion, hash_name: str = "sha256") -> Stored:
    """Salt and hash by login: those of the table, those that are sent, and those whose password is sent."""
    table = read_archive(conversion.archive).get("mnesia/emqx_authn_mnesia")
    users: dict[str, SaltAndHash | Mapping[str, Any]] = {
        login: (salt, stored) for login, salt, stored in (read_table(table) if table else ())
    }
    for request in conversion.requests:
        if "import_users" in request.path:
            users |= {row["user_id"]: row for row in request.body}
        elif request.path.endswith(f"/{AUTHENTICATOR}/users"):
            users[request.body["user_id"]] = (b"", hashed(hash_name, b"", request.body["password"]))
    return Stored(users)


def _rows(conversion: Conversion) -> Written:
    bodies: dict[str, dict[str, Sequence[Mapping[str, Any]]]] = {"all": {}, "clientid": {}, "username": {}}
    for request in conversion.requests:
        path, _, kind = request.path.rpartition("/")
        if path != RULES:
            continue
        if kind == "all":
            bodies["all"][""] = request.body["rules"]
        elif kind in ("clients", "users"):
            name = "clientid" if kind == "clients" else "username"
            bodies[name] |= {one[name]: one["rules"] for one in request.body}
    return Written(bodies)


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
    made = convert(source, from_version, to_version, options)
    return prove_conversion(made, before_of(source), [*used(source.export or {}), *topics], most)


def prove_conversion(conversion: Conversion, old: Before, topics: Iterable[str], most: int = MOST_DECISIONS) -> Proof:
    """The same of a conversion that was made already of a source that decides as ``old``; no topic is asked for but those of rules and ``topics``."""
    sides = [after_of(conversion, dialect) for dialect in dialects(patch(conversion.target))]
    return proof_of(old, sides, questions(old, topics, most), most)


def proof_of(old: Before, sides: Iterable[Side], asked: Iterable[Question], most: int) -> Proof:
    """The proof by at most so many questions, with who was not asked for and what was not given."""
    clients: dict[Client, None] = {}
    words = tuple(words for name, words in WORDS.items() if name in old.missing)
    proof = compare(old, sides, _remembered(islice(asked, most), clients), clients, words)
    names = {name for client in clients for name in (client.clientid, client.username)}
    left_out = {value for kind, value in chain(old.rows, old.users) if kind != "all" and value not in names}
    return replace(proof, left_out=len(left_out))


def _remembered(asked: Iterable[Question], clients: dict[Client, None]) -> Iterator[Question]:
    """The questions, and whoever asked them so far."""
    for question in asked:
        clients[question[0]] = None
        yield question


def used(export: Mapping[str, Any]) -> Iterator[str]:
    """Topics that rules read, and those that they republish to."""
    for rule in export.get("rules", []):
        yield from re.findall(r'"([^"\s]+)"', str(rule.get("rawsql", "")).partition("FROM")[2])
        for action in mappings(rule.get("actions")):
            args = action.get("args")
            target = args.get("target_topic") if isinstance(args, dict) else None
            if isinstance(target, str) and "${" not in target:
                yield target
