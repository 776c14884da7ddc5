"""Old nodes leave the cluster that they shared, in the one safe order: nobody left on them, replicas moved, stopped, forced out, their data set aside.

The rule: a node is stopped before it is forced out. One that leaves while it runs goes on alone with empty tables, and nodes that restart with
its name among their seeds join *it*: everything is lost, and everything answers 200 (recording G1_offline_sessions_by_takeover_and_seeds_trap).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from components.cutover.words import Colour
from components.emqx.base import Cluster, of_colour
from components.emqx.errors import Refused
from components.emqx.known import known
from components.keepers.base import NodeKeeper
from components.links.storage import move_replicas
from components.run.run import Run
from components.run.waiting import until

GONE_SECONDS = 30.0
"""A stopped node is off the list of the running after 1.5 s, a forced out one after 0.5 s (recording C1_green_stopped_then_force_leave_ce)."""


async def leave(
    run: Run, old: Cluster, stays: Colour, keeper: NodeKeeper | None, *, sessions_may_end: bool
) -> dict[str, Any]:
    """Let the nodes of ``old`` leave the cluster of the colour that stays; those that have left already are passed over.

    ``old`` is asked as a colour; a node that has died is forced out like one that was stopped. ``keeper`` is None where the nodes are not ours.

    Raises:
        Refused: clients, sessions or durable storage are on them, or they run and are not ours to stop.
        GaveUp: a node does not go. NotNow, Unreachable: nobody who stays answers; the next run goes on.

    """
    new, names = run.clusters[stays], old.node_names
    members = of_colour(old, await new.nodes())
    await _refuse_used(old, new, sessions_may_end=sessions_may_end)
    running = sorted(name for name, facts in members.items() if facts.running)
    if running and keeper is None:
        raise theirs(old.handle.colour, running)
    storage = await move_replicas(run, old, new, may_end=sessions_may_end)
    if keeper is not None:
        for name in names:
            await run.act("leave", node=name, phase="stop")
            await keeper.stop(name)
    await _until_gone(run, new, names, "stopped")
    for name in names:
        if name in members:
            await run.act("leave", node=name, phase="force out")
            await new.force_leave(name)
    await _until_gone(run, new, names, "gone")
    aside = [await keeper.set_aside(name) for name in names] if keeper is not None else []
    run.progress(f"{old.handle.colour} has left the cluster of {stays}: {', '.join(names)}")
    moved = {"storage": storage} if storage else {}
    return {"left": sorted(members), "aside": [str(place) for place in aside if place is not None], **moved}


def theirs(colour: Colour, running: Collection[str]) -> Refused:
    """What has to be done with nodes that are not ours to stop."""
    return Refused(
        f"letting {colour} leave its cluster",
        node=colour,
        seen=f"{', '.join(running)} run, and they are not ours to stop",
        todo="stop these nodes and take them off their start scripts, then run pulumi up again: it forces them out;"
        " forced out while they run they would go on alone with empty tables",
    )


async def _refuse_used(old: Cluster, new: Cluster, *, sessions_may_end: bool) -> None:
    """The balancer has refused this before; it may have been long ago."""
    live = {name: facts.live_connections for name, facts in of_colour(old, await new.nodes()).items()}
    clients = {name: count for name, count in live.items() if count}
    totals = await known(old.session_totals())
    sessions = 0 if totals is None else totals.connected + totals.offline
    if clients or (sessions and not sessions_may_end):
        seen = f"clients are connected: {clients}" if clients else f"{sessions} sessions are on it"
        todo = "declare it again and run pulumi up until its drain is done"
        raise Refused(f"letting {old.handle.colour} leave its cluster", node=old.handle.colour, seen=seen, todo=todo)


async def _until_gone(run: Run, new: Cluster, names: Collection[str], how: str) -> None:
    """Until no node that stays sees one of them running (``stopped``), or at all (``gone``)."""

    async def look() -> tuple[bool | None, str]:
        seen = await asyncio.gather(*(new.nodes(node=name, patience_seconds=0) for name in new.node_names))
        still = {one.name for facts in seen for one in facts if one.name in names and (one.running or how == "gone")}
        return (None if still else True), f"still in the cluster's list: {', '.join(sorted(still)) or 'none'}"

    await until(
        run,
        look,
        tried=f"waiting until the old nodes are {how}",
        node=new.handle.colour,
        todo="look at the node that is named; the next pulumi up goes on here",
        limit_seconds=GONE_SECONDS,
    )
