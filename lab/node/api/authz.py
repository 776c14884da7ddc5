"""Authorization through the API: sources in their order, settings, and the rules of the built-in database.

Answers as in recordings 04, A_reorder, C_probes; the rules' paths are a JSON 404 while the source is not configured
(docs/emqx/inventory.md#what-a-404-means).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from lab.node.api import check
from lab.node.api.call import NO_CONTENT, Answer, Call, Endpoint
from lab.node.api.errors import ApiError, bad_request, invalid, not_found
from lab.node.api.paging import page_of
from lab.node.kept.records import AclRule

BUILT_IN = "built_in_database"
_SETTINGS: dict[str, check.Check] = {"no_match": check.text, "deny_action": check.text, "cache": check.anything}
_DEFAULTS: dict[str, dict[str, Any]] = {BUILT_IN: {"max_rules": 100}}
_KINDS = {"users": ("username", "User", "Username Not Found"), "clients": ("clientid", "Client", "ClientID Not Found")}


def sources_of(call: Call) -> list[dict[str, Any]]:
    """The configured sources in their order; a copy."""
    return deepcopy(list(call.managed.store.effective("authorization")["sources"]))


def _write(call: Call, sources: list[dict[str, Any]]) -> None:
    root = deepcopy(call.managed.store.effective("authorization"))
    call.managed.store.put("authorization", root | {"sources": sources})


def _index(sources: list[dict[str, Any]], kind: str) -> int:
    for index, source in enumerate(sources):
        if source["type"] == kind:
            return index
    raise not_found(f"Not found: {kind}")


def shown(source: dict[str, Any]) -> dict[str, Any]:
    """A source as the API answers it."""
    return dict(sorted((_DEFAULTS.get(source["type"], {}) | source).items()))


async def settings(call: Call) -> Answer:
    """GET /authorization/settings."""
    root = call.managed.store.effective("authorization")
    return Answer({key: root[key] for key in ("cache", "deny_action", "no_match")})


async def put_settings(call: Call) -> Answer:
    """PUT /authorization/settings."""
    fields = check.body_fields(await call.body(), _SETTINGS)
    for name, allowed in (("no_match", ("allow", "deny")), ("deny_action", ("ignore", "disconnect"))):
        if name in fields:
            check.symbol(fields[name], allowed, f"root.{name}")
    call.managed.store.merge("authorization", fields)
    return await settings(call)


async def sources(call: Call) -> Answer:
    """GET /authorization/sources: the order decides."""
    return Answer({"sources": [shown(source) for source in sources_of(call)]})


async def source(call: Call) -> Answer:
    """GET /authorization/sources/:type."""
    found = sources_of(call)
    return Answer(shown(found[_index(found, call.path["type"])]))


async def create_source(call: Call) -> Answer:
    """POST /authorization/sources; a new source goes to the front (04: built_in_database before file)."""
    body = await call.body()
    kind = _kind(body)
    found = sources_of(call)
    if any(one["type"] == kind for one in found):
        raise bad_request(f"{{duplicated_authz_source_type,{kind}}}")
    _write(call, [{"enable": True} | body, *found])
    return NO_CONTENT


async def put_source(call: Call) -> Answer:
    """PUT /authorization/sources/:type."""
    body = await call.body()
    found = sources_of(call)
    index = _index(found, call.path["type"])
    if _kind(body) != call.path["type"]:
        raise bad_request("Type mismatch")
    found[index] = {"enable": True} | body
    _write(call, found)
    return NO_CONTENT


def _kind(body: Any) -> str:
    if not isinstance(body, dict) or "type" not in body:
        raise invalid(reason="required_field", path="root.type")
    kind = str(body["type"])
    if kind == "file" and not isinstance(body.get("rules"), str):
        raise invalid(reason="required_field", path="root.rules")
    return kind


async def delete_source(call: Call) -> Answer:
    """DELETE /authorization/sources/:type; the rules of the built-in database go with it."""
    found = sources_of(call)
    gone = found.pop(_index(found, call.path["type"]))
    if gone["type"] == BUILT_IN:
        store = call.managed.store
        store.acl_users.clear()
        store.acl_clients.clear()
        store.acl_all.clear()
    _write(call, found)
    return NO_CONTENT


async def move_source(call: Call) -> Answer:
    """POST /authorization/sources/:type/move: front, rear, before:T, after:T."""
    body = await call.body()
    position = str(body.get("position", "")) if isinstance(body, dict) else ""
    found = sources_of(call)
    moved = found.pop(_index(found, call.path["type"]))
    where, _, other = position.partition(":")
    if position in {"front", "rear"}:
        index = 0 if position == "front" else len(found)
    elif where in {"before", "after"} and other:
        index = _index(found, other) + (where == "after")
    else:
        raise bad_request('<<"Invalid parameter. Unknow position">>')
    found.insert(index, moved)
    _write(call, found)
    return NO_CONTENT


def _table(call: Call) -> dict[str, list[AclRule]]:
    if all(one["type"] != BUILT_IN for one in sources_of(call)):
        raise not_found(f"Not found: {BUILT_IN}")
    store = call.managed.store
    return store.acl_users if call.path.get("kind") == "users" else store.acl_clients


def _names(call: Call) -> tuple[str, str, str]:
    # The router sends /rules/all elsewhere; any other third word is no path of EMQX.
    if call.path["kind"] not in _KINDS:
        raise ApiError(404, "", None)
    return _KINDS[call.path["kind"]]


def _rules(rows: Any, path: str) -> list[AclRule]:
    if not isinstance(rows, list):
        raise invalid(value=rows, reason="not_array", path=path)
    out = []
    for index, row in enumerate(rows, 1):
        for name in ("topic", "permission", "action"):
            if not isinstance(row, dict) or name not in row:
                raise invalid(reason="required_field", path=f"{path}.{index}.{name}")
        check.symbol(row["permission"], ("allow", "deny"), f"{path}.{index}.permission")
        check.symbol(row["action"], ("publish", "subscribe", "all"), f"{path}.{index}.action")
        out.append(AclRule.from_json(row))
    return out


def _row(name: str, who: str, rules: list[AclRule]) -> dict[str, Any]:
    return {name: who, "rules": [rule.to_json() for rule in rules]}


async def rules(call: Call) -> Answer:
    """GET .../rules/users and /clients: newest first, as an Erlang table lists them in the recordings."""
    name, _, _ = _names(call)
    table = _table(call)
    like = call.query.get(f"like_{name}")
    rows = [_row(name, who, one) for who, one in reversed(table.items()) if like is None or like in who]
    return Answer(page_of(rows, call.query, fuzzy=like is not None))


async def create_rules(call: Call) -> Answer:
    """POST .../rules/users and /clients with a list."""
    name, word, _ = _names(call)
    table = _table(call)
    body = await call.body()
    rows = body if isinstance(body, list) else [body]
    wanted = {str(row[name]): _rules(row.get("rules", []), "root.rules") for row in rows if name in row}
    for who in wanted:
        if who in table:
            raise ApiError(409, "ALREADY_EXISTS", f"{word} '{who}' already exist")
    table.update(wanted)
    return NO_CONTENT


async def rule(call: Call) -> Answer:
    """GET .../rules/users/:name."""
    name, _, missing = _names(call)
    table = _table(call)
    if call.path["who"] not in table:
        raise not_found(missing)
    return Answer(_row(name, call.path["who"], table[call.path["who"]]))


async def put_rule(call: Call) -> Answer:
    """PUT .../rules/users/:name."""
    _names(call)
    table = _table(call)
    body = await call.body()
    table[call.path["who"]] = _rules(body.get("rules", []) if isinstance(body, dict) else [], "root.rules")
    return NO_CONTENT


async def delete_rule(call: Call) -> Answer:
    """DELETE .../rules/users/:name."""
    _, _, missing = _names(call)
    if _table(call).pop(call.path["who"], None) is None:
        raise not_found(missing)
    return NO_CONTENT


async def all_rules(call: Call) -> Answer:
    """GET .../rules/all."""
    _table(call)
    return Answer({"rules": [rule.to_json() for rule in call.managed.store.acl_all]})


async def put_all_rules(call: Call) -> Answer:
    """POST and PUT .../rules/all replace the list."""
    _table(call)
    body = await call.body()
    rows = body.get("rules", []) if isinstance(body, dict) else []
    call.managed.store.acl_all[:] = _rules(rows, "root.rules")
    return NO_CONTENT


async def delete_all_rules(call: Call) -> Answer:
    """DELETE .../rules/all."""
    _table(call)
    call.managed.store.acl_all.clear()
    return NO_CONTENT


_RULES = "/authorization/sources/built_in_database/rules"
ENDPOINTS = (
    Endpoint("GET", "/authorization/settings", settings),
    Endpoint("PUT", "/authorization/settings", put_settings),
    Endpoint("GET", "/authorization/sources", sources),
    Endpoint("POST", "/authorization/sources", create_source),
    Endpoint("GET", f"{_RULES}/all", all_rules),
    Endpoint("POST", f"{_RULES}/all", put_all_rules),
    Endpoint("PUT", f"{_RULES}/all", put_all_rules),
    Endpoint("DELETE", f"{_RULES}/all", delete_all_rules),
    Endpoint("GET", f"{_RULES}/{{kind}}", rules),
    Endpoint("POST", f"{_RULES}/{{kind}}", create_rules),
    Endpoint("GET", f"{_RULES}/{{kind}}/{{who}}", rule),
    Endpoint("PUT", f"{_RULES}/{{kind}}/{{who}}", put_rule),
    Endpoint("DELETE", f"{_RULES}/{{kind}}/{{who}}", delete_rule),
    Endpoint("GET", "/authorization/sources/{type}", source),
    Endpoint("PUT", "/authorization/sources/{type}", put_source),
    Endpoint("DELETE", "/authorization/sources/{type}", delete_source),
    Endpoint("POST", "/authorization/sources/{type}/move", move_source),
)
