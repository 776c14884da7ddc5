"""Clients that a cluster knows and that nobody is: sessions whose connection is nowhere, for what only looks at a large fleet.

The rule: whatever is counted or listed tells of them as of any other; they hear nothing, say nothing and never come back, so nobody may be
moved whose coming is to be seen.  A process here may open 20,000 files, and a fleet has more devices.
"""

from __future__ import annotations

from components.mqtt.packets import Packet, Publish
from lab.node.broker.cluster import Cluster
from lab.node.broker.session import Session

PREFIX = "known-"
EXPIRY_SECONDS = 3600


class Nowhere:
    """A connection without a socket."""

    def __init__(self) -> None:
        """Not tied yet."""
        self.tied: Session | None = None

    @property
    def session(self) -> Session | None:
        """The session that names this connection as its own."""
        return self.tied if self.tied is not None and self.tied.channel is self else None

    def send(self, packet: Packet) -> None:
        """Nobody reads it."""

    def send_message(self, packet: Publish, qos: int) -> bool:  # noqa: ARG002  -- as any connection
        """Nobody reads it."""
        return True

    def close(self, reason: int | None, server_reference: str = "") -> None:
        """Nobody is told."""

    def abort(self) -> None:
        """Nobody is told."""


def make_known(cluster: Cluster, count: int, now: float) -> None:
    """So many clients, spread over the running nodes; every second speaks MQTT 5 and has a session that persists."""
    nodes = cluster.running_nodes()
    for number in range(count):
        session = Session(f"{PREFIX}{number}", nodes[number % len(nodes)], now)
        if number % 2:
            session.level, session.clean_start, session.expiry = 5, False, EXPIRY_SECONDS
        session.peer = ("127.0.0.1", 1 + number % 65_535)
        session.tie(Nowhere())
        cluster.registry.place(session, session.node)
