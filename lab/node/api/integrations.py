"""Connectors, actions, sources, bridges and rules as stored data: kept, shown, exported and imported, never run.

A connector to nowhere looks as it does on a cluster that cannot reach its target (recording 04): disconnected when
enabled, stopped when not.  Passwords are masked in answers, headers are not (docs/emqx/config.md#the-effective-configuration).
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from lab.node.api.call import NO_CONTENT, Answer, Call, Endpoint
from lab.node.api.errors import bad_request, invalid, not_found
from lab.node.api.types import DEFAULTS_OF, HTTP_HEADERS
from lab.node.kept.store import merged

MASK = "******"
_SECRET = re.compile(r"password|secret|token", re.IGNORECASE)
_STAMPED = ("actions", "sources")


def entries(call: Call, root: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Type -> name -> configuration of one of the three roots; the store's own."""
    return dict(call.managed.store.effective(root))


def _find(call: Call, root: str) -> tuple[str, str, dict[str, Any]]:
    kind, _, name = call.path["id"].partition(":")
    found = entries(call, root).get(kind, {}).get(name)
    if found is None:
        word = root.removesuffix("s")
        raise not_found(f"{word.capitalize()} lookup failed: {word} named '{name}' of type {kind} does not exist.")
    return kind, name, found


def _put(call: Call, root: str, kind: str, name: str, config: dict[str, Any] | None) -> None:
    table = deepcopy(entries(call, root))
    if config is None:
        del table[kind][name]
        if not table[kind]:
            del table[kind]
    else:
        table.setdefault(kind, {})[name] = config
    call.managed.store.put(root, table)


def shown(
    call: Call, root: str, kind: str, name: str, config: dict[str, Any], *, created: bool = False
) -> dict[str, Any]:
    """One entry as the API answers it: its state on every node, who uses it, then its configuration with defaults."""
    status, reason = _state(root, enabled=bool(config.get("enable", True)))
    nodes = [
        {"node": node, "status": status} | ({"status_reason": reason} if reason else {})
        for node in call.managed.names()
    ]
    # A list is answered from the last node to the first, a creation in order (04).
    out: dict[str, Any] = {
        "name": name,
        "status": status,
        "type": kind,
        "node_status": nodes if created else nodes[::-1],
    }
    if root == "connectors":
        out |= {"actions": _using(call, "actions", kind, name), "sources": _using(call, "sources", kind, name)}
    else:
        out |= {"error": reason, "rules": _rules_using(call, f"{kind}:{name}")}
    if reason:
        out["status_reason"] = reason
    given = {"description": ""} | ({"headers": HTTP_HEADERS} if (root, kind) == ("connectors", "http") else {}) | config
    config = _masked(merged(DEFAULTS_OF.get((root, kind), {}), given))
    return out | dict(config)


def _state(root: str, *, enabled: bool) -> tuple[str, str]:
    if root == "connectors":
        return ("disconnected", "Connection refused") if enabled else ("stopped", "")
    return "disconnected", "Resource not operational" if enabled else "Not installed"


def _using(call: Call, root: str, kind: str, name: str) -> list[str]:
    return [one for one, config in entries(call, root).get(kind, {}).items() if config.get("connector") == name]


def _rules_using(call: Call, ident: str) -> list[str]:
    rules = call.managed.store.effective("rule_engine")["rules"]
    return [rule for rule, config in rules.items() if ident in config.get("actions", [])]


def _masked(value: Any, key: str = "") -> Any:
    if key == "headers":
        return value
    if isinstance(value, dict):
        return {name: _masked(one, name) for name, one in value.items()}
    return MASK if isinstance(value, str) and value and _SECRET.search(key) else value


def _lister(root: str) -> Any:
    async def listing(call: Call) -> Answer:
        if root != "sources" and call.managed.lists_no_resources(call.here):
            return Answer([])
        return Answer(
            [
                shown(call, root, kind, name, config)
                for kind, table in sorted(entries(call, root).items())
                for name, config in reversed(table.items())
            ]
        )

    return listing


def _creator(root: str) -> Any:
    async def create(call: Call) -> Answer:
        body = await call.body()
        kind, name = _identity(body)
        if name in entries(call, root).get(kind, {}):
            raise bad_request(f"{root.removesuffix('s').capitalize()} already exists")
        if root != "connectors" and body.get("connector") not in entries(call, "connectors").get(kind, {}):
            raise bad_request("connector_not_found_or_wrong_type")
        config = {key: value for key, value in body.items() if key not in {"type", "name"}}
        if root in _STAMPED:
            at = int(call.now() * 1000)
            config |= {"created_at": at, "last_modified_at": at}
        _put(call, root, kind, name, config)
        return Answer(shown(call, root, kind, name, config, created=True), 201)

    return create


def _identity(body: Any) -> tuple[str, str]:
    for field in ("type", "name"):
        if not isinstance(body, dict) or not isinstance(body.get(field), str):
            raise invalid(reason="required_field", path=f"root.{field}")
    return body["type"], body["name"]


def _getter(root: str) -> Any:
    async def get(call: Call) -> Answer:
        return Answer(shown(call, root, *_find(call, root)))

    return get


def _updater(root: str) -> Any:
    async def update(call: Call) -> Answer:
        kind, name, old = _find(call, root)
        body = await call.body()
        if not isinstance(body, dict):
            raise invalid(value=body, reason="bad_value_for_struct", path="root")
        config = _unmasked(body, old)
        if root in _STAMPED:
            config |= {"created_at": old.get("created_at"), "last_modified_at": int(call.now() * 1000)}
        _put(call, root, kind, name, config)
        return Answer(shown(call, root, kind, name, config, created=True))

    return update


def _unmasked(body: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    return {key: old.get(key) if value == MASK else value for key, value in body.items()}


def _deleter(root: str) -> Any:
    async def delete(call: Call) -> Answer:
        kind, name, _ = _find(call, root)
        if root == "connectors" and (_using(call, "actions", kind, name) or _using(call, "sources", kind, name)):
            raise bad_request("Cannot delete connector while there are active channels defined for this connector")
        _put(call, root, kind, name, None)
        return NO_CONTENT

    return delete


async def bridges(call: Call) -> Answer:
    """GET /bridges: a second view of actions and sources, http under its old name (docs/emqx/inventory.md#calls)."""
    rows = []
    for root in _STAMPED:
        for kind, table in entries(call, root).items():
            old = "webhook" if kind == "http" else kind
            rows += [shown(call, root, kind, name, config) | {"type": old} for name, config in table.items()]
    return Answer(rows)


def _crud(root: str) -> tuple[Endpoint, ...]:
    return (
        Endpoint("GET", f"/{root}", _lister(root)),
        Endpoint("POST", f"/{root}", _creator(root)),
        Endpoint("GET", f"/{root}/{{id}}", _getter(root)),
        Endpoint("PUT", f"/{root}/{{id}}", _updater(root)),
        Endpoint("DELETE", f"/{root}/{{id}}", _deleter(root)),
    )


ENDPOINTS = (*_crud("connectors"), *_crud("actions"), *_crud("sources"), Endpoint("GET", "/bridges", bridges))
