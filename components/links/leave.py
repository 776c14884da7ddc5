"""Old nodes leave the cluster that they shared, in the one safe order: nobody left on them, replicas moved, stopped, forced out, their data set aside.

The rule: a node is stopped before it is forced out. One that leaves while it runs goes on alone with empty tables, and nodes that restart with
its name among their seeds join *it*: everything is lost, and everything answers 200 (recording G1_offline_sessions_by_takeover_and_seeds_trap).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Literal

from components.cutover.words import Colour
from components.emqx.answers import NodeFacts
from components.emqx.base import Cluster, of_colour
from components.emqx.effective import seeds_of
from components.emqx.errors import Refused
from components.emqx.known import known
from components.keepers.base import NodeKeeper
from components.links.storage import move_replicas
from components.run.run import Run
from components.run.waiting import until

UNLISTED_SECONDS = 3.0
"""A node that stops is on no list for at most 1.5 s, one that starts for at most 2.8 s (recordings C1_green_stopped_then_force_leave_ce, A1_static_join_ce_5.8.8_5.8.9)."""
STOPPED = "stopped"
GONE_SECONDS = 30.0
"""A stopped node is off the list of the running after 1.5 s, a forced out one after 0.5 s (recording C1_green_stopped_then_force_leave_ce)."""


async def leave(
    run: Run, old: Cluster, stays: Colour, keeper: NodeKeeper | None, *, sessions_may_end: bool
) -> dict[str, Any]:
    """Let the nodes of ``old`` leave the cluster of the colour that stays; those that have left already are passed over.

    ``old`` is asked as a colour; a node that has died is forced out like one that was stopped. ``keeper`` is None where the nodes are not ours.

    Raises:
        Refused: clients, sessions or durable storage are on them, or they run and are not ours to stop.
        GaveUp: a node does not go, or somebody starts it again and again; nothing is forced out while it runs. NotNow, Unreachable: nobody who stays answers; the next run goes on.

    """
    new, names = run.clusters[stays], old.node_names
    members = await _members(run, old, new)
    await _refuse_used(old, new, sessions_may_end=sessions_may_end)
    running = sorted(name for name, facts in members.items() if facts.running)
    seeds = await _still_seeds(run, new, names)
    if running and keeper is None:
        raise theirs(old.handle.colour, running)
    storage = await move_replicas(run, old, new, may_end=sessions_may_end)
    if keeper is not None:
        for name in names:
            await run.act("leave", node=name, phase="stop")
            await keeper.stop(name)
    await _until(run, new, "stopped", members)
    for name in names:
        if name in members:
            await run.act("leave", node=name, phase="force out")
            await new.force_leave(name)
    await _until(run, new, "gone", names)
    aside = [await keeper.set_aside(name) for name in names] if keeper is not None else []
    who = "" if _is_part(old, new) else f"{old.handle.colour} has "
    run.progress(f"{who}left the cluster of {stays}: {', '.join(names)}")
    more = {name: facts for name, facts in (("storage", storage), ("seeds", seeds)) if facts}
    return {"left": sorted(members), "aside": [str(place) for place in aside if place is not None], **more}


def theirs(colour: Colour, running: Collection[str]) -> Refused:
    """What has to be done with nodes that are not ours to stop."""
    return Refused(
        f"letting {colour} leave its cluster",
        node=colour,
        seen=f"{', '.join(running)} run, and they are not ours to stop",
        todo="stop these nodes and take them off their start scripts, then run pulumi up again: it forces them out;"
        " forced out while they run they would go on alone with empty tables",
    )


async def _still_seeds(run: Run, new: Cluster, names: Collection[str]) -> dict[str, list[str]]:
    """The nodes that stay, are started by their owner, and would look for one that leaves: each is told, with what comes of it."""
    found: dict[str, list[str]] = {}
    if new.handle.keeper is not None and new.handle.keeper.starts_by_itself:
        return found  # each start of ours names those only that are there
    for node in new.node_names:
        text = await known(new.configs_text(node))
        if named := sorted(seeds_of(text or "") & set(names)):
            found[node] = named
            run.warn(
                f"{node} still has {', '.join(named)} among its seeds (cluster.static.seeds): take them out of its configuration before it restarts."
                " If one of them is ever started again with an empty data directory, nodes that restart together join it, and everything is lost"
            )
    return found


async def _members(run: Run, old: Cluster, new: Cluster) -> dict[str, NodeFacts]:
    """The old nodes that the cluster lists; one that stops or starts just now is on no list for a moment, and is looked for again."""
    found = dict(of_colour(old, await new.nodes()))
    if set(old.node_names) - set(found):
        await run.clock.sleep(UNLISTED_SECONDS)
        found |= of_colour(old, await new.nodes())
    return found


async def _refuse_used(old: Cluster, new: Cluster, *, sessions_may_end: bool) -> None:
    """The balancer has refused this before; it may have been long ago."""
    live = {name: facts.live_connections for name, facts in of_colour(old, await new.nodes()).items()}
    clients = {name: count for name, count in live.items() if count}
    totals = await known(old.session_totals())
    sessions = 0 if totals is None else totals.connected + totals.offline
    if clients or (sessions and not sessions_may_end):
        seen = f"clients are connected: {clients}" if clients else f"{sessions} sessions are on it"
        colour, again = old.handle.colour, "declare it again and run pulumi up until its drain is done"
        if not _is_part(old, new):
            raise Refused(f"letting {colour} leave its cluster", node=colour, seen=seen, todo=again)
        those, again = ", ".join(old.node_names), "run pulumi up again: it moves them"
        if not clients:
            again = "declare these nodes again, or give the sessions up (emqx:cutover.acknowledge: [sessions])"
        raise Refused(f"letting {those} leave the cluster of {colour}", node=those, seen=seen, todo=again)


def _is_part(old: Cluster, new: Cluster) -> bool:
    """Whether it is some nodes of a colour that leave, and others of it stay."""
    return old.handle.colour == new.handle.colour


async def _until(run: Run, new: Cluster, how: Literal["stopped", "gone"], names: Collection[str]) -> None:
    """Until every node that stays lists each of them as stopped, or lists none of them (``gone``).

    Not listed is not stopped: a node that starts again is on no list for some seconds while it runs (recording A1_static_join_ce_5.8.8_5.8.9).
    """

    async def look() -> tuple[bool | None, str]:
        seen = await asyncio.gather(*(new.nodes(node=name, patience_seconds=0) for name in new.node_names))
        listed = [{one.name: one.status for one in facts if one.name in names} for facts in seen]
        if how == "gone":
            still = {name for facts in listed for name in facts}
            return (None if still else True), f"still in the cluster's list: {', '.join(sorted(still)) or 'none'}"
        runs = {name for facts in listed for name in names if facts.get(name) != STOPPED}
        return (None if runs else True), f"not listed as stopped by every node that stays: {', '.join(sorted(runs))}"

    await until(
        run,
        look,
        tried=f"waiting until the old nodes are {how}",
        node=new.handle.colour,
        todo="end what starts the node that is named (a unit, a start script); the next pulumi up goes on here",
        limit_seconds=GONE_SECONDS,
    )
