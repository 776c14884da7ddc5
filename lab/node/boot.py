"""How a node boots when it takes its time: MQTT before HTTP, a cluster of its own first, then the join.

The rule: the steps and their seconds are those of two-cluster.md section I, times one factor; a node that is told to boot
at once goes through none of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.node.store import Store

if TYPE_CHECKING:
    from lab.node.process import Managed


@dataclass(frozen=True)
class Delays:
    """Seconds of the recorded boot (I_boot_fresh_cluster, I_boot_of_a_node_with_authentication).

    ``mqtt`` until the port opens; ``open`` and ``shut`` are the times in which everybody, then nobody gets in; ``http``
    until the API's port opens after MQTT's; ``mute`` 404 for all but /status; ``alone`` as a cluster of one;
    ``down`` closed for the join; ``joining`` the users call answers not_initialized after it.
    """

    mqtt: float = 3.8
    open: float = 1.6
    shut: float = 3.2
    http: float = 5.4
    mute: float = 0.2
    alone: float = 0.5
    down: float = 1.2
    joining: float = 4.0

    def scaled(self, factor: float) -> Delays:
        """All of them times ``factor``."""
        return Delays(**{name: value * factor for name, value in vars(self).items()})


async def boot(managed: Managed, name: str, delays: Delays, *, first: bool) -> None:
    """Start one node slowly; ``first`` is the node that the others join, which stays up."""
    node = managed.cluster.nodes[name]
    managed.alone.add(name)
    managed.mute.add(name)
    await asyncio.sleep(delays.mqtt)
    managed.evacuations.resume(name)
    await node.start("open")
    await asyncio.sleep(delays.open)
    node.auth_phase = "shut"
    await asyncio.sleep(delays.shut)
    node.auth_phase = "ready"
    await asyncio.sleep(max(0.0, delays.http - delays.open - delays.shut))
    await managed.servers[name].start()
    await asyncio.sleep(delays.mute)
    managed.mute.discard(name)
    if first:
        managed.alone.discard(name)
        return
    await asyncio.sleep(delays.alone)
    await join(managed, name, delays)


async def join(managed: Managed, name: str, delays: Delays) -> None:
    """Close, and come back as a member: what was written to the lonely node is gone (I_write_before_join)."""
    node = managed.cluster.nodes[name]
    await managed.servers[name].stop()
    await node.stop()
    managed.lonely.pop(name, None)
    await asyncio.sleep(delays.down)
    managed.alone.discard(name)
    managed.trouble(name, joins=True, seconds=min(delays.joining, 2.0))
    managed.evacuations.resume(name)
    await node.start("shut")
    await managed.servers[name].start()
    await asyncio.sleep(delays.joining)
    node.auth_phase = "ready"


async def boot_all(managed: Managed, factor: float) -> None:
    """All nodes at once; the first one that is there is the cluster, the others join it one after the other."""
    delays = Delays().scaled(factor)
    names = list(managed.cluster.nodes)
    for name in names[1:]:
        managed.lonely[name] = Store()
    # The recorded second and third node were 3.1 s and 3.2 s behind the first.
    starts = [boot(managed, names[0], delays, first=True)]
    starts += [_behind(managed, name, delays, 3.1 * factor) for name in names[1:]]
    await asyncio.gather(*starts)


async def _behind(managed: Managed, name: str, delays: Delays, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await boot(managed, name, delays, first=False)
