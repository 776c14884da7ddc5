"""One node as its connections see it: its cluster, its counters, and whether it lets anybody in.

The rule: what is per node is here, what all nodes share is in `Shared`; nothing here opens or closes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lab.node.broker.metrics import METRICS, Gauges
from lab.node.broker.session import Session
from lab.node.broker.shared import Shared
from lab.node.kept.terms import Terms

NodeState = Literal["stopped", "running"]
AuthPhase = Literal["open", "shut", "ready"]


@dataclass(slots=True)
class ConnectFault:
    """What a test makes of every CONNECT: an answer after `delay_seconds`, and a refusal when `reason` is an MQTT 5 code."""

    reason: int | None = None
    delay_seconds: float = 0.0


class Member:
    """A member of a cluster.

    Attributes:
        name: ``emqx@127.a.b.i``, or with a host name.  ip: its address.  cluster: where it belongs.  terms: its release and ``emqx.conf``.
        state: ``running`` from the moment its MQTT listeners are open.
        auth_phase: ``open`` lets everybody in, ``shut`` refuses everybody with 0x87 / 5 (also the ``not_initialized`` window),
            ``ready`` is normal (docs/emqx/cluster.md#fresh-start); the boot sequence sets it.
        metrics: the counters of `GET /metrics`, all names present.
        refusing: new CONNECTs get 0x9C / 3 (evacuation); `server_reference` goes with it unless empty.
        fault: what a test does to CONNECTs.  route_hole: seconds in which nothing is routed to a session that this node takes over from another
            one (docs/emqx/moving.md#take-over-has-a-small-hole); 0 unless a test sets it.
        started_at: unix seconds; 0 while stopped.

    """

    def __init__(self, cluster: Shared, ip: str, terms: Terms, name: str = "") -> None:
        self.cluster, self.ip, self.name, self.terms = cluster, ip, name or f"emqx@{ip}", terms
        self.state: NodeState = "stopped"
        self.auth_phase: AuthPhase = "ready"
        self.metrics: dict[str, int] = dict.fromkeys(METRICS, 0)
        self.gauges = Gauges()
        self.refusing = False
        self.server_reference = ""
        self.fault: ConnectFault | None = None
        self.route_hole = 0.0
        self.started_at = 0.0

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Client id -> session that lives here, disconnected ones included."""
        return self.cluster.registry.on(self)

    @property
    def live_connections(self) -> int:
        """How many MQTT clients are connected (after CONNACK 0)."""
        return len(self.cluster.registry.live(self))

    @property
    def connections(self) -> int:
        """Sessions of this node, live or not, as `GET /nodes` counts `connections`."""
        return len(self.sessions)

    @property
    def uptime_ms(self) -> int:
        """Milliseconds since the start; 0 while stopped."""
        return int((self.cluster.clock() - self.started_at) * 1000) if self.started_at else 0

    def disconnected_sessions(self) -> list[Session]:
        """The persistent sessions whose client is away."""
        return [session for session in self.sessions.values() if session.channel is None]

    def refuse_connects(self, server_reference: str = "") -> None:
        """From now on every CONNECT gets CONNACK 0x9C (MQTT 5, with Server Reference when given) or 3, then FIN."""
        self.refusing, self.server_reference = True, server_reference

    def accept_connects(self) -> None:
        """Undo `refuse_connects`."""
        self.refusing, self.server_reference = False, ""

    def live_stats(self) -> dict[str, int]:
        """The gauges of `metrics.GAUGES` as they are now (`GET /nodes` shows three of them)."""
        return self.cluster.counts(self)

    def stats(self) -> dict[str, int]:
        """`GET /nodes/:node/stats`: `.count` and `.max` of each gauge, up to two seconds old."""
        return self.gauges.rows()

    def refresh_stats(self) -> None:
        """Take a new picture of the gauges (the cluster's timer calls it)."""
        self.gauges.take(self.live_stats())
