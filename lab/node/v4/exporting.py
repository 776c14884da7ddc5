"""An export of 4.x: the tables as its document has them, with every secret in it (V_*_data, docs/emqx/v4-data.md#export)."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import Any

from lab.node.kept.old import OldRule, OldTables
from lab.node.kept.records import Ban
from lab.node.kept.store import Store
from lab.node.v4.judges import ALL
from lab.node.v4.line import Line


def document(store: Store, line: Line, version: str, now: float) -> dict[str, Any]:
    """The document; 4.2 writes its whole version, later ones only the line."""
    tables = store.old
    made = {"date": datetime.fromtimestamp(now).strftime("%Y-%m-%d %H:%M:%S")}  # noqa: DTZ006  4.x writes local time
    common = {
        "rules": [_rule(one) for one in reversed(tables.engine.values())],
        "resources": [_resource(one, line) for one in tables.resources.values()],
        "blacklist": [_ban(one) for one in store.banned.values()],
        "apps": [
            {"id": app.app_id, "secret": app.secret, "name": app.name, "desc": app.desc, "status": app.status}
            | {"expired": "undefined" if app.expired is None else app.expired}
            for app in tables.apps.values()
        ],
        "users": [
            {"username": one.username, "password": _text(one.secret), "tags": one.tags}
            for one in tables.admins.values()
        ],
    }
    if line.one_kind:
        return {"version": version} | made | common | _of_42(tables) | {"schemas": []}
    return {"version": line.number} | common | _later(tables) | made


def _text(secret: bytes) -> str:
    return b64encode(secret).decode()


def _rule(kept: dict[str, Any]) -> dict[str, Any]:
    return {name: kept[name] for name in ("id", "rawsql", "actions", "enabled", "description")}


def _resource(kept: dict[str, Any], line: Line) -> dict[str, Any]:
    created = None if line.one_kind else kept.get("created_at")
    shown = {name: kept[name] for name in ("id", "type", "config", "description")}
    return shown | {"created_at": created}


def _ban(ban: Ban) -> dict[str, Any]:
    """An address is a list of the codes of its characters."""
    who: Any = [ord(letter) for letter in ban.who] if ban.kind == "peerhost" else ban.who
    return {"who": {ban.kind: who}, "by": ban.by, "reason": ban.reason, "at": int(ban.at), "until": int(ban.until or 0)}


def _of_42(tables: OldTables) -> dict[str, Any]:
    """Rules of a login newest first, though the oldest is asked first."""
    rules = [
        {"login": login, "topic": rule.topic, "action": rule.action, "allow": rule.allow}
        for (_, login), kept in tables.rules.items()
        for rule in reversed(kept)
    ]
    return {
        "auth_clientid": [{"clientid": one.login, "password": _text(one.secret)} for one in tables.clientids.values()],
        "auth_username": [{"username": one.login, "password": _text(one.secret)} for one in tables.usernames.values()],
        "auth_mnesia": [
            {"login": one.login, "password": _text(one.secret), "is_superuser": one.is_superuser}
            for one in tables.users.values()
        ],
        "acl_mnesia": rules,
    }


def _later(tables: OldTables) -> dict[str, Any]:
    users = [
        {"login": one.login, "type": kind, "password": _text(one.secret), "created_at": one.created_ms}
        for (kind, _), one in tables.users.items()
    ]
    rules = [(key, rule) for key, kept in tables.rules.items() for rule in kept]
    rules.sort(key=lambda one: one[0] != ALL)
    return {"auth_mnesia": users, "acl_mnesia": [_acl(key, rule) for key, rule in rules]}


def _acl(key: tuple[str, str], rule: OldRule) -> dict[str, Any]:
    who = {"type": "all"} if key == ALL else {"type": key[0], "type_value": key[1]}
    access = "allow" if rule.allow else "deny"
    return who | {"topic": rule.topic, "action": rule.action, "access": access, "created_at": rule.created_ms}
