"""One node of a cluster: its address, its listeners, the sessions that live on it, and what an operator can do to them.

The rule: what is per node is here, what all nodes share is in `Cluster`; the management API calls the methods of both and nothing below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from components.mqtt.reasons import Reason
from lab.node.listener import Listener
from lab.node.message import Message, message_id
from lab.node.metrics import METRICS, Gauges

if TYPE_CHECKING:
    from lab.node.channel import Channel
    from lab.node.cluster import Cluster
    from lab.node.session import Session

NodeState = Literal["stopped", "running"]
AuthPhase = Literal["open", "shut", "ready"]
STATS_SECONDS = 1.9
"""How late the gauges are (08_count_latency)."""


@dataclass(slots=True)
class ConnectFault:
    """What a test makes of every CONNECT: an answer after `delay_seconds`, and a refusal when `reason` is an MQTT 5 code."""

    reason: int | None = None
    delay_seconds: float = 0.0


class BrokerNode:
    """A node.

    Attributes:
        name: ``emqx@127.a.b.i``.  ip: its address.  cluster: where it belongs.
        state: ``running`` from the moment its MQTT listeners are open.
        auth_phase: ``open`` lets everybody in, ``shut`` refuses everybody with 0x87 / 5 (also the ``not_initialized`` window),
            ``ready`` is normal (two-cluster.md section I); the boot sequence sets it.
        metrics: the counters of `GET /metrics`, all names present.
        listeners: listener id (``tcp:default``) -> listener.
        refusing: new CONNECTs get 0x9C / 3 (evacuation); `server_reference` goes with it unless empty.
        fault: what a test does to CONNECTs.
        started_at: unix seconds; 0 while stopped.

    """

    def __init__(self, cluster: Cluster, ip: str) -> None:
        self.cluster, self.ip, self.name = cluster, ip, f"emqx@{ip}"
        self.state: NodeState = "stopped"
        self.auth_phase: AuthPhase = "ready"
        self.metrics: dict[str, int] = dict.fromkeys(METRICS, 0)
        self.gauges = Gauges()
        self.listeners: dict[str, Listener] = {}
        self.refusing = False
        self.server_reference = ""
        self.fault: ConnectFault | None = None
        self.started_at = 0.0

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Client id -> session that lives here, disconnected ones included."""
        return self.cluster.registry.on(self)

    @property
    def channels(self) -> set[Channel]:
        """The connections of all listeners, accepted as clients or not."""
        return {channel for listener in self.listeners.values() for channel in listener.channels}

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

    async def start(self, auth_phase: AuthPhase = "ready") -> None:
        """Open the enabled listeners and join the cluster; counters begin at 0.

        Raises:
            OSError: an address is taken; what was opened is closed again.

        """
        self.metrics.update(dict.fromkeys(METRICS, 0))
        self.gauges, self.auth_phase = Gauges(), auth_phase
        try:
            for kind, rows in (self.cluster.store.effective("listeners") or {}).items():
                for name in rows if kind == "tcp" else ():
                    await self.start_listener(f"{kind}:{name}")
        except OSError:
            await self._end(lambda channel: channel.abort())
            raise
        self.state, self.started_at = "running", self.cluster.clock()
        self._publish_sys()
        self.cluster.node_started(self)

    async def stop(self) -> None:
        """An orderly stop (SIGTERM): every client gets a FIN and nothing else, wills are published, RAM sessions are gone.

        Behaviour.md section 3 records the bare FIN for both protocol versions; whether wills are published was not recorded.
        """
        if self.state == "stopped":
            return
        self.state = "stopped"

        def dismiss(channel: Channel) -> None:
            session = channel.session
            channel.close(None)
            if session is not None:
                self.cluster.publish_will(session)

        await self._end(dismiss)

    async def die(self) -> None:
        """A sudden death (SIGKILL): sockets are reset, RAM sessions and wills are lost, nobody is told."""
        if self.state == "stopped":
            return
        self.state = "stopped"
        await self._end(lambda channel: channel.abort())

    async def start_listener(self, listener_id: str) -> bool:
        """Open a configured listener; False when it is disabled or open already.

        Raises:
            OSError: the address is taken.
            KeyError: there is no such listener in the configuration.

        """
        kind, _, name = listener_id.partition(":")
        config = self.cluster.store.effective("listeners")[kind][name]
        if listener_id in self.listeners or not config.get("enable", True):
            return False
        listener = Listener(self, listener_id, config)
        await listener.open()
        self.listeners[listener_id] = listener
        return True

    async def stop_listener(self, listener_id: str) -> bool:
        """Close a listener and the connections that came through it (FIN); False when it was not open."""
        listener = self.listeners.pop(listener_id, None)
        if listener is None:
            return False
        await listener.close()
        for channel in tuple(listener.channels):
            self._drop(channel)
        return True

    def refuse_connects(self, server_reference: str = "") -> None:
        """From now on every CONNECT gets CONNACK 0x9C (MQTT 5, with Server Reference when given) or 3, then FIN."""
        self.refusing, self.server_reference = True, server_reference

    def accept_connects(self) -> None:
        """Undo `refuse_connects`."""
        self.refusing, self.server_reference = False, ""

    def evict(self, count: int, server_reference: str = "") -> int:
        """Throw off up to `count` live clients now; says how many.

        MQTT 5 gets DISCONNECT 0x9C (with Server Reference when given), everybody a FIN; wills are published at once; persistent sessions
        stay as disconnected ones, clean ones are gone (behaviour.md section 3).
        """
        chosen = self.cluster.registry.live(self)[: max(count, 0)]
        for session in chosen:
            channel = session.channel
            if channel is not None:
                self.cluster.detach(session, will="now")
                channel.close(Reason.USE_ANOTHER_SERVER, server_reference)
        return len(chosen)

    def move_sessions(self, count: int, recipients: list[BrokerNode]) -> int:
        """Hand up to `count` disconnected sessions, queues included, to randomly chosen running recipients; says how many."""
        able = [node for node in recipients if node is not self and node.state == "running"]
        if not able:
            return 0
        chosen = self.disconnected_sessions()[: max(count, 0)]
        for session in chosen:
            self.cluster.registry.place(session, self.cluster.random.choice(able))
        return len(chosen)

    def live_stats(self) -> dict[str, int]:
        """The gauges of `metrics.GAUGES` as they are now (`GET /nodes` shows three of them)."""
        return self.cluster.counts(self)

    def stats(self) -> dict[str, int]:
        """`GET /nodes/:node/stats`: `.count` and `.max` of each gauge, up to two seconds old."""
        return self.gauges.rows()

    def refresh_stats(self) -> None:
        """Take a new picture of the gauges (the cluster's timer calls it)."""
        self.gauges.take(self.live_stats())

    def _publish_sys(self) -> None:
        cluster, now = self.cluster, self.cluster.clock()
        names = ",".join(sorted(node.name for node in cluster.running_nodes()))
        described = "EMQX Enterprise" if cluster.edition == "ee" else "EMQX"
        for topic, text in (
            (f"$SYS/brokers/{self.name}/version", cluster.version),
            (f"$SYS/brokers/{self.name}/sysdescr", described),
            ("$SYS/brokers", names),
        ):
            cluster.store.retained[topic] = Message(
                topic, text.encode(), retain=True, sender="emqx_sys", at=now, id=message_id(now)
            )

    async def _end(self, each: Callable[[Channel], None]) -> None:
        """Close the listeners, then every connection in this way, then forget every session."""
        listeners, self.listeners = [*self.listeners.values()], {}
        for listener in listeners:
            await listener.close()
        for channel in [channel for listener in listeners for channel in listener.channels]:
            each(channel)
        for session in tuple(self.sessions.values()):
            self.cluster.lose(session)
        self.started_at = 0.0
        await asyncio.sleep(0)

    def _drop(self, channel: Channel) -> None:
        if channel.session is not None:
            self.cluster.detach(channel.session, will="delayed")
        channel.close(None)
