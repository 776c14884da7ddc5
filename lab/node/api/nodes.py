"""Status, nodes, statistics, metrics, the monitor and the licence.

Answers as in recordings 01, 02, 10 and G_*; numbers of /nodes are live, those of /stats up to two seconds late.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from lab.node.api.call import ENTERPRISE, TEXT, Answer, Call, Endpoint
from lab.node.api.errors import node_not_found
from lab.node.api.host import NO_LIMIT
from lab.node.api.paging import page_of
from lab.node.broker.node import BrokerNode

_RATES = (
    "dropped_msg_rate",
    "persisted_rate",
    "received_msg_rate",
    "sent_msg_rate",
    "transformation_failed_rate",
    "transformation_succeeded_rate",
    "validation_failed_rate",
    "validation_succeeded_rate",
)
RETRY_AFTER = {"retry-after": "15"}
GIGABYTE = 1024**3
PROCESSES = 2_097_152
"""The Erlang machine's limit, as recorded (``process_available``)."""


async def status(call: Call) -> Answer:
    """GET /status: running as soon as HTTP is there, also while the node evacuates."""
    if call.query.get("format") == "json":
        body: Any = {"broker_status": "started", "app_status": "running", "node_name": call.here}
        return Answer(body, headers=RETRY_AFTER)
    text = f"Node {call.here} is started\nemqx is running"
    return Answer(text.encode(), media=TEXT, headers=RETRY_AFTER)


_EDITIONS = {"ee": "Enterprise", "ce": "Opensource"}


def _node(call: Call, node: BrokerNode) -> dict[str, Any]:
    load1, load5, load15 = os.getloadavg()
    total, used = call.managed.memory()
    return {
        "node": node.name,
        "version": node.terms.version,
        "otp_release": "27.3.4.1/15.2.7",
        "load1": round(load1, 2),
        "uptime": node.uptime_ms,
        "edition": _EDITIONS[node.terms.edition],
        "role": "core",
        "node_status": "running",
        "max_fds": call.managed.max_files(),
        "load15": round(load15, 2),
        "load5": round(load5, 2),
        "connections": node.connections,
        "cluster_sessions": len(call.managed.cluster.sessions),
        "live_connections": node.live_connections,
        "log_path": str(call.managed.place(node.name) / "log"),
        "memory_total": f"{total / GIGABYTE:.2f}G",
        "memory_used": f"{used / GIGABYTE:.2f}G",
        "process_available": PROCESSES,
        # Three processes for a connection, and those of a node that does nothing.
        "process_used": 461 + 3 * node.live_connections,
        "sys_path": sys.prefix,
    }


async def nodes(call: Call) -> Answer:
    """GET /nodes: running members with numbers, stopped ones with three words."""
    joining = call.managed.joining()
    rows = [_node(call, node) for node in call.managed.visible(call.here) if node.name not in joining]
    stopped = call.managed.stopped(call.here)
    return Answer(rows + [{"node": name, "role": "core", "node_status": "stopped"} for name in stopped])


def running(call: Call) -> BrokerNode:
    """The running node that the path names; 404 for any other name."""
    for node in call.managed.visible(call.here):
        if node.name == call.path["node"]:
            return node
    raise node_not_found(call.path["node"])


async def node(call: Call) -> Answer:
    """GET /nodes/:node."""
    return Answer(_node(call, running(call)))


async def node_stats(call: Call) -> Answer:
    """GET /nodes/:node/stats."""
    return Answer(running(call).stats())


async def node_metrics(call: Call) -> Answer:
    """GET /nodes/:node/metrics."""
    return Answer(dict(running(call).metrics))


async def stats(call: Call) -> Answer:
    """GET /stats; the aggregate adds cluster_sessions of all nodes, N times too large on N nodes, as EMQX does."""
    rows = [node.stats() for node in call.managed.visible(call.here)]
    if call.query.get("aggregate") == "true":
        # Retained and delayed messages are one table for all: EMQX shows them once.
        once = ("retained.", "delayed.", "topics.")
        return Answer({name: _sum(name, rows, once) for name in rows[0]})
    return Answer([{"node": node.name} | node.stats() for node in reversed(call.managed.visible(call.here))])


def _sum(name: str, rows: list[dict[str, int]], once: tuple[str, ...]) -> int:
    values = [row[name] for row in rows]
    return max(values) if name.startswith(once) else sum(values)


async def metrics(call: Call) -> Answer:
    """GET /metrics: exact at once; one object per node, or their sum."""
    visible = call.managed.visible(call.here)
    if call.query.get("aggregate") == "true":
        return Answer({name: sum(node.metrics[name] for node in visible) for name in visible[0].metrics})
    return Answer([{"node": node.name} | node.metrics for node in visible])


def _current(call: Call, visible: list[BrokerNode]) -> dict[str, Any]:
    rows = [node.stats() for node in visible]
    first = rows[0]
    quota = call.managed.licensed_sessions() if call.managed.edition == "ee" else None
    return {
        "topics": first["topics.count"],
        "subscriptions": sum(row["subscriptions.count"] for row in rows),
        "connections": sum(row["connections.count"] for row in rows),
        "live_connections": sum(row["live_connections.count"] for row in rows),
        "retained_msg_count": first["retained.count"],
        "shared_subscriptions": sum(row["subscriptions.shared.count"] for row in rows),
        **({} if quota is None else {"license_quota": quota}),
        **{name: call.managed.sampler.rate(name, [node.name for node in visible]) for name in _RATES},
    }


async def monitor_current(call: Call) -> Answer:
    """GET /monitor_current."""
    body = _current(call, call.managed.visible(call.here))
    body |= {
        "disconnected_durable_sessions": 0,
        "subscriptions_durable": 0,
        "subscriptions_ram": body["subscriptions"],
    }
    return Answer(body)


async def monitor_node(call: Call) -> Answer:
    """GET /monitor_current/nodes/:node."""
    found = running(call)
    return Answer(_current(call, [found]) | {"node_uptime": found.uptime_ms})


async def monitor(call: Call) -> Answer:
    """GET /monitor: a row a second, those in which a sample was taken with numbers."""
    latest = call.query.get("latest", "3600")
    span = int(latest) if latest.isdigit() else 3600
    end = int(call.now())
    samples = {int(sample["time_stamp"]) // 1000: sample for sample in call.managed.sampler.samples}
    return Answer([samples.get(at, {"time_stamp": at * 1000}) for at in range(end - span, end)])


async def licence(call: Call) -> Answer:
    """GET /license, Enterprise only: the built-in evaluation licence, or one with as many sessions as were asked for."""
    sessions = call.managed.cluster.nodes[call.here].terms.max_sessions or NO_LIMIT
    return Answer(
        {
            "type": "trial",
            "max_sessions": sessions,
            "start_at": "2024-04-18",
            "max_connections": sessions,
            "customer_type": 10,
            "expiry_at": "2029-04-17",
            "customer": "Evaluation",
            "deployment": "trial",
            "email": "contact@emqx.io",
            "expiry": False,
        }
    )


async def alarms(call: Call) -> Answer:
    """GET /alarms: the lab raises none of its own."""
    return Answer(page_of([], call.query))


async def sessions_count(call: Call) -> Answer:
    """GET /sessions_count: 0 while the session history is off, which is the default."""
    _ = call
    return Answer(0)


async def plugins(call: Call) -> Answer:
    """GET /plugins: none are installed."""
    _ = call
    return Answer([])


OUTSIDE = (Endpoint("GET", "/status", status, open=True),)
ENDPOINTS = (
    Endpoint("GET", "/status", status, open=True),
    Endpoint("GET", "/nodes", nodes),
    Endpoint("GET", "/nodes/{node}", node),
    Endpoint("GET", "/nodes/{node}/stats", node_stats),
    Endpoint("GET", "/nodes/{node}/metrics", node_metrics),
    Endpoint("GET", "/stats", stats),
    Endpoint("GET", "/metrics", metrics),
    Endpoint("GET", "/monitor", monitor),
    Endpoint("GET", "/monitor_current", monitor_current),
    Endpoint("GET", "/monitor_current/nodes/{node}", monitor_node),
    Endpoint("GET", "/license", licence, editions=ENTERPRISE),
    Endpoint("GET", "/alarms", alarms),
    Endpoint("GET", "/sessions_count", sessions_count),
    Endpoint("GET", "/plugins", plugins),
)
