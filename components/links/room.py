"""How many more clients a colour can hold: what the licence leaves, the files that its nodes may open, and what their listeners let in.

The rule: a licence counts disconnected sessions too (docs/emqx/README.md#the-licence), as ``connections`` of GET /nodes does.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from components.emqx.answers import LicenseFacts, NodeFacts
from components.emqx.base import Cluster
from components.emqx.errors import Refused
from components.emqx.known import known

FILE_RESERVE = 200
"""Files that a node needs for itself, beside one for each client."""


class Room(NamedTuple):
    """What limits a colour.

    ``licensed`` is what the licence still allows (None: nothing is licensed), ``files`` what the nodes' limits allow in all (None: unknown),
    ``doors`` what their listeners let in together (None: no limit that is known).
    """

    nodes: tuple[NodeFacts, ...]
    licence: LicenseFacts | None
    licensed: int | None
    files: int | None
    doors: int | None = None

    @property
    def limits(self) -> str:
        """What limits it, for whoever has to raise that."""
        return ", ".join(f"{one.name} max_fds {one.max_fds}" for one in self.nodes) + (
            "" if self.doors is None else f"; max_connections of the listeners {self.doors} in all"
        )


async def look_at_room(cluster: Cluster) -> Room:
    """Ask the declared nodes that are there."""
    facts = tuple(one for one in await cluster.nodes() if one.name in cluster.node_names)
    licence = await cluster.license()
    limit = licence.max_sessions if licence is not None and licence.max_sessions > 0 else None
    licensed = None if limit is None else limit - sum(one.connections or 0 for one in facts)
    running = [one for one in facts if one.running]
    known = all(one.max_fds is not None for one in running)
    files = sum(max(0, (one.max_fds or 0) - FILE_RESERVE) for one in running) if known else None
    return Room(facts, licence, licensed, files, await _doors(cluster, [one.name for one in running]))


async def _doors(cluster: Cluster, running: Collection[str]) -> int | None:
    """A client goes to the node with the fewest, so all are full when the narrowest is."""
    doors = await known(cluster.doors()) or {}
    most = [doors[name].most for name in running if name in doors]
    limits = [one for one in most if one is not None]
    return int(len(running) * min(limits)) if limits else None


async def refuse_full(cluster: Cluster, clients: int | None, step: str) -> None:
    """Refuse a step whose clients a colour has no room for, before the first of them is sent there: one refused CONNECT ends some libraries for good.

    Raises:
        Refused: with both numbers; where one of them is not known, nothing is refused.

    """
    room = await known(room_of(cluster))
    if room is None or clients is None or clients <= room:
        return
    colour = cluster.handle.colour
    raise Refused(
        f"moving the clients of {step} to {colour}",
        node=colour,
        seen=f"{clients} are to come, and it has room for {room}; nobody of them was sent there",
        todo=f"raise the licence of {colour}, the file limits of its nodes or max_connections of their listeners, or end sessions there that nobody needs, then run pulumi up again",
    )


async def room_of(cluster: Cluster) -> int | None:
    """How many more clients it can hold; None where nothing that we know limits it."""
    room = await look_at_room(cluster)
    held = sum(one.live_connections or 0 for one in room.nodes)
    bounds = [one - held for one in (room.files, room.doors) if one is not None]
    bounds += [] if room.licensed is None else [room.licensed]
    return min(bounds, default=None)
