"""One node of a cluster: its address, its listeners, and what an operator can do to the clients that are on it.

The rule: the management API calls the methods of this and of `Cluster` and nothing below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from components.mqtt.reasons import Reason
from lab.node.broker.listener import Listener
from lab.node.broker.member import AuthPhase, Member
from lab.node.broker.metrics import METRICS, Gauges
from lab.node.broker.session import Connection
from lab.node.broker.shared import Shared
from lab.node.broker.websocket import WebSocketListener
from lab.node.kept.terms import Terms

LISTENERS: Mapping[str, type[Listener]] = {"tcp": Listener, "ws": WebSocketListener}
"""The kinds that are opened; the others are configuration only."""
STATS_SECONDS = 1.9
"""How late the gauges are (08_count_latency)."""


class BrokerNode(Member):
    """A node.

    Attributes:
        listeners: listener id (``tcp:default``) -> listener.

    """

    def __init__(
        self, cluster: Shared, ip: str, terms: Terms, started: Callable[[BrokerNode], None], name: str = ""
    ) -> None:
        """A stopped node; `started` is called each time that it has opened its listeners."""
        super().__init__(cluster, ip, terms, name)
        self.listeners: dict[str, Listener] = {}
        self._started = started

    @property
    def channels(self) -> set[Connection]:
        """The connections of all listeners, accepted as clients or not."""
        return {channel for listener in self.listeners.values() for channel in listener.channels}

    async def start(self, auth_phase: AuthPhase = "ready") -> None:
        """Open the enabled listeners and join the cluster; counters begin at 0.

        Raises:
            OSError: an address is taken; what was opened is closed again.

        """
        self.metrics.update(dict.fromkeys(METRICS, 0))
        self.gauges, self.auth_phase = Gauges(), auth_phase
        try:
            for kind, rows in (self.cluster.store.effective("listeners") or {}).items():
                for name in rows if kind in LISTENERS else ():
                    await self.start_listener(f"{kind}:{name}")
        except OSError:
            await self._end(lambda channel: channel.abort())
            raise
        self.state, self.started_at = "running", self.cluster.clock()
        self._started(self)

    async def stop(self) -> None:
        """An orderly stop (SIGTERM): every client gets a FIN and nothing else, wills are published, RAM sessions are gone.

        The bare FIN is recorded for both protocol versions (docs/emqx/evacuation.md#what-clients-see); whether wills are published was not.
        """
        if self.state == "stopped":
            return
        self.state = "stopped"

        def dismiss(channel: Connection) -> None:
            session = channel.session
            channel.close(None)
            if session is not None:
                self.cluster.publish_will(session)

        await self._end(dismiss)

    async def die(self, busy: int | None = None, cut: int | None = None, *, resets: bool = True) -> None:
        """A sudden death (SIGKILL): sockets are reset, RAM sessions and wills are lost, nobody is told.

        `busy` and `cut` say how many of its clients meet trouble when they come back (`Aftermath`); None is as many as EMQX would have.
        Without `resets` the clients see a bare FIN, as those of 4.x did (V_*_boot_stop).
        """
        if self.state == "stopped":
            return
        self.state = "stopped"
        self.cluster.aftermath.begin(self.sessions, self.cluster.clock(), busy, cut)
        await self._end(lambda channel: channel.abort() if resets else channel.close(None))

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
        listener = LISTENERS[kind](self, listener_id, config)
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

    def evict(self, count: int, server_reference: str = "") -> int:
        """Throw off up to `count` live clients now; says how many.

        MQTT 5 gets DISCONNECT 0x9C (with Server Reference when given), everybody a FIN; wills are published at once; persistent sessions
        stay as disconnected ones, clean ones are gone (docs/emqx/evacuation.md#what-clients-see).
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

    async def _end(self, each: Callable[[Connection], None]) -> None:
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

    def _drop(self, channel: Connection) -> None:
        if channel.session is not None:
            self.cluster.detach(channel.session, will="delayed")
        channel.close(None)
