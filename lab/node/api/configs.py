"""GET and PUT /configs: the effective configuration as text, the editable part as JSON, changes as text.

Answers as in recordings 02, 06 and 13; errors of a PUT have a shape of their own without code and message.
"""

from __future__ import annotations

from typing import Any

from components.hocon.document import loads
from components.hocon.errors import HoconError
from lab.node.api import check, effective
from lab.node.api.call import JSON, TEXT, Answer, Call, Endpoint
from lab.node.api.errors import ApiError, internal, invalid
from lab.node.api.listeners import follow_listeners
from lab.node.archive.printed import dumps, fault
from lab.node.kept.store import merged

_ZONE = ("durable_sessions", "flapping_detect", "force_gc", "force_shutdown", "mqtt")
_KEYS_WITHOUT_SYMBOL = "unable_to_convert_to_enum_symbol"


async def configs(call: Call) -> Answer:
    """GET /configs: text for ``Accept: text/plain``, otherwise the roots that have a JSON form."""
    node = call.query.get("node")
    if node is not None and node not in call.managed.names():
        raise internal("throw, #{reason => unsupported_value,value => {badrpc,nodedown},options => #{indent => 0}}, []")
    roots = effective.everything(call.managed, node or call.here)
    key = call.query.get("key")
    if key is not None and (key not in roots or key in effective.HIDDEN_IN_TEXT):
        # A word that Erlang has met before is a symbol, only not one of these.
        reason = "not_a_enum_symbol" if key in roots else _KEYS_WITHOUT_SYMBOL
        raise invalid(value=key, reason=reason, path="key")
    if TEXT not in call.request.headers.get("accept", JSON):
        return Answer({root: roots[root] for root in effective.JSON_ROOTS if root in roots})
    shown = {root: value for root, value in roots.items() if root not in effective.HIDDEN_IN_TEXT}
    return Answer(dumps({key: roots[key]} if key else shown).encode(), media=TEXT)


async def put_configs(call: Call) -> Answer:
    """PUT /configs with HOCON text; ``mode`` merge (default) or replace, root by root."""
    mode = check.symbol(call.query.get("mode", "merge"), ("merge", "replace"), "mode")
    if call.request.headers.get("content-type", TEXT).startswith(JSON):
        raise internal("error, function_clause, [{emqx_conf_cli,load_config,[]}]")
    try:
        roots = loads((await call.request.body()).decode())
    except HoconError as error:
        kind, reason = fault(error)
        raise _refused({"line": error.line, "reason": reason, "type": kind}) from None
    _check(call, roots)
    for root, value in roots.items():
        base = effective.running(call.managed, root) if mode == "merge" else effective.shipped().get(root, {})
        call.managed.store.put(root, merged(base, value) if isinstance(base, dict) else value)
    if "listeners" in roots:
        await follow_listeners(call.managed)
    return Answer()


def _check(call: Call, roots: dict[str, Any]) -> None:
    errors: dict[str, Any] = {}
    for root, value in roots.items():
        if root in effective.READ_ONLY:
            key = f"cluster.{next(iter(value))}" if root == "cluster" and value else root
            raise _refused(f"Cannot update read-only key '{key}'.")
        if root not in effective.known(call.managed.edition):
            errors[root] = f'{{root_key_not_found,<<"{root}">>}}'
        elif fault := effective.first_fault(effective.running(call.managed, root), value, root):
            errors[root] = fault
    if errors:
        raise _refused(errors)


def _refused(errors: Any) -> ApiError:
    return ApiError(400, "", {"errors": errors}, {"content-type": TEXT})


async def global_zone(call: Call) -> Answer:
    """GET /configs/global_zone."""
    return Answer({root: effective.running(call.managed, root) for root in _ZONE})


async def put_global_zone(call: Call) -> Answer:
    """PUT /configs/global_zone."""
    body = await call.body()
    for root, value in body.items() if isinstance(body, dict) else ():
        if root not in _ZONE:
            raise invalid(unknown=root, reason="unknown_fields", path="root")
        if fault := effective.first_fault(effective.running(call.managed, root), value, root):
            raise invalid(**fault)
        call.managed.store.put(root, merged(effective.running(call.managed, root), value))
    return await global_zone(call)


async def one_root(call: Call) -> Answer:
    """GET /configs/:root of those that have a JSON form; any other is no path."""
    root = call.path["root"]
    if root not in (*effective.JSON_ROOTS, "limiter"):
        raise ApiError(404, "NOT_FOUND", f"Config path '{root}' not found")
    return Answer(effective.everything(call.managed, call.here)[root])


ENDPOINTS = (
    Endpoint("GET", "/configs", configs),
    Endpoint("PUT", "/configs", put_configs),
    Endpoint("GET", "/configs/global_zone", global_zone),
    Endpoint("PUT", "/configs/global_zone", put_global_zone),
    Endpoint("GET", "/configs/{root}", one_root),
)
