"""Listeners through the API: configuration for all nodes, state of each; those of TCP and of WebSocket carry devices here.

Answers as in recordings 02, 06 and 07.  TLS listeners are configuration only: they are shown, stored and
exported, and never run: nor did the recordings (docs/emqx/README.md#not-run).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from lab.node.api import check, effective
from lab.node.api.call import NO_CONTENT, Answer, Call, Endpoint
from lab.node.api.errors import ApiError, bad_request, invalid, not_found
from lab.node.api.host import Host
from lab.node.broker.node import LISTENERS
from lab.node.kept.store import merged

TYPES = ("tcp", "ssl", "ws", "wss", "quic")
_ORDER = ("tcp", "ssl", "ws", "wss", "quic")


def table(managed: Host) -> dict[str, dict[str, dict[str, Any]]]:
    """Type -> name -> configuration, the shipped listeners included."""
    found: dict[str, dict[str, dict[str, Any]]] = effective.running(managed, "listeners")
    return found


async def follow_listeners(managed: Host) -> None:
    """Open and close the listeners of all running nodes so that they are as configured."""
    wanted = [
        f"{kind}:{name}"
        for kind in LISTENERS
        for name, row in table(managed).get(kind, {}).items()
        if row.get("enable", True)
    ]
    for node in managed.cluster.running_nodes():
        for ident in [one for one in node.listeners if one not in wanted]:
            await node.stop_listener(ident)
        for ident in wanted:
            await node.start_listener(ident)


def _all(call: Call) -> list[tuple[str, str, dict[str, Any]]]:
    found = table(call.managed)
    return [(kind, name, row) for kind in _ORDER for name, row in found.get(kind, {}).items()]


def _status(call: Call, node: str, ident: str, row: dict[str, Any]) -> dict[str, Any]:
    listener = call.managed.cluster.nodes[node].listeners.get(ident)
    return {
        "running": listener is not None,
        "max_connections": row.get("max_connections", "infinity"),
        "current_connections": _current(call, node, ident),
    }


def _current(call: Call, node: str, ident: str) -> int:
    # Disconnected persistent sessions still count for the listener that they came through (docs/emqx/counters.md#how-exact-and-how-late).
    sessions = call.managed.cluster.nodes[node].sessions.values()
    return sum(1 for session in sessions if session.listener == ident)


def _summary(call: Call, ident: str, row: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    found = [(node.name, _status(call, node.name, ident, row)) for node in reversed(call.managed.visible(call.here))]
    limit = row.get("max_connections", "infinity")
    together = {
        "running": any(status["running"] for _, status in found),
        "max_connections": limit if limit == "infinity" else limit * len(found),
        "current_connections": sum(status["current_connections"] for _, status in found),
    }
    return together, [{"node": name, "status": status} for name, status in found]


def _bind(row: dict[str, Any]) -> str:
    # A port alone is shown with a colon (06_listener_edit).
    text = str(row["bind"])
    return f":{text}" if text.isdigit() else text


async def listeners(call: Call) -> Answer:
    """GET /listeners: every listener with its state on all nodes."""
    rows = []
    for kind, name, row in _all(call):
        status, nodes = _summary(call, f"{kind}:{name}", row)
        rows.append(
            {
                "id": f"{kind}:{name}",
                "name": name,
                "status": status,
                "type": kind,
                "bind": _bind(row),
                "number": len(nodes),
                "enable": row.get("enable", True),
                "node_status": nodes,
                "acceptors": row.get("acceptors", 16),
            }
        )
    return Answer(rows)


async def listeners_status(call: Call) -> Answer:
    """GET /listeners_status: by type."""
    rows: list[dict[str, Any]] = []
    for kind, name, row in sorted(_all(call)):
        status, nodes = _summary(call, f"{kind}:{name}", row)
        shown = {
            "status": status,
            "type": kind,
            "enable": row.get("enable", True),
            "node_status": nodes,
            "ids": [f"{kind}:{name}"],
        }
        same = next((one for one in rows if one["type"] == kind), None)
        if same is None:
            rows.append(shown)
        else:
            same["ids"].append(f"{kind}:{name}")
    return Answer(rows)


def _find(call: Call) -> tuple[str, str, dict[str, Any]]:
    kind, colon, name = call.path["id"].partition(":")
    if not colon or kind not in TYPES:
        raise ApiError(400, "BAD_LISTENER_ID", f"Bad listener ID: {call.path['id']}")
    row = table(call.managed).get(kind, {}).get(name)
    if row is None:
        raise not_found("Listener id not found", "BAD_LISTENER_ID")
    return kind, name, row


def _shown(call: Call, kind: str, name: str, row: dict[str, Any]) -> dict[str, Any]:
    status = _status(call, call.here, f"{kind}:{name}", row)
    extra = {
        "bind": _bind(row),
        "current_connections": status["current_connections"],
        "id": f"{kind}:{name}",
        "running": status["running"],
        "type": kind,
    }
    return dict(sorted((row | extra).items()))


async def listener(call: Call) -> Answer:
    """GET /listeners/:id: of the node that answers."""
    return Answer(_shown(call, *_find(call)))


def _config(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    given = {
        key: value for key, value in body.items() if key not in {"id", "type", "name", "current_connections", "running"}
    }
    default = _default(kind)
    if fault := effective.first_fault(default, given, "root"):
        raise invalid(**fault)
    row: dict[str, Any] = merged(default, given)
    return row


def _default(kind: str) -> dict[str, Any]:
    from lab.node.kept.defaults import DEFAULTS

    found: dict[str, Any] = (DEFAULTS["listeners"].get(kind) or effective.shipped()["listeners"][kind])["default"]
    return {key: value for key, value in found.items() if key != "bind"}


def _refuse_unknown(body: dict[str, Any]) -> None:
    # EMQX tries every type of listener and lists what each of them did not know.
    known = {*_default("ws"), *_default("ssl"), "type", "name", "bind", "authentication"}
    unknown = sorted(set(body) - known)
    if unknown:
        one = {
            "unmatched": "access_rules,authentication,...",
            "unknown": ",".join(unknown),
            "reason": "unknown_fields",
            "path": "root",
        }
        kinds = ("wss", "ws", "tcp", "ssl")
        found = {f"listeners:with_name_{kind}_required_bind": one | {"kind": "validation_error"} for kind in kinds}
        # QUIC listeners have other fields; of those that the recorded body gave they lack this one too.
        more = sorted({*unknown, *({"proxy_protocol"} & set(body))})
        quic = {
            "unmatched": "bytes_rate,certfile,...",
            "unknown": ",".join(more),
            "reason": "unknown_fields",
            "path": "root",
        }
        found["listeners:with_name_quic_required_bind"] = quic | {"kind": "validation_error"}
        raise invalid(reason="matched_no_union_member", path="root", mismatches=found)


async def create(call: Call) -> Answer:
    """POST /listeners; ``id`` is no field of this body (A_setup_blue_ce_5.8.9)."""
    body = await call.body()
    if not isinstance(body, dict) or body.get("type") not in TYPES:
        raise invalid(reason="unknown listener type", path="root", kind="validation_error", field_name="type")
    _refuse_unknown(body)
    for name in ("name", "bind"):
        if name not in body:
            raise invalid(reason="required_field", path=f"root.{name}")
    kind, name = str(body["type"]), check.text(body["name"], "root.name")
    if name in table(call.managed).get(kind, {}):
        raise ApiError(400, "BAD_LISTENER_ID", "Already existed")
    row = _config(kind, body)
    await _write(call, kind, name, row)
    return Answer(_shown(call, kind, name, row))


async def update(call: Call) -> Answer:
    """PUT /listeners/:id replaces the whole; ``type`` is asked for first."""
    kind, name, _ = _find(call)
    body = await call.body()
    if not isinstance(body, dict) or body.get("type") not in TYPES:
        raise invalid(reason="unknown listener type", path="root", kind="validation_error", field_name="type")
    if body["type"] != kind or body.get("id", call.path["id"]) != call.path["id"]:
        raise ApiError(400, "BAD_LISTENER_ID", "Name or type mismatch")
    row = _config(kind, body)
    await _write(call, kind, name, row, restart=True)
    return Answer(_shown(call, kind, name, row))


async def _write(call: Call, kind: str, name: str, row: dict[str, Any] | None, *, restart: bool = False) -> None:
    root = deepcopy(table(call.managed))
    old = root.get(kind, {}).get(name, {})
    if row is None:
        del root[kind][name]
    else:
        root.setdefault(kind, {})[name] = row
    _replace(call.managed, root)
    # Limits and mountpoints are taken by a running listener; an address or the PROXY protocol need a new one.
    if (
        restart
        and row is not None
        and any(old.get(key) != row.get(key) for key in ("bind", "proxy_protocol", "enable"))
    ):
        for node in call.managed.cluster.running_nodes():
            await node.stop_listener(f"{kind}:{name}")
    await follow_listeners(call.managed)


def _replace(managed: Host, root: dict[str, Any]) -> None:
    managed.store.put("listeners", root)
    # The store lays a value on its defaults: a removed listener would come back without this.
    managed.store.effective()["listeners"] = root


async def delete(call: Call) -> Answer:
    """DELETE /listeners/:id."""
    kind, name, _ = _find(call)
    if name == "default":
        raise bad_request("The default listener cannot be removed")
    await _write(call, kind, name, None)
    return NO_CONTENT


def _operation(word: str) -> Any:
    async def act(call: Call) -> Answer:
        kind, name, row = _find(call)
        await _write(call, kind, name, row | {"enable": word != "stop"}, restart=word == "restart")
        return NO_CONTENT

    return act


ENDPOINTS = (
    Endpoint("GET", "/listeners_status", listeners_status),
    Endpoint("GET", "/listeners", listeners),
    Endpoint("POST", "/listeners", create),
    Endpoint("GET", "/listeners/{id}", listener),
    Endpoint("PUT", "/listeners/{id}", update),
    Endpoint("DELETE", "/listeners/{id}", delete),
    *(Endpoint("POST", f"/listeners/{{id}}/{word}", _operation(word)) for word in ("start", "stop", "restart")),
)
