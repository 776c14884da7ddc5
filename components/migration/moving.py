"""A conversion as the links of a cutover take it: what is imported, what is sent after it, what the nodes need, what green must show, and the account.

The rule kept here: what is expected of green is made of what was written for it, never of green; contents have another shape there, so only
what is there is held against it, and what it means is proven by the proof and asked of the live clusters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from typing import Any, NamedTuple

from components.migration import hop_43_44, hop_44_5
from components.migration.facts import Facts
from components.migration.hop_42_43.convert import convert as convert_42
from components.migration.hop_44_5.acl import RULES
from components.migration.hop_44_5.authn import identifier
from components.migration.hop_44_5.result import archive_stem
from components.migration.hop_44_5.users import AUTHENTICATOR
from components.migration.inventory import ANY, Inventory, Section
from components.migration.manifest import Account, BadSource
from components.migration.permissions.before import Before
from components.migration.permissions.compare import Proof
from components.migration.prove import before_of, converted_users, prove_conversion, used
from components.migration.prove_4x import prove_4x
from components.migration.requests import Request
from components.migration.surroundings import source_of

DECISIONS = 200_000
"""Of one proof inside an update; ``python -m components.migration prove`` asks ten times as many."""
_USERS = f"users:{AUTHENTICATOR.replace('%3A', ':')}"


@dataclass(frozen=True)
class Moving:
    """All of it.

    Args:
        origin: version of blue.
        target: version of green.
        archive_name: the name that the archive must keep.
        archive: what the data import takes.
        requests: what is sent after it, in this order.
        bootstrap: files of green's nodes, before their first start.
        account: what became of each item.
        proof: who may do what, before and after.
        expected: what green must show, by keys.
        before: how blue decides.
        keys: name and bytes of an archive with keys of applications, which only somebody who logs in may import; None where there is none.

    """

    origin: str
    target: str
    archive_name: str
    archive: bytes
    requests: tuple[Request, ...]
    bootstrap: Mapping[str, str]
    account: Account
    proof: Proof
    expected: Inventory
    before: Before
    keys: tuple[str, bytes] | None = field(default=None, repr=False)


class Keys(NamedTuple):
    """How keys of applications come to a green of 5.x: imported by somebody who logs in, or by a file of its nodes; ``own`` is the one by which we work there."""

    imported: bool = False
    own: str = ""


_NO_LOGIN = Keys()


def moving(
    facts: Facts, *, now: float, jwt_key: str = "", topics: Sequence[str] = (), keys: Keys = _NO_LOGIN
) -> Moving:
    """Convert 4.4 to 5.x, 4.3 to 4.4, or 4.2 to 4.3, and prove it on the same data.

    Args:
        facts: what was given of blue, with the plan.
        now: unix seconds: it names the archive and decides which bans are over.
        jwt_key: the one source of keys that 5.x holds, where blue has more.
        topics: further topics to ask for.
        keys: how those of applications come to green.

    Raises:
        BadSource: the source is refused: file, place and remedy are in it.

    """
    return converted(facts, now=now, jwt_key=jwt_key, topics=topics, keys=keys)()


def converted(
    facts: Facts, *, now: float, jwt_key: str = "", topics: Sequence[str] = (), keys: Keys = _NO_LOGIN
) -> Callable[[], Moving]:
    """The same with the proof still to be made, by a call; nothing of ``facts`` is held for it from 4.4 to 5.x, so whoever has them may let go first."""
    plan, source = facts.plan, source_of(facts)
    if plan.source.line < (4, 3) <= plan.target.line < (4, 4):
        return partial(_to_43, facts, now, topics)
    if plan.source.line == (4, 3) and plan.target.line == (4, 4):
        return partial(_to_44, facts, now, topics)
    if plan.source.line != (4, 4) or plan.target.major < 5:
        raise BadSource("emqx:clusters", str(plan.source), "no conversion inside an update", "go by way of 4.4")
    options = hop_44_5.Options(plan.credential or "", jwt_key, plan.edition_to, now, keys.imported, keys.own)
    made, before = hop_44_5.convert(source, str(plan.source), str(plan.target), options), before_of(source)
    return partial(_to_5, made, before, [*used(source.export or {}), *topics])


def _to_5(made: hop_44_5.Conversion, before: Before, topics: Sequence[str]) -> Moving:
    return Moving(
        origin=made.origin,
        target=made.target,
        archive_name=made.archive_name,
        archive=made.archive,
        requests=made.requests,
        bootstrap=made.bootstrap,
        account=made.account,
        proof=prove_conversion(made, before, topics, DECISIONS),
        expected=expected_of(made),
        before=before,
        keys=made.keys,
    )


def _to_43(facts: Facts, now: float, topics: Sequence[str]) -> Moving:
    """The document without built-in rules, which are sent in 4.2's order; without an export only files are converted."""
    made = convert_42(facts)
    name = facts.export.file if facts.export else ""
    files = {file: text for file, text in made.texts.items() if file != name}
    document, sides = made.texts.get(name, "{}"), made.sides
    left = hop_43_44.Converted(document, made.requests, files, made.account, sides.old, sides.new)
    return _inside_4(facts, now, left, prove_4x(facts, topics, DECISIONS))


def _to_44(facts: Facts, now: float, topics: Sequence[str]) -> Moving:
    made = hop_43_44.convert(facts)
    return _inside_4(facts, now, made, hop_43_44.prove(facts, made, tuple(topics), DECISIONS))


def _inside_4(facts: Facts, now: float, made: hop_43_44.Converted, proof: Proof) -> Moving:
    plan, data = facts.plan, json.loads(made.document)
    sections: dict[str, Section] = {
        "rules": _keys([*_ids(data, "rules"), *_sent(made.requests, "/rules")]),
        "resources": _keys([*_ids(data, "resources"), *_sent(made.requests, "/resources")]),
    }
    for kind in ("username", "clientid"):
        sections[f"users:{kind}"] = _keys(login for one, login in made.new.users if one == kind)
        sections[f"acl:{kind}"] = _keys(_rows(made.new, kind))
    sections["acl:all"] = _keys(_rows(made.new, "all"))
    return Moving(
        origin=str(plan.source),
        target=str(plan.target),
        archive_name=f"{archive_stem(now)}.json",
        archive=made.document.encode(),
        requests=made.requests,
        bootstrap={PurePath(file).name: text for file, text in made.files.items()},
        account=made.account,
        proof=proof,
        expected=Inventory(dict(sections)),
        before=made.old,
    )


def _rows(side: Before, kind: str) -> Iterable[str]:
    """As the inventory of 4.3 names rules."""
    return (
        f"{'$all' if kind == 'all' else value} {row.action} {row.topic}"
        for (one, value), rows in side.rows.items()
        if one == kind
        for row in rows
    )


def _ids(data: Mapping[str, Any], section: str) -> Iterable[str]:
    return (str(row["id"]) for row in data.get(section) or () if "id" in row)


def _sent(requests: Iterable[Request], path: str) -> Iterable[str]:
    return (str(one.body["id"]) for one in requests if one.path == path and "id" in one.body)


def expected_of(made: hop_44_5.Conversion) -> Inventory:
    """The sections of green's inventory that the conversion fills; of the others nothing is expected."""
    config = made.config
    sections = {
        "authenticators": _keys(map(identifier, config["authentication"]), ordered=True),
        "authorization_sources": _keys(map(_type, config["authorization"]["sources"]), ordered=True),
        _USERS: _keys(converted_users(made)),
        "rules": _keys(config.get("rule_engine", {}).get("rules", {})),
        "banned": _keys(f"{one.body['as']}:{one.body['who']}" for one in made.requests if one.path == "/banned"),
        "topic_metrics": _keys(one.body["topic"] for one in made.requests if one.path == "/mqtt/topic_metrics"),
        **{root: _keys(_typed(config.get(root, {}))) for root in ("connectors", "actions", "sources")},
        "acl_clients": _keys(_holders(made, "clients", "clientid")),
        "acl_users": _keys(_holders(made, "users", "username")),
        "acl_all": _keys(map(_rule, _rows_of_all(made)), ordered=True),
    }
    return Inventory(sections)


def _holders(made: hop_44_5.Conversion, kind: str, key: str) -> Iterable[str]:
    """Whose rules are sent."""
    return (str(one[key]) for request in made.requests if request.path == f"{RULES}/{kind}" for one in request.body)


def _rows_of_all(made: hop_44_5.Conversion) -> Iterable[Mapping[str, Any]]:
    return (rule for request in made.requests if request.path == f"{RULES}/all" for rule in request.body["rules"])


def _keys(names: Iterable[str], *, ordered: bool = False) -> Section:
    return Section(dict.fromkeys(names, ANY), ordered=ordered)


def _type(source: Mapping[str, Any]) -> str:
    return str(source["type"])


def _rule(rule: Mapping[str, Any]) -> str:
    return f"{rule['permission']} {rule['action']} {rule['topic']}"


def _typed(root: Mapping[str, Any]) -> Iterable[str]:
    return (f"{kind}:{name}" for kind, named in root.items() for name in named)
