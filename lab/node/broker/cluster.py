"""A whole cluster in one process: its nodes, and the time that passes in it.

The rule: nodes are added, told of time and stopped here; what they share is `Shared`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from random import Random

from lab.node.broker.node import STATS_SECONDS, BrokerNode
from lab.node.broker.shared import Shared
from lab.node.kept.message import Message, message_id
from lab.node.kept.store import Store
from lab.node.kept.terms import Edition, Terms

TICK_SECONDS = 0.05
SWEEP_SECONDS = 60.0


class Cluster(Shared):
    """A cluster of nodes that differ by address.

    Args:
        name: for messages only (``blue``).
        version, edition: of the nodes that are added without terms of their own; the open-source edition has no licence.
        store, licence_max_sessions, clock, random: see `Shared`.

    Attributes:
        nodes: node name -> node, in the order of `add_node`.

    """

    def __init__(
        self,
        name: str,
        store: Store,
        version: str = "5.8.11",
        edition: Edition = "ee",
        licence_max_sessions: int | None = 25,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        super().__init__(store, licence_max_sessions if edition == "ee" else None, clock, random or Random())
        self.name, self.terms = name, Terms(version, edition, licence_max_sessions or None)
        self.nodes: dict[str, BrokerNode] = {}
        self._stats_due = self._sweep_due = 0.0
        self._ticker: asyncio.Task[None] | None = None

    def add_node(self, ip: str, terms: Terms | None = None, name: str = "") -> BrokerNode:
        """A new node, stopped, named ``emqx@<ip>`` unless it has another name; with the cluster's terms unless it has its own.

        Raises:
            ValueError: there is a node of that name.

        """
        node = BrokerNode(self, ip, terms or self.terms, self._node_started, name)
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

    def tick(self) -> None:
        """Do what is due: wills, expiries, keep-alives, delayed messages, the late gauges, the licence's count."""
        now = self.clock()
        self.agenda.run(now)
        self._license()
        self.licence.look(len(self.sessions), now)
        if now >= self._stats_due:
            self._stats_due = now + STATS_SECONDS
            for node in self.running_nodes():
                node.refresh_stats()
        if now >= self._sweep_due:
            self._sweep_due = now + SWEEP_SECONDS
            self.store.retained.drop_expired(now)
            self.flapping.sweep(now)
            self.aftermath.sweep(now)

    def _license(self) -> None:
        """The licence holds once every node is Enterprise, and not before (F1_ce_to_ee_mixed_and_roll)."""
        running = self.running_nodes()
        if running:
            mixed = any(node.terms.edition == "ce" for node in running)
            self.licence.max_sessions = None if mixed else running[0].terms.max_sessions

    async def stop(self) -> None:
        """Stop all nodes and the timer."""
        for node in tuple(self.nodes.values()):  # a join may be on its way
            await node.stop()
        if self._ticker is not None:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None

    def _node_started(self, node: BrokerNode) -> None:
        """A node serves: let time pass in the cluster, and look at its gauges soon."""
        self._publish_sys(node)
        node.refresh_stats()
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            self.tick()
            await asyncio.sleep(TICK_SECONDS)

    def _publish_sys(self, started: BrokerNode) -> None:
        now = self.clock()
        names = ",".join(sorted(node.name for node in self.running_nodes()))
        described = "EMQX Enterprise" if started.terms.edition == "ee" else "EMQX"
        for topic, text in (
            (f"$SYS/brokers/{started.name}/version", started.terms.version),
            (f"$SYS/brokers/{started.name}/sysdescr", described),
            ("$SYS/brokers", names),
        ):
            self.store.retained[topic] = Message(
                topic, text.encode(), retain=True, sender="emqx_sys", at=now, id=message_id(now)
            )
