"""How a node boots when it takes its time: MQTT before HTTP, a cluster of its own first, then the join.

The rule: the steps and their seconds are those of docs/emqx/cluster.md#fresh-start, times one factor; a node that is told to boot
at once goes through none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from lab.node.api.host import Host
from lab.node.api.server import ApiServer
from lab.node.kept.store import Store
from lab.node.scaled import Scaled

JOIN_SECONDS, RETURN_SECONDS = 0.3, 1.0
"""How long healthy nodes answer 500 at least, when a member joins or leaves, and when one comes back (D1_roll_plain_ce_5.8.8_5.8.9: up to 1.0 s)."""


@dataclass(frozen=True)
class Delays(Scaled):
    """Seconds of the recorded boot (I_boot_fresh_cluster, I_boot_of_a_node_with_authentication).

    ``mqtt`` until the port opens; ``open`` and ``shut`` are the times in which everybody, then nobody gets in; ``http``
    until the API's port opens after MQTT's; ``mute`` 404 for all but /status; ``alone`` as a cluster of one;
    ``down`` closed for the join; ``joining`` the users call answers not_initialized after it; ``behind`` is how much later than the
    first the other nodes begin (the recorded second and third were 3.1 s and 3.2 s behind it).
    """

    mqtt: float = 3.8
    open: float = 1.6
    shut: float = 3.2
    http: float = 5.4
    mute: float = 0.2
    alone: float = 0.5
    down: float = 1.2
    joining: float = 4.0
    behind: float = 3.1


@dataclass(frozen=True)
class Joining(Scaled):
    """Seconds of joining and leaving a cluster that runs (docs/emqx/cluster.md#joining-a-running-cluster, docs/emqx/cluster.md#leaving).

    ``alone`` as a cluster of its own that looks for the others; ``down`` closed for the join; ``again`` open to everybody after it,
    ``refuses`` to nobody, then right; ``trouble`` in which healthy nodes answer 500; ``leaving`` open to everybody while it leaves, and closed
    before it is back; ``closing`` open to everybody between SIGTERM and the end (open source).
    """

    alone: float = 2.6
    down: float = 2.2
    again: float = 1.0
    refuses: float = 0.3
    trouble: float = 2.0
    leaving: float = 1.3
    closing: float = 0.8


class Boot:
    """The boot of all nodes of a host, each with its API server; `delays` are those of this run."""

    def __init__(self, host: Host, servers: Mapping[str, ApiServer], delays: Delays) -> None:
        """Nothing starts yet."""
        self.host, self.servers, self.delays = host, servers, delays

    async def all(self) -> None:
        """All nodes at once; the first one that is there is the cluster, the others join it one after the other."""
        names = list(self.host.cluster.nodes)
        for name in names[1:]:
            self.host.lonely[name] = Store()
        await asyncio.gather(self._one(names[0], first=True), *(self._behind(name) for name in names[1:]))

    async def _behind(self, name: str) -> None:
        await asyncio.sleep(self.delays.behind)
        await self._one(name, first=False)

    async def _one(self, name: str, *, first: bool) -> None:
        """Start one node slowly; ``first`` is the node that the others join, which stays up."""
        host, delays, node = self.host, self.delays, self.host.cluster.nodes[name]
        host.alone.add(name)
        host.mute.add(name)
        await asyncio.sleep(delays.mqtt)
        host.evacuations.resume(name)
        await node.start("open")
        await asyncio.sleep(delays.open)
        node.auth_phase = "shut"
        await asyncio.sleep(delays.shut)
        node.auth_phase = "ready"
        await asyncio.sleep(max(0.0, delays.http - delays.open - delays.shut))
        await self.servers[name].start()
        await asyncio.sleep(delays.mute)
        host.mute.discard(name)
        if first:
            host.alone.discard(name)
            return
        await asyncio.sleep(delays.alone)
        await self._join(name)

    async def _join(self, name: str) -> None:
        """Close, and come back as a member: what was written to the lonely node is gone (I_write_before_join)."""
        host, delays, node = self.host, self.delays, self.host.cluster.nodes[name]
        await self.servers[name].stop()
        await node.stop()
        host.lonely.pop(name, None)
        await asyncio.sleep(delays.down)
        host.alone.discard(name)
        host.trouble(name, joins=True, seconds=min(delays.joining, 2.0))
        host.evacuations.resume(name)
        await node.start("shut")
        await self.servers[name].start()
        await asyncio.sleep(delays.joining)
        node.auth_phase = "ready"
