"""What the dashboard's monitor keeps: a sample of the cluster every 10 s, and message rates over the last seconds.

Source: recording 02 (GET /monitor, /monitor_current).
"""

from __future__ import annotations

from collections import deque
from typing import Any

from lab.node.broker.cluster import Cluster

SAMPLE_SECONDS = 10
KEPT = 360
_COUNTER = {
    "dropped_msg_rate": "messages.dropped",
    "persisted_rate": "messages.persisted",
    "received_msg_rate": "messages.received",
    "sent_msg_rate": "messages.sent",
    "transformation_failed_rate": "messages.transformation_failed",
    "transformation_succeeded_rate": "messages.transformation_succeeded",
    "validation_failed_rate": "messages.validation_failed",
    "validation_succeeded_rate": "messages.validation_succeeded",
}


class Sampler:
    """Looks at the counters when it is told to; reads nothing by itself."""

    def __init__(self) -> None:
        """No samples yet."""
        self.samples: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._at = 0.0
        self._counters: dict[str, dict[str, int]] = {}
        self._rates: dict[str, dict[str, int]] = {}
        self._sampled: dict[str, int] = {}

    def look(self, cluster: Cluster, now: float) -> None:
        """Renew the rates, and keep a sample when ten seconds have passed."""
        seconds = max(now - self._at, 0.001)
        counters = {
            node.name: {name: node.metrics[name] for name in _COUNTER.values()} for node in cluster.running_nodes()
        }
        for node, row in counters.items():
            before = self._counters.get(node, row)
            self._rates[node] = {
                name: round(max(0, row[key] - before[key]) / seconds) for name, key in _COUNTER.items()
            }
        self._at, self._counters = now, counters
        if not self.samples or now * 1000 - self.samples[-1]["time_stamp"] >= SAMPLE_SECONDS * 1000:
            self.samples.append(self._sample(cluster, now))

    def rate(self, name: str, nodes: list[str]) -> int:
        """Messages per second of the nodes together, for a name of /monitor_current."""
        return sum(self._rates.get(node, {}).get(name, 0) for node in nodes)

    def _sample(self, cluster: Cluster, now: float) -> dict[str, Any]:
        total = {key: sum(row[key] for row in self._counters.values()) for key in _COUNTER.values()}
        moved = {key: max(0, value - self._sampled.get(key, value)) for key, value in total.items()}
        self._sampled = total
        nodes = cluster.running_nodes()
        subscriptions = sum(len(session.subscriptions) for session in cluster.sessions.values())
        return {
            "dropped": moved["messages.dropped"],
            "sent": moved["messages.sent"],
            "topics": nodes[0].stats()["topics.count"] if nodes else 0,
            "subscriptions": subscriptions,
            "transformation_failed": 0,
            "validation_failed": 0,
            "persisted": 0,
            "connections": sum(node.connections for node in nodes),
            "received": moved["messages.received"],
            "disconnected_durable_sessions": 0,
            "subscriptions_durable": 0,
            "subscriptions_ram": subscriptions,
            "live_connections": sum(node.live_connections for node in nodes),
            "transformation_succeeded": 0,
            "validation_succeeded": 0,
            "time_stamp": int(now) * 1000,
        }
