"""Durable storage in one cluster: its replicas go to the new nodes before the old ones leave, since a node that is gone takes its own with it.

The rule: nothing is stopped before no shard has a replica on a node that leaves, all that it has are up, and none is on its way
(docs/emqx/durable-storage.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from components.emqx.base import Cluster, of_colour
from components.emqx.effective import durable_sessions
from components.emqx.errors import Refused
from components.emqx.storage import DurableStorage, Shard
from components.run.run import Run
from components.run.waiting import until

MOVED_SECONDS = 3_600.0
"""A storage is copied as a whole; how large it is the API does not tell."""
POLL_SECONDS = 1.0
MAJORITY_OF = 3
"""With one replica of so many away the others are a majority, without which nothing is written."""


async def move_replicas(run: Run, old: Cluster, new: Cluster, *, may_end: bool = False) -> dict[str, Any]:
    """Bring every replica off the nodes of ``old``; ``{"storages", "sites"}``, or nothing where there is none.

    ``may_end`` is whether durable sessions may end with these nodes, where no other one can keep them.

    Raises:
        Refused: no node of ``new`` can keep them. GaveUp: they do not go; says which shards are left.

    """
    storage = new.storage
    sites = await storage.sites() if storage is not None else {}
    leaving = sorted(site for site, node in sites.items() if node in old.node_names)
    if storage is None or not leaving:
        return {}
    names = [name for name in await storage.storages() if await _is_on(storage, name, leaving)]
    if not names:
        return {}
    running = [name for name, facts in of_colour(new, await new.nodes()).items() if facts.running]
    stays = sorted(site for site, node in sites.items() if node in running)
    if not stays:
        seen = f"no node of {new.handle.colour} has a site of durable storage, and {', '.join(names)} is kept on {old.handle.colour}"
        if may_end:
            run.warn(seen)
            return {}
        raise _cannot(old, seen)
    for name in names:
        await run.act("storage", storage=name, sites=stays, leaving=leaving)
        kept = [site for site in await storage.replicas(name) if site not in leaving]
        await storage.place(name, {*kept, *stays})
        await _until_moved(run, storage, name, leaving, new)
        run.progress(f"durable storage {name} is on {new.handle.colour}, and on no node of {old.handle.colour}")
    return {"storages": names, "sites": stays}


async def unsettled(storage: DurableStorage | None) -> str:
    """What of a cluster's durable storage is not up, or on its way; nothing where all is at rest, or there is none."""
    if storage is None or not await storage.sites():
        return ""
    for name in await storage.storages():
        if wrong := left(name, await storage.shards(name), ()):
            return wrong
    return ""


async def stands_still(storage: DurableStorage | None) -> str:
    """What of a cluster's durable storage has no majority while one node is out; nothing where all has, or there is none."""
    if storage is None or not await storage.sites():
        return ""
    thin = {
        name: count
        for name in await storage.storages()
        if (count := sum(len(shard.replicas) < MAJORITY_OF for shard in await storage.shards(name)))
    }
    told = ", ".join(f"{count} shards of {name}" for name, count in thin.items())
    return (
        f"durable storage: {told} have fewer than {MAJORITY_OF} replicas and stand still while a node restarts"
        if told
        else ""
    )


def left(name: str, shards: Sequence[Shard], leaving: Collection[str]) -> str:
    """What keeps the nodes with these sites: replicas there, and any that are down or on their way; nothing where nothing does."""
    replicas = [(shard.id, one) for shard in shards for one in shard.replicas]
    on = sum(one.site in leaving for _, one in replicas)
    moving = sum(one.moves for _, one in replicas)
    down = sorted({one.site for _, one in replicas if one.up is False and one.site not in leaving})
    parts = [
        f"{on} replicas on nodes that leave" if on else "",
        f"{moving} on their way" if moving else "",
        f"down at {', '.join(down)}" if down else "",
    ]
    told = ", ".join(part for part in parts if part)
    return f"durable storage {name}: {told}" if told else ""


async def refuse_without_sites(cluster: Cluster) -> None:
    """Refuse a move inside one cluster whose durable sessions are kept where nothing can take them from.

    Raises:
        Refused: durable sessions are on, and the cluster has no replicated storage.

    """
    if not await durable(cluster) or (cluster.storage is not None and await cluster.storage.sites()):
        return
    raise _cannot(
        cluster,
        "durable sessions are on (durable_sessions.enable), and their storage is not replicated (GET /ds/sites)",
    )


async def durable(cluster: Cluster) -> bool:
    """Whether durable sessions are on, as far as the configuration is shown."""
    text = await cluster.configs_text(cluster.node_names[0])
    return text is not None and await asyncio.to_thread(durable_sessions, text)


async def without_site(old: Cluster, new: Cluster) -> Mapping[str, str]:
    """The nodes of ``new`` that have no site though the cluster has storages, and what that means."""
    storage = new.storage
    sites = await storage.sites() if storage is not None else {}
    if not any(node in old.node_names for node in sites.values()):
        return {}
    return {name: "no site of durable storage" for name in new.node_names if name not in sites.values()}


async def _is_on(storage: DurableStorage, name: str, leaving: Collection[str]) -> bool:
    here = {one.site for shard in await storage.shards(name) for one in shard.replicas}
    return bool((here | set(await storage.replicas(name))) & set(leaving))


async def _until_moved(run: Run, storage: DurableStorage, name: str, leaving: Collection[str], new: Cluster) -> None:
    async def look() -> tuple[bool | None, str]:
        told = left(name, await storage.shards(name), leaving)
        return (None if told else True), told

    await until(
        run,
        look,
        tried=f"moving the replicas of durable storage {name}",
        node=new.handle.colour,
        todo="look at `emqx ctl ds info` on any node; nothing was stopped, and the next pulumi up goes on here",
        limit_seconds=MOVED_SECONDS,
        every_seconds=POLL_SECONDS,
    )


def _cannot(cluster: Cluster, seen: str) -> Refused:
    return Refused(
        f"moving the durable sessions of {cluster.handle.colour}",
        node=cluster.handle.colour,
        seen=seen,
        todo="switch durable_sessions and durable_storage on for the new nodes as the old ones have them, or use strategy two-cluster,"
        " or add `acknowledge: [sessions]` to emqx:cutover when they may end",
    )
