"""A whole cluster in one process: its nodes, who is connected where, and what happens to sessions, wills and messages.

The rule: every change of a session's place or life goes through here, so that registry, subscriptions, counters and deadlines agree.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Literal

from components.mqtt.properties import Property
from components.mqtt.reasons import Reason
from lab.node.agenda import Agenda
from lab.node.authn import Authenticator
from lab.node.authz import Authorizer
from lab.node.broker import STATS_SECONDS, BrokerNode
from lab.node.delayed import DelayedQueue
from lab.node.flapping import Flapping
from lab.node.licence import Licence
from lab.node.limits import Limits
from lab.node.message import Message, message_id
from lab.node.publishing import Publishing
from lab.node.registry import Registry
from lab.node.session import Session
from lab.node.store import Store
from lab.node.subscriptions import Subscriptions

TICK_SECONDS = 0.05
SWEEP_SECONDS = 60.0


class Cluster:
    """A cluster of nodes that differ by address.

    Args:
        name: for messages only (``blue``).
        store: what is replicated.
        version: ``5.8.11``.
        edition: ``ee`` or ``ce``; the open-source edition has no licence.
        licence_max_sessions: of the licence; None or 0 for no limit.
        clock: unix seconds.
        random: chooses the recipients of moved sessions and makes client ids.

    Attributes:
        nodes: node name -> node, in the order of `add_node`.
        registry: which session lives where; takeover and the API ask it.
        subscriptions, limits, authenticator, authorizer, licence, agenda, delayed, publishing: the parts.

    """

    def __init__(
        self,
        name: str,
        store: Store,
        version: str = "5.8.11",
        edition: Literal["ee", "ce"] = "ee",
        licence_max_sessions: int | None = 25,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        self.name, self.store, self.version, self.edition, self.clock = name, store, version, edition, clock
        self.random = random or Random()
        self.nodes: dict[str, BrokerNode] = {}
        self.registry = Registry()
        self.subscriptions = Subscriptions()
        self.agenda = Agenda()
        self.licence = Licence(licence_max_sessions if edition == "ee" else None)
        self.limits = Limits.of(store.effective("mqtt"))
        self.authenticator, self.authorizer = Authenticator(store), Authorizer(store)
        self.flapping = Flapping(store)
        self.publishing = Publishing(self)
        self.delayed = DelayedQueue(store, self.agenda, self._publish_delayed)
        self._stats_due = self._sweep_due = 0.0
        self._ticker: asyncio.Task[None] | None = None
        store.watch(self._config_changed)

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Client id -> session, of all nodes."""
        return self.registry.sessions

    def add_node(self, ip: str) -> BrokerNode:
        """A new node, stopped, named ``emqx@<ip>``.

        Raises:
            ValueError: there is a node of that name.

        """
        node = BrokerNode(self, ip)
        if node.name in self.nodes:
            raise ValueError(f"{node.name} is a member of {self.name} already")
        self.nodes[node.name] = node
        return node

    def remove_node(self, name: str) -> None:
        """Forget a stopped node.

        Raises:
            ValueError: it runs.
            KeyError: there is none of that name.

        """
        if self.nodes[name].state != "stopped":
            raise ValueError(f"{name} runs; stop it first")
        del self.nodes[name]

    def running_nodes(self) -> list[BrokerNode]:
        """The nodes that serve."""
        return [node for node in self.nodes.values() if node.state == "running"]

    def kick(self, client_id: str) -> bool:
        """End a client's session wherever it lives; False when there is none.

        A live MQTT 5 client gets DISCONNECT 0x98, everybody a FIN; the will is published at once even with a delay; the session is gone
        (behaviour.md section 11, two-cluster.md section E).
        """
        session = self.sessions.get(client_id)
        if session is None:
            return False
        channel = session.channel
        if channel is not None:
            session.expiry = 0
            self.detach(session, will="now")
            channel.close(Reason.ADMINISTRATIVE_ACTION)
        else:
            self.publish_will(session)
            self.terminate(session)
        return True

    def publish(self, message: Message, node: BrokerNode | None = None) -> int:
        """Publish a message with no further questions (`POST /publish` passes every rule): retained table, subscribers.

        Args:
            message: `at` and `id` may be left at their defaults.
            node: whose counters move; the first running node when None.

        Returns:
            The number of subscriptions that it went to; 0 when no node runs.

        """
        taker = node or next(iter(self.running_nodes()), None)
        return self.publishing.publish(message, taker) if taker is not None else 0

    def publish_will(self, session: Session) -> None:
        """Publish a session's will now, if it has one that is not published."""
        will, session.will = session.will, None
        if will is None:
            return
        now = self.clock()
        properties = {key: value for key, value in will.properties.items() if key != Property.WILL_DELAY}
        message = Message(
            will.topic,
            will.payload,
            will.qos,
            will.retain,
            session.client_id,
            session.username or "",
            now,
            message_id(now),
            properties,
        )
        self.publishing.publish_as(session, message)

    def detach(self, session: Session, *, will: Literal["now", "delayed", "none"]) -> None:
        """The connection of a session ends; the caller closes the channel.  Nothing happens when it has none.

        A persistent session stays until its expiry, any other ends here.  A will is published now, after its delay, or dropped.
        """
        if session.untie() is None:
            return
        session.node.metrics["client.disconnected"] += 1
        now = self.clock()
        self.flapping.disconnected(session.client_id, now)
        session.disconnected_at = now
        session.epoch += 1
        self._settle_will(session, will, now)
        if session.expiry <= 0:
            self.terminate(session)
        elif session.expiry < 0xFFFFFFFF:
            epoch = session.epoch
            self.agenda.add(now + session.expiry, lambda: self._expire(session, epoch))

    def terminate(self, session: Session) -> None:
        """A session ends: subscriptions, queue and registry entry are gone; what a shared subscription gave it goes to others."""
        self.publish_will(session)
        unfinished = session.unfinished_shared()
        self.lose(session)
        session.node.metrics["session.terminated"] += 1
        for delivery in unfinished:
            self.subscriptions.hand_on(delivery, self.clock())

    def lose(self, session: Session) -> None:
        """Forget a session without will or counter, as the death of its node does; its channel, if any, has none from then on."""
        session.untie()
        if self.registry.forget(session):
            session.epoch += 1
            self.subscriptions.remove_all(session)

    def counts(self, node: BrokerNode) -> dict[str, int]:
        """The gauges of a node as they are now."""
        mine = node.sessions.values()
        filters = sum(len(session.subscriptions) for session in mine)
        shared = sum(1 for session in mine for name in session.subscriptions if name.startswith(("$share/", "$queue/")))
        return {
            "connections": node.connections,
            "live_connections": node.live_connections,
            "channels": node.connections,
            "sessions": node.connections,
            "cluster_sessions": len(self.sessions),
            "topics": len({name for session in self.sessions.values() for name in session.subscriptions}),
            "suboptions": filters,
            "subscribers": sum(1 for session in mine if session.subscriptions),
            "subscriptions": filters,
            "subscriptions.shared": shared,
            "retained": len(self.store.retained),
            "delayed": len(self.store.delayed),
        }

    def tick(self) -> None:
        """Do what is due: wills, expiries, keep-alives, delayed messages, the late gauges, the licence's count."""
        now = self.clock()
        self.agenda.run(now)
        self.licence.look(len(self.sessions), now)
        if now >= self._stats_due:
            self._stats_due = now + STATS_SECONDS
            for node in self.running_nodes():
                node.refresh_stats()
        if now >= self._sweep_due:
            self._sweep_due = now + SWEEP_SECONDS
            self.store.retained.drop_expired(now)
            self.flapping.sweep(now)

    def node_started(self, node: BrokerNode) -> None:
        """A node serves: let time pass in the cluster, and look at its gauges soon."""
        node.refresh_stats()
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop all nodes and the timer."""
        for node in self.nodes.values():
            await node.stop()
        if self._ticker is not None:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None

    async def _run(self) -> None:
        while True:
            self.tick()
            await asyncio.sleep(TICK_SECONDS)

    def _settle_will(self, session: Session, will: Literal["now", "delayed", "none"], now: float) -> None:
        if session.will is None or will == "none":
            session.will = None
            return
        delay = min(int(session.will.properties.get(Property.WILL_DELAY, 0)), session.expiry)
        if will == "now" or delay <= 0:
            self.publish_will(session)
            return
        epoch = session.epoch
        self.agenda.add(now + delay, lambda: self.publish_will(session) if session.epoch == epoch else None)

    def _expire(self, session: Session, epoch: int) -> None:
        if session.epoch == epoch and session.channel is None:
            self.terminate(session)

    def _publish_delayed(self, message: Message, node: str) -> None:
        self.publish(message, self.nodes.get(node))

    def _config_changed(self, root: str) -> None:
        if root == "mqtt":
            self.limits = Limits.of(self.store.effective("mqtt"))
        elif root == "flapping_detect":
            self.flapping.configure()
