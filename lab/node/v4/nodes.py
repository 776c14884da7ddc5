"""Nodes, their counters, listeners, plugins and modules (V_*_overview)."""

from __future__ import annotations

import os
from typing import Any

from components.system.address import port_of
from lab.node.broker.node import BrokerNode
from lab.node.v4 import etc
from lab.node.v4.asked import Asked, NowhereError, Way, clock, ok, said
from lab.node.v4.line import ACTIVE_MODULES, BEHIND, Line

_PROCESSES, _USED_PROCESSES = 2_097_152, 320
_RENAMED = {
    "client.acl.allow": "authorization.allow",
    "client.acl.cache_hit": "authorization.cache_hit",
    "client.acl.deny": "authorization.deny",
    "client.auth.anonymous": "authentication.success.anonymous",
    "client.auth.failure": "authentication.failure",
    "client.auth.success": "authentication.success",
    "client.auth.success.anonymous": "authentication.success.anonymous",
    "client.check_acl": "client.authorize",
    "session.takeovered": "session.takenover",
}
_WEBHOOK = "client_connack client_connect client_connected client_disconnected client_subscribe client_unsubscribe message_acked message_delivered message_publish session_subscribed session_terminated session_unsubscribed"
_LATER = ("client.acl.cache_hit", "client.auth.success.anonymous", "messages.dropped.await_pubrel_timeout")
_EARLIER = (
    "actions.failure",
    "actions.success",
    "client.acl.ignore",
    "client.auth.anonymous",
    "client.auth.ignore",
    "messages.dropped.expired",
    "rules.matched",
)
"""Counters of 4.2 alone; 4.3 and 4.4 have the same."""
_FIFTH = (
    "authentication.",
    "authorization.",
    "overload_protection.",
    "session.takenover",
    "client.authorize",
    "messages.persisted",
    "messages.transformation",
    "messages.validation",
)
"""Those of the broker that 4.x does not have, or has under another name."""


def _uptime(node: BrokerNode) -> str:
    """As Erlang's ``emqx_sys:uptime`` writes it."""
    seconds = node.uptime_ms // 1000
    parts = [(seconds // 86400, "days"), (seconds // 3600 % 24, "hours"), (seconds // 60 % 60, "minutes")]
    shown = [f"{number} {word}" for number, word in parts if number]
    return ", ".join([*shown, f"{seconds % 60} seconds"])


def _of(asked: Asked, name: str) -> tuple[BrokerNode, Line]:
    return asked.host.cluster.nodes[name], asked.colony.line_at(name)


def _broker(asked: Asked, name: str) -> dict[str, Any]:
    node, line = _of(asked, name)
    return {
        "version": node.terms.version,
        "uptime": _uptime(node),
        "sysdescr": f"{line.brand} {'Enterprise' if node.terms.edition == 'ee' else 'Broker'}",
        "otp_release": line.otp,
        "node_status": "Running",
        "node": name,
        "datetime": clock(asked.now()),
    }


def _node(asked: Asked, name: str) -> dict[str, Any]:
    node, line = _of(asked, name)
    total, used = asked.host.memory()
    loads = os.getloadavg()
    row: dict[str, Any] = {
        "version": node.terms.version,
        "uptime": _uptime(node),
        "process_used": _USED_PROCESSES,
        "process_available": _PROCESSES,
        "otp_release": line.otp,
        "node_status": "Running",
        "node": name,
        "memory_used": _size(used),
        "memory_total": _size(total),
        "max_fds": asked.host.max_files(),
        "load1": f"{loads[0]:.2f}",
        "load5": f"{loads[1]:.2f}",
        "load15": f"{loads[2]:.2f}",
        "connections": node.connections,
    }
    return row | ({"live_connections": node.live_connections} if line.live else {})


def _size(number: float) -> str:
    for unit in ("", "K", "M"):
        if number < 1024:
            return f"{number:.2f}{unit}"
        number /= 1024
    return f"{number:.2f}G"


def _stats(asked: Asked, name: str) -> dict[str, int]:
    node, line = _of(asked, name)
    counts = node.stats()
    counts |= {f"routes.{kind}": counts[f"topics.{kind}"] for kind in ("count", "max")}
    tables = asked.tables
    held = {"actions": 5, "resources": len(tables.resources), "rules": len(tables.engine)}
    counts |= {f"{gauge}.{kind}": number for gauge, number in held.items() for kind in ("count", "max")}
    return {f"{gauge}.{kind}": counts[f"{gauge}.{kind}"] for gauge in line.stats for kind in ("count", "max")}


def _metrics(asked: Asked, name: str) -> dict[str, int]:
    node, line = _of(asked, name)
    counts = node.metrics
    names = [
        one for one in counts if not one.startswith(_FIFTH) and one not in _LATER and one != "client.auth.anonymous"
    ]
    names += [one for one in (*_RENAMED, *_EARLIER, *_LATER, "messages.retained") if one not in names]
    left_out = _LATER if line.one_kind else _EARLIER
    shown = {one: counts.get(_RENAMED.get(one, one), 0) for one in names if one not in left_out}
    return shown | dict.fromkeys((f"webhook.{one}" for one in _WEBHOOK.split()), 0)


def _listeners(asked: Asked, name: str) -> list[dict[str, Any]]:
    node, line = _of(asked, name)
    found = etc.listeners(asked.colony.settings)
    rows = []
    for kind in ("ssl", "tcp", "ws", "wss"):
        for called, entry in found.get(kind, {}).items():
            port = port_of(entry["bind"])
            shown = f"mqtt:{kind}" if kind in {"ssl", "tcp"} else f"mqtt:{kind}:{port}"
            mark = f"mqtt:{kind}:{called}" if kind in {"ssl", "tcp"} else ""
            rows.append(_listener(shown, f"{node.ip}:{port}", entry["acceptors"], entry["max_conns"], mark, line))
            opened = node.listeners.get(f"{kind}:{called}")
            rows[-1]["current_conns"] = len(opened.channels) if opened else 0
        if kind == "tcp":
            rows += [
                _listener(f"http:{who}", f"{node.ip}:{port}", acceptors, 512, "", line)
                for who, port, acceptors in (("dashboard", 18083, 4), ("management", 8081, 2))
            ]
    return rows


def _listener(protocol: str, where: str, acceptors: int, most: int, mark: str, line: Line) -> dict[str, Any]:
    row: dict[str, Any] = {"shutdown_count": [], "protocol": protocol, "max_conns": most, "listen_on": where}
    row |= {"current_conns": 0, "acceptors": acceptors}
    return row | ({"identifier": mark} if line.identifiers and mark else {})


def _plugins(asked: Asked, name: str) -> list[dict[str, Any]]:
    _, line = _of(asked, name)
    by_module = {BEHIND[one["type"]] for one in asked.tables.modules if one["type"] in BEHIND}
    active = set(asked.colony.active(name)) - by_module
    return [
        {"type": kind, "name": plugin, "description": text, "active": plugin in active}
        for plugin, kind, text in line.plugins
    ]


def _modules(asked: Asked, name: str) -> list[dict[str, Any]]:
    _, line = _of(asked, name)
    return [{"name": one, "description": text, "active": one in ACTIVE_MODULES} for one, text in line.modules]


def _alarms(_asked: Asked, _name: str) -> list[dict[str, Any]]:
    return []


def _plug(asked: Asked, *, loaded: bool) -> dict[str, Any]:
    plugin = asked.path["plugin"]
    if plugin not in {name for name, _, _ in asked.line.plugins}:
        return said("not_found")
    there = plugin in asked.colony.active(asked.node())
    if there == loaded:
        return said("already_started" if loaded else "not_started")
    asked.colony.plugged(plugin, loaded=loaded)
    return ok()


def load(asked: Asked) -> dict[str, Any]:
    """PUT /nodes/:node/plugins/:plugin/load; its path is 4.x's own documents', no recording has it."""
    return _plug(asked, loaded=True)


def unload(asked: Asked) -> dict[str, Any]:
    """PUT /nodes/:node/plugins/:plugin/unload."""
    return _plug(asked, loaded=False)


def topic_metrics(_asked: Asked) -> dict[str, Any]:
    """GET /topic-metrics: its module is not loaded."""
    return said("module_not_loaded")


def telemetry(_asked: Asked) -> dict[str, Any]:
    """GET /telemetry/status: its plugin is not loaded."""
    raise NowhereError


_ONE = {"brokers": _broker, "nodes": _node}
_LISTS = {
    "stats": _stats,
    "metrics": _metrics,
    "listeners": _listeners,
    "plugins": _plugins,
    "modules": _modules,
    "alarms": _alarms,
}


def _all_of(make: Any) -> Any:
    return lambda asked: ok([make(asked, name) for name in asked.nodes()])


def _one_of(make: Any) -> Any:
    return lambda asked: ok(make(asked, asked.node()))


def _lists_of(word: str, make: Any) -> Any:
    return lambda asked: ok([{"node": name, word: make(asked, name)} for name in asked.nodes()])


modules = _lists_of("modules", _modules)
"""GET /modules of open source."""
WAYS = (
    *(Way("GET", f"/{word}", _all_of(make)) for word, make in _ONE.items()),
    *(Way("GET", f"/{word}/{{node}}", _one_of(make)) for word, make in _ONE.items()),
    *(Way("GET", f"/{word}", _lists_of(word, make)) for word, make in _LISTS.items()),
    *(Way("GET", f"/alarms/{state}", _lists_of("alarms", _alarms)) for state in ("activated", "deactivated")),
    *(Way("GET", f"/nodes/{{node}}/{word}", _one_of(make)) for word, make in _LISTS.items()),
    Way("PUT", "/nodes/{node}/plugins/{plugin}/load", load),
    Way("PUT", "/nodes/{node}/plugins/{plugin}/unload", unload),
    Way("GET", "/topic-metrics", topic_metrics),
    Way("GET", "/telemetry/status", telemetry),
)
