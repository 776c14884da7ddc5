"""The colour that clients go to, before it gets any: opened, and up behind the balancer with the nodes that it has.

The rule: on the way forward that is every declared node. On the way back it is those that run: what is dead is named and never waited for,
and nobody is sent back to what cannot hold them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from components.cutover.words import Colour, Direction, other
from components.emqx.base import Cluster
from components.emqx.errors import Refused
from components.emqx.known import known
from components.links.booting import let_back
from components.links.room import room_of
from components.routers.share import out_of_service
from components.run.run import Run
from components.run.waiting import until

ASK_SECONDS = 3.0


async def open_target(run: Run, to: Colour, without: Collection[str] = ()) -> None:
    """Stop evacuations everywhere on the target, then wait until the balancer has all of it fully up (docs/emqx/evacuation.md#all-nodes-at-once).

    A node that evacuated is down there, and did not boot: it need not show for long that it is well.
    """
    if reopened := await reopen(run, to):
        servers, outside = (await run.router.servers()).get(to, {}), out_of_service(await run.memory())
        for node in reopened:
            if node in servers and (to, node) not in outside:
                await run.set_server(to, node, "ready")
    await let_back(run, to, without)
    await wait_until_up(run, to, without)


async def reopen(run: Run, to: Colour) -> Collection[str]:
    """Stop evacuations everywhere on the target: a node that evacuates refuses every client, also those of a probe. The nodes that did."""
    api = run.clusters[to]
    closed = await api.evacuations()
    if closed:
        await run.act("open", colour=to, nodes=sorted(closed))
        await asyncio.gather(*(api.evacuation_stop(node) for node in closed))
    return sorted(closed)


async def wait_until_up(run: Run, colour: Colour, without: Collection[str] = ()) -> None:
    """Wait until the balancer has every node of the colour fully up, but those that it is ``without``; no share is given to it before."""

    async def look() -> tuple[bool | None, str]:
        health = (await run.router.health()).get(colour, {})
        down = sorted(node for node, up in health.items() if not up and node not in without)
        return (True if any(health.values()) and not down else None), f"not up: {', '.join(down) or 'no node at all'}"

    await until(
        run,
        look,
        tried=f"waiting for {colour} behind the balancer",
        node="the balancer",
        todo=f"look at the nodes of {colour} and at the health check between the balancer and their API port; one that is gone for good is to leave emqx:clusters.{colour}",
        limit_seconds=run.router.can.up_seconds,
    )


async def missing(run: Run, to: Colour, direction: Direction) -> frozenset[str]:
    """The declared nodes that the target is without: on the way back those that do not run, while others do."""
    return await _dead(run.clusters[to]) if direction == "back" else frozenset()


async def _dead(cluster: Cluster) -> frozenset[str]:
    nodes = await known(cluster.nodes(patience_seconds=ASK_SECONDS))
    running = {facts.name for facts in nodes or () if facts.running}
    gone = frozenset(cluster.node_names) - running
    return gone if gone and len(gone) < len(cluster.node_names) else frozenset()


async def refuse_too_small(run: Run, to: Colour, without: Collection[str]) -> None:
    """Say which nodes are missing on the way back and whether the others can hold everybody.

    Raises:
        Refused: they cannot; a client that a full node refuses may never come again (docs/emqx/clients.md#the-refused-connect).

    """
    if not without:
        return
    cluster, gone = run.clusters[to], ", ".join(sorted(without))
    counts = await known(run.clusters[other(to)].live_connections(patience_seconds=ASK_SECONDS))
    clients = sum((counts or {}).values())
    room = await known(room_of(cluster))
    seen = f"{gone} of {to} does not run" if len(without) == 1 else f"{gone} of {to} do not run"
    todo = f"start it, or take it out of emqx:clusters.{to} when it is gone for good"
    if room is not None and clients > room:
        left = len(cluster.node_names) - len(without)
        raise Refused(
            f"moving the clients back to {to}",
            node=to,
            seen=f"{seen}, and the other {left} have room for {room} of {clients} clients",
            todo=todo,
        )
    enough = "how many they can hold is unknown" if room is None else f"which have room for {room}"
    run.progress(f"{seen}: its clients and the {clients} of {other(to)} go to the other nodes, {enough}; {todo}")
    run.record("fact", section="missing nodes", colour=to, nodes=sorted(without), clients=clients, room=room)


def recipients(run: Run, to: Colour, without: Collection[str]) -> tuple[str, ...]:
    """The nodes that get the sessions of the other colour's evacuation, where both are one cluster; elsewhere none can."""
    return tuple(name for name in run.clusters[to].node_names if name not in without) if run.in_one_cluster else ()
