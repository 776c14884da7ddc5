"""Users and rules of emqx_auth_mnesia of 4.2, and of its emqx_auth_clientid and emqx_auth_username (V_4.2.14_auth_mnesia).

The rule: one kind of login, hashes are shown, a rule that is asked first is the one that came first, and what is in a body is percent-decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from lab.node.kept.old import OldRule, OldUser
from lab.node.v4.asked import Asked, CrashError, Way, ok, page, said
from lab.node.v4.hashes import SALT_BYTES, digest, salted
from lab.node.v4.line import CLIENTID, MNESIA, USERNAME

LIMIT = 10
_BROKEN = re.compile(rb"%(?=..)(?![0-9A-Fa-f]{2})", re.DOTALL)
_OTHERS = {"auth_clientid": ("clientid", CLIENTID, "exitsted"), "auth_username": ("username", USERNAME, "existed")}
"""Path -> key of a body, plugin, and its word for one that is there (both as recorded)."""


def _decoded(value: Any) -> Any:
    """Text of a body: a ``%`` with two more bytes that are no escape fails, one at the end is itself (``dev/%c``)."""
    if not isinstance(value, str):
        return value
    if _BROKEN.search(value.encode()):
        raise CrashError
    return unquote(value)


def _hash(asked: Asked, password: str) -> bytes:
    return digest(asked.colony.settings.get("auth.mnesia.password_hash", "sha256"), password.encode())


def _shown(user: OldUser) -> dict[str, Any]:
    return {"login": user.login, "password": user.secret.decode(), "is_superuser": user.is_superuser}


def users(asked: Asked) -> dict[str, Any]:
    """GET /mqtt_user."""
    return page(asked, list(asked.tables.users.values()), _shown, limit=LIMIT, hasnext=False)


def _add(asked: Asked, body: dict[str, Any]) -> str:
    login, password = _decoded(body.get("login")), _decoded(body.get("password"))
    if not login:
        return "{error,login}"
    if password is None:
        raise CrashError
    if not isinstance(body.get("is_superuser"), bool):
        return "{error,is_superuser}"
    if ("login", login) in asked.tables.users:
        return "{error,existed}"
    user = OldUser(login, _hash(asked, password), is_superuser=body["is_superuser"])
    asked.tables.users["login", login] = user
    return "ok"


def create(asked: Asked) -> dict[str, Any]:
    """POST /mqtt_user: one, or a list; an answer for each login."""
    bodies = asked.body if isinstance(asked.body, list) else [asked.object()]
    return ok({str(_decoded(one.get("login", ""))): _add(asked, one) for one in bodies})


def user(asked: Asked) -> dict[str, Any]:
    """GET /mqtt_user/:login."""
    found = asked.tables.users.get(("login", asked.path["login"]))
    return ok({} if found is None else _shown(found))


def change(asked: Asked) -> dict[str, Any]:
    """PUT /mqtt_user/:login."""
    body, found = asked.object(), asked.tables.users.get(("login", asked.path["login"]))
    if found is None:
        return said("noexisted")
    secret = _hash(asked, _decoded(body["password"]))
    asked.tables.users["login", found.login] = replace(
        found, secret=secret, is_superuser=bool(body.get("is_superuser"))
    )
    return ok()


def delete(asked: Asked) -> dict[str, Any]:
    """DELETE /mqtt_user/:login."""
    asked.tables.users.pop(("login", asked.path["login"]), None)
    return ok()


def _row(login: str, rule: OldRule) -> dict[str, Any]:
    return {"topic": rule.topic, "login": login, "allow": rule.allow, "action": rule.action}


def rules(asked: Asked) -> dict[str, Any]:
    """GET /mqtt_acl: of a login oldest first."""
    rows = [(login, rule) for (_, login), kept in asked.tables.rules.items() for rule in kept]
    return page(asked, rows, lambda one: _row(*one), limit=LIMIT, hasnext=False)


def rules_of(asked: Asked) -> dict[str, Any]:
    """GET /mqtt_acl/:login: newest first; one is an object, none is ``{}``."""
    login = asked.path["login"]
    rows = [_row(login, rule) for rule in reversed(asked.tables.rules.get(("login", login), ()))]
    return ok(rows if len(rows) > 1 else rows[0] if rows else {})


def _add_rule(asked: Asked, body: dict[str, Any]) -> str:
    login, topic = _decoded(body.get("login")), _decoded(body.get("topic"))
    for name, good in (
        ("login", bool(login)),
        ("topic", bool(topic)),
        ("action", body.get("action") in {"pub", "sub", "pubsub"}),
        ("allow", isinstance(body.get("allow"), bool)),
    ):
        if not good:
            return f"{{error,{name}}}"
    rule = OldRule(topic, body["action"], body["allow"])
    kept = asked.tables.rules.setdefault(("login", login), [])
    if rule not in kept:
        kept.append(rule)
    return "ok"


def create_rules(asked: Asked) -> dict[str, Any]:
    """POST /mqtt_acl."""
    bodies = asked.body if isinstance(asked.body, list) else [asked.object()]
    return ok({str(_decoded(one.get("login", ""))): _add_rule(asked, one) for one in bodies})


def delete_rule(asked: Asked) -> dict[str, Any]:
    """DELETE /mqtt_acl/:login/:topic."""
    key = ("login", asked.path["login"])
    kept = [rule for rule in asked.tables.rules.pop(key, ()) if rule.topic != asked.path["topic"]]
    if kept:
        asked.tables.rules[key] = kept
    return ok()


def _other(word: str) -> tuple[Way, ...]:
    """The paths of emqx_auth_clientid or emqx_auth_username."""
    kind, plugin, existed = _OTHERS[word]

    def table(asked: Asked) -> dict[str, OldUser]:
        return asked.tables.clientids if kind == "clientid" else asked.tables.usernames

    def secret(asked: Asked, password: str) -> bytes:
        setting = "auth.client.password_hash" if kind == "clientid" else "auth.user.password_hash"
        return salted(asked.colony.settings.get(setting, "sha256"), password, asked.colony.random)

    def every(asked: Asked) -> dict[str, Any]:
        return ok(list(table(asked)))

    def add(asked: Asked) -> dict[str, Any]:
        body = asked.body if isinstance(asked.body, dict) else {}
        name, password = body.get(kind), body.get("password")
        if not name or not password:
            return said(kind if not name else "password")
        if name in table(asked):
            return said(existed)
        table(asked)[name] = OldUser(name, secret(asked, password))
        return ok()

    def one(asked: Asked) -> dict[str, Any]:
        found = table(asked).get(asked.path["login"])
        if found is not None:
            return ok({kind: found.login, "password": found.secret[SALT_BYTES:].decode()})
        if kind == "username":
            raise CrashError
        return said("not_found")

    return (
        Way("GET", f"/{word}", every, plugin),
        Way("POST", f"/{word}", add, plugin),
        Way("GET", f"/{word}/{{login}}", one, plugin),
        Way("PUT", f"/{word}/{{login}}", _changer(table, secret), plugin),
        Way("DELETE", f"/{word}/{{login}}", _remover(table), plugin),
    )


Table = Callable[[Asked], dict[str, OldUser]]


def _changer(table: Table, secret: Callable[[Asked, str], bytes]) -> Callable[[Asked], dict[str, Any]]:
    def handler(asked: Asked) -> dict[str, Any]:
        found = table(asked).get(asked.path["login"])
        if found is None:
            return said("not_found")
        table(asked)[found.login] = replace(found, secret=secret(asked, asked.object()["password"]))
        return ok()

    return handler


def _remover(table: Table) -> Callable[[Asked], dict[str, Any]]:
    def handler(asked: Asked) -> dict[str, Any]:
        table(asked).pop(asked.path["login"], None)
        return ok()

    return handler


WAYS = (
    Way("GET", "/mqtt_user", users, MNESIA),
    Way("POST", "/mqtt_user", create, MNESIA),
    Way("GET", "/mqtt_user/{login}", user, MNESIA),
    Way("PUT", "/mqtt_user/{login}", change, MNESIA),
    Way("DELETE", "/mqtt_user/{login}", delete, MNESIA),
    Way("GET", "/mqtt_acl", rules, MNESIA),
    Way("POST", "/mqtt_acl", create_rules, MNESIA),
    Way("GET", "/mqtt_acl/{login}", rules_of, MNESIA),
    Way("DELETE", "/mqtt_acl/{login}/{topic}", delete_rule, MNESIA),
    *_other("auth_clientid"),
    *_other("auth_username"),
)
