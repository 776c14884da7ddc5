"""Rules as stored data; the part between FROM and WHERE is read, nothing is run.

Answers as in recordings 04 and 07.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from lab.node.api.call import NO_CONTENT, Answer, Call, Endpoint, timestamp
from lab.node.api.errors import bad_request, invalid, not_found
from lab.node.api.paging import page_of
from lab.node.kept.store import merged

_FROM = re.compile(r"\bFROM\b(.*?)(?:\bWHERE\b|$)", re.IGNORECASE | re.DOTALL)
_REPUBLISH = {
    "user_properties": "${user_properties}",
    "retain": False,
    "direct_dispatch": False,
    "mqtt_properties": {},
    "qos": 0,
    "payload": "${payload}",
}


def _table(call: Call) -> dict[str, dict[str, Any]]:
    return dict(call.managed.store.effective("rule_engine")["rules"])


def _write(call: Call, table: dict[str, dict[str, Any]]) -> None:
    root = deepcopy(call.managed.store.effective("rule_engine"))
    call.managed.store.put("rule_engine", root | {"rules": table})


def topics(sql: str) -> list[str]:
    """The topics and events that a rule selects from; empty when the SQL has no FROM."""
    match = _FROM.search(sql)
    return [] if match is None else [part.strip().strip('"') for part in match.group(1).split(",") if part.strip()]


def _shown(rule: str, config: dict[str, Any]) -> dict[str, Any]:
    meta = config.get("metadata", {})
    return {
        "id": rule,
        "name": config.get("name", ""),
        "description": config.get("description", ""),
        "enable": config.get("enable", True),
        "from": topics(config["sql"]),
        "created_at": timestamp(meta.get("created_at", 0) / 1000, milliseconds=True),
        "actions": [_action(action) for action in config.get("actions", [])],
        "last_modified_at": timestamp(meta.get("last_modified_at", 0) / 1000, milliseconds=True),
        "sql": config["sql"],
    }


def _action(action: Any) -> Any:
    if not isinstance(action, dict) or action.get("function") != "republish":
        return action
    return {"args": merged(_REPUBLISH, action.get("args", {})), "function": "republish"}


def _config(body: Any, now: float, old: dict[str, Any] | None = None) -> dict[str, Any]:
    if not isinstance(body, dict) or not isinstance(body.get("sql"), str):
        raise invalid(reason="required_field", path="root.sql")
    if not topics(body["sql"]):
        raise bad_request("{select_and_transform_error,missing_from_clause}")
    at = int(now * 1000)
    created = at if old is None else old.get("metadata", {}).get("created_at", at)
    given = {key: value for key, value in body.items() if key != "id"}
    return given | {"metadata": {"created_at": created, "last_modified_at": at}}


async def rules(call: Call) -> Answer:
    """GET /rules, newest first; the one list whose limit has no upper bound."""
    rows = [_shown(rule, config) for rule, config in reversed(_table(call).items())]
    return Answer(page_of(rows, call.query, top=None))


async def create(call: Call) -> Answer:
    """POST /rules."""
    body = await call.body()
    table = _table(call)
    rule = str(body.get("id") or f"rule_{int(call.now() * 1e6):x}") if isinstance(body, dict) else ""
    if rule in table:
        raise bad_request("rule id already exists")
    table[rule] = _config(body, call.now())
    _write(call, table)
    return Answer(_shown(rule, table[rule]), 201)


def _existing(call: Call) -> dict[str, Any]:
    found = _table(call).get(call.path["id"])
    if found is None:
        raise not_found("Rule Id Not Found")
    return found


async def rule(call: Call) -> Answer:
    """GET /rules/:id."""
    return Answer(_shown(call.path["id"], _existing(call)))


async def update(call: Call) -> Answer:
    """PUT /rules/:id."""
    config = _config(await call.body(), call.now(), _existing(call))
    _write(call, _table(call) | {call.path["id"]: config})
    return Answer(_shown(call.path["id"], config))


async def delete(call: Call) -> Answer:
    """DELETE /rules/:id."""
    _existing(call)
    table = _table(call)
    del table[call.path["id"]]
    _write(call, table)
    return NO_CONTENT


ENDPOINTS = (
    Endpoint("GET", "/rules", rules),
    Endpoint("POST", "/rules", create),
    Endpoint("GET", "/rules/{id}", rule),
    Endpoint("PUT", "/rules/{id}", update),
    Endpoint("DELETE", "/rules/{id}", delete),
)
