"""Users and rules of emqx_auth_mnesia from 4.3 on (V_4.3.22_auth_mnesia, V_4.4.19_auth_mnesia): no hash is shown, no superuser is kept.

The rule: a rule is one action of one topic; a rule that comes again replaces the old one and is the newest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lab.node.kept.old import OldRule, OldUser
from lab.node.v4.asked import Asked, Way, ok, page, said
from lab.node.v4.hashes import salted
from lab.node.v4.judges import ALL, EVERYBODY
from lab.node.v4.line import MNESIA

USERS = {"auth_clientid": "clientid", "auth_username": "username"}
RULES_LIMIT = 50
ACTIONS = {"pub": ("pub",), "sub": ("sub",), "pubsub": ("sub", "pub")}


def put_rule(rules: dict[tuple[str, str], list[OldRule]], key: tuple[str, str], rule: OldRule) -> None:
    """Keep a rule in the place of an older one of that topic and action."""
    kept = [one for one in rules.get(key, ()) if (one.topic, one.action) != (rule.topic, rule.action)]
    rules[key] = [*kept, rule]


def _hash(asked: Asked, password: str) -> bytes:
    return salted(asked.colony.settings.get("auth.mnesia.password_hash", "sha256"), password, asked.colony.random)


def _add(asked: Asked, kind: str, body: dict[str, Any]) -> str:
    """``ok``, or the word of what is wrong."""
    name, password = body.get(kind), body.get("password")
    if not name or not isinstance(name, str):
        return "login"
    if not password or not isinstance(password, str):
        return "password"
    if (kind, name) in asked.tables.users:
        return "existed"
    asked.tables.users[kind, name] = OldUser(name, _hash(asked, password), asked.now_ms())
    return "ok"


def _users(kind: str) -> Callable[[Asked], dict[str, Any]]:
    def handler(asked: Asked) -> dict[str, Any]:
        rows = [user for (its, _), user in reversed(asked.tables.users.items()) if its == kind]
        part = asked.query.get(f"_like_{kind}")
        if part is not None:
            rows = [user for user in rows if part in user.login]
        return page(asked, rows, lambda user: _shown(kind, user), filtered=part is not None)

    return handler


def _shown(kind: str, user: OldUser) -> dict[str, Any]:
    return {kind: user.login, "created_at": user.created_ms}


def _create(kind: str) -> Callable[[Asked], dict[str, Any]]:
    def handler(asked: Asked) -> dict[str, Any]:
        if isinstance(asked.body, list):
            answers = {str(one.get(kind, "")): _add(asked, kind, one) for one in asked.body}
            return ok({name: word if word == "ok" else f"{{error,{word}}}" for name, word in answers.items()})
        word = _add(asked, kind, asked.object())
        return ok() if word == "ok" else said(word)

    return handler


def _user(kind: str) -> Callable[[Asked], dict[str, Any]]:
    def handler(asked: Asked) -> dict[str, Any]:
        user = asked.tables.users.get((kind, asked.path["login"]))
        return ok({} if user is None else _shown(kind, user))

    return handler


def _change(kind: str) -> Callable[[Asked], dict[str, Any]]:
    def handler(asked: Asked) -> dict[str, Any]:
        password, user = asked.object().get("password"), asked.tables.users.get((kind, asked.path["login"]))
        if user is None:
            return said("noexisted")
        if not password:
            return said("password")
        asked.tables.users[kind, user.login] = replace(user, secret=_hash(asked, password))
        return ok()

    return handler


def _delete(kind: str) -> Callable[[Asked], dict[str, Any]]:
    def handler(asked: Asked) -> dict[str, Any]:
        asked.tables.users.pop((kind, asked.path["login"]), None)
        return ok()

    return handler


def key_of(body: dict[str, Any]) -> tuple[str, str]:
    """Whom a rule is about."""
    for kind in ("clientid", "username"):
        if kind in body:
            return kind, str(body[kind])
    return ALL


def _add_rule(asked: Asked, body: dict[str, Any]) -> dict[str, Any]:
    """The rule as it is answered, with its ``result``."""
    key = key_of(body)
    action, access, topic = body.get("action"), body.get("access"), body.get("topic")
    shown: dict[str, Any] = {"topic": topic, "action": action, "access": access} | _who(key)
    if not topic:
        return shown | {"result": "{error,topic}"}
    if action not in ACTIONS:
        return shown | {"result": "{error,action}"}
    if access not in {"allow", "deny"}:
        return shown | {"result": "{error,access}"}
    now = asked.now_ms()
    for one in ACTIONS[action]:
        put_rule(asked.tables.rules, key, OldRule(topic, one, access == "allow", now))
    return shown | {"result": "ok"}


def _who(key: tuple[str, str]) -> dict[str, str]:
    return {"all": EVERYBODY} if key == ALL else {key[0]: key[1]}


def create_rules(asked: Asked) -> dict[str, Any]:
    """POST /acl: one, or a list, which is answered backwards."""
    if isinstance(asked.body, list):
        return ok([_add_rule(asked, one) for one in asked.body][::-1])
    found = _add_rule(asked, asked.object())
    return ok(found) if found["result"] == "ok" else said(_erlang(found))


def _erlang(row: dict[str, Any]) -> str:
    """What 4.3 says of a rule that it does not take: the term as Erlang prints it."""
    terms = {name: "undefined" if value is None else f'<<"{value}">>' for name, value in row.items()}
    inside = ",".join(f"{name} => {terms[name]}" for name in sorted(terms))
    return f"{{add,#{{{inside}}}}}"


def _row(one: tuple[tuple[str, str], OldRule]) -> dict[str, Any]:
    key, rule = one
    return {"topic": rule.topic, "action": rule.action, "access": "allow" if rule.allow else "deny"} | _who(key)


def _rules(kind: str) -> Callable[[Asked], dict[str, Any]]:
    """Pages are cut oldest first, and each is turned round (V_4.3.22_auth_mnesia 55 and 59)."""

    def handler(asked: Asked) -> dict[str, Any]:
        rows = [(key, rule) for key, rules in asked.tables.rules.items() if key[0] == kind for rule in rules]
        wanted = {name: value for name, value in asked.query.items() if name in {"access", "action", "topic"}}
        rows = [one for one in rows if all(_row(one)[name] == value for name, value in wanted.items())]
        found = page(asked, rows, lambda one: one, limit=RULES_LIMIT, hasnext=False)
        found["data"].sort(key=lambda one: one[1].created_ms, reverse=True)
        return found | {"data": [_row(one) for one in found["data"]]}

    return handler


def _rules_of(kind: str) -> Callable[[Asked], dict[str, Any]]:
    def handler(asked: Asked) -> dict[str, Any]:
        key = (kind, asked.path["login"])
        rules = sorted(asked.tables.rules.get(key, ()), key=lambda rule: rule.created_ms, reverse=True)
        return ok([_row((key, rule)) for rule in rules])

    return handler


def _delete_rule(kind: str) -> Callable[[Asked], dict[str, Any]]:
    def handler(asked: Asked) -> dict[str, Any]:
        key, topic = (kind, asked.path.get("login", "")), asked.path["topic"]
        kept = [rule for rule in asked.tables.rules.pop(key, ()) if rule.topic != topic]
        if kept:
            asked.tables.rules[key] = kept
        return ok()

    return handler


WAYS = (
    *(Way("GET", f"/{word}", _users(kind), MNESIA) for word, kind in USERS.items()),
    *(Way("POST", f"/{word}", _create(kind), MNESIA) for word, kind in USERS.items()),
    *(Way("GET", f"/{word}/{{login}}", _user(kind), MNESIA) for word, kind in USERS.items()),
    *(Way("PUT", f"/{word}/{{login}}", _change(kind), MNESIA) for word, kind in USERS.items()),
    *(Way("DELETE", f"/{word}/{{login}}", _delete(kind), MNESIA) for word, kind in USERS.items()),
    Way("POST", "/acl", create_rules, MNESIA),
    Way("GET", "/acl/$all", _rules("all"), MNESIA),
    Way("DELETE", "/acl/$all/topic/{topic}", _delete_rule("all"), MNESIA),
    *(Way("GET", f"/acl/{kind}", _rules(kind), MNESIA) for kind in USERS.values()),
    *(Way("GET", f"/acl/{kind}/{{login}}", _rules_of(kind), MNESIA) for kind in USERS.values()),
    *(Way("DELETE", f"/acl/{kind}/{{login}}/topic/{{topic}}", _delete_rule(kind), MNESIA) for kind in USERS.values()),
)
