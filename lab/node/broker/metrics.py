"""The counters of a node under the names of `GET /metrics` and the gauges of `GET /stats` (02_nodes_cluster_stats, G_metrics_by_kind_of_connect).

Counters start at 0 with the node and are exact; the gauges of `/stats` are a picture that is up to two seconds old.
"""

from __future__ import annotations

from typing import Any

from components.mqtt import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)

_COUNTERS = {
    "authentication": "failure success success.anonymous",
    "authorization": "allow cache_hit cache_miss deny matched.allow matched.deny nomatch superuser",
    "bytes": "received sent",
    "client": "auth.anonymous authenticate authorize connack connect connected disconnected subscribe unsubscribe",
    "delivery": "dropped dropped.expired dropped.no_local dropped.qos0_msg dropped.queue_full dropped.too_large",
    "messages": "acked delayed delivered dropped dropped.await_pubrel_timeout dropped.no_subscribers forward persisted publish qos0.received qos0.sent qos1.received qos1.sent qos2.received qos2.sent received sent transformation_failed transformation_succeeded validation_failed validation_succeeded",
    "overload_protection": "delay.ok delay.timeout gc hibernation new_conn",
    "packets": "auth.received auth.sent connack.auth_error connack.error connack.sent connect.received disconnect.received disconnect.sent pingreq.received pingresp.sent puback.inuse puback.missed puback.received puback.sent pubcomp.inuse pubcomp.missed pubcomp.received pubcomp.sent publish.auth_error publish.dropped publish.error publish.inuse publish.received publish.sent pubrec.inuse pubrec.missed pubrec.received pubrec.sent pubrel.missed pubrel.received pubrel.sent received sent suback.sent subscribe.auth_error subscribe.error subscribe.received unsuback.sent unsubscribe.error unsubscribe.received",
    "session": "created discarded resumed takenover terminated",
}

METRICS: tuple[str, ...] = tuple(f"{group}.{name}" for group, names in _COUNTERS.items() for name in names.split())
"""All names that `GET /metrics` answers."""

GAUGES: tuple[str, ...] = (
    "connections",
    "live_connections",
    "channels",
    "sessions",
    "cluster_sessions",
    "topics",
    "suboptions",
    "subscribers",
    "subscriptions",
    "subscriptions.shared",
    "retained",
    "delayed",
)
"""`GET /stats` answers each with `.count` and `.max`."""

_BOTH = (Publish, Puback, Pubrec, Pubrel, Pubcomp, Auth, Disconnect)
RECEIVED: dict[type[Any], str] = {
    kind: f"packets.{kind.__name__.lower()}.received" for kind in (Connect, Subscribe, Unsubscribe, Pingreq, *_BOTH)
}
SENT: dict[type[Any], str] = {
    kind: f"packets.{kind.__name__.lower()}.sent" for kind in (Connack, Suback, Unsuback, Pingresp, *_BOTH)
}
"""Packet type -> its counter, for what a server receives and sends."""
MESSAGES_RECEIVED = ("messages.qos0.received", "messages.qos1.received", "messages.qos2.received")
MESSAGES_SENT = ("messages.qos0.sent", "messages.qos1.sent", "messages.qos2.sent")


class Gauges:
    """The late picture of a node's numbers, with the highest value of each since the node started."""

    __slots__ = ("_counts", "_highest")

    def __init__(self) -> None:
        self._counts = dict.fromkeys(GAUGES, 0)
        self._highest = dict.fromkeys(GAUGES, 0)

    def take(self, counts: dict[str, int]) -> None:
        """Replace the picture."""
        self._counts = counts
        for name, value in counts.items():
            self._highest[name] = max(self._highest[name], value)

    def rows(self) -> dict[str, int]:
        """Name with `.count` and `.max` -> value."""
        out: dict[str, int] = {}
        for name in GAUGES:
            out[f"{name}.count"], out[f"{name}.max"] = self._counts[name], self._highest[name]
        return out
