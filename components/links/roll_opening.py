"""The first link of a roll: refuses what cannot end well before the first node is touched, and takes the lease.

The rule: it starts nothing and stops nothing. A licence is judged by what can be read of it, since a wrong one ends a node's boot when its clients
have left it already (docs/emqx/rolling.md#open-source-to-enterprise).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import NamedTuple

from components.cutover.licence import BadLicenceError, Licence, read
from components.cutover.roll import Release, RollNode, order
from components.cutover.roll_memory import in_work, uneven
from components.cutover.roll_way import refusal
from components.cutover.routes import ONE_EDITION
from components.cutover.spread import moves
from components.cutover.versions import parse
from components.cutover.words import Colour
from components.emqx.base import Cluster
from components.emqx.errors import Refused
from components.emqx.known import known
from components.guards.busy import refuse_busy
from components.links.carrying import left_behind, not_carried
from components.links.donors import let_in
from components.links.opening import Opened, refuse_undeclared
from components.links.roll_look import observed, refuse_broken, release_of
from components.links.room import FILE_RESERVE
from components.links.storage import stands_still
from components.routers.share import settle
from components.run.run import Run


class Wanted(NamedTuple):
    """What a roll is to end with; ``license`` is the key that new nodes are started with, ``kept`` whether the target can stop and start nodes."""

    declared: Release
    acknowledged: Collection[str]
    license: str | None
    today: date
    budget_per_second: int
    kept: bool


async def open_roll(run: Run, colour: Colour, wanted: Wanted) -> Opened:
    """Decide whether there is work, refuse, and take the lease.

    Raises:
        Refused: what is wrong, before anything was touched.

    """
    await settle(run.router, run.ledger)
    nodes, memory = await observed(run, colour), await run.memory()
    todo = [node for node in nodes if not node.done(wanted.declared)]
    if not todo and not uneven(memory, colour):
        await run.begin({})
        reason = f"every node of {colour} runs {wanted.declared}"
        return Opened(run=run.token, direction="nothing", reason=reason, source=colour)
    if todo:
        await refuse(run.clusters[colour], colour, nodes, wanted, ours=in_work(memory, colour) is not None)
        await refuse_undeclared(run, colour)
        if short := await known(stands_still(run.clusters[colour].storage)):
            run.warn(short)
    await run.begin({})
    if todo:
        await let_in(run, colour)
    clients, names = sum(node.clients for node in nodes), ", ".join(node.name for node in todo)
    reason = (
        f"{len(todo)} of {len(nodes)} nodes do not run {wanted.declared}: {names}"
        if todo
        else "the loads are not even yet"
    )
    evens = run.closes(colour) or await run.clusters[colour].has_rebalance()
    played = moves(order(nodes, wanted.declared), {node.name: node.clients for node in nodes}, evens=evens)
    most = max((one.most_disconnects for one in played.nodes), default=1)
    facts = {"direction": "roll", "reason": reason, "declared": str(wanted.declared), "most_disconnects": most}
    run.record("run", to=colour, origin=colour, clients=clients, budget_per_second=wanted.budget_per_second, **facts)
    return Opened(run=run.token, direction="forward", reason=reason, source=colour)


async def refuse(api: Cluster, colour: Colour, nodes: tuple[RollNode, ...], wanted: Wanted, *, ours: bool) -> None:
    """Refuse a roll that cannot end well; preview asks the same. ``ours`` is whether an evacuation that runs may be this roll's own."""
    refuse_way(colour, nodes, wanted)
    refuse_broken(colour, nodes)
    await refuse_busy(api, ours=ours)
    await _refuse_no_room(api, colour, nodes)
    await _refuse_licence(api, colour, nodes, wanted)
    await _refuse_losses(api, colour, nodes, wanted)


def refuse_way(colour: Colour, nodes: Collection[RollNode], wanted: Wanted) -> None:
    """Refuse a target without keeper, and a way that no roll may go."""
    path = f"emqx:clusters.{colour}"
    if not wanted.kept:
        todo = "give the cluster a target that can, such as local, or use strategy two-cluster"
        raise Refused(
            f"rolling {colour}", node=colour, seen=f"{path}.target cannot stop and start its nodes", todo=todo
        )
    for release in dict.fromkeys(node.release for node in nodes if node.release is not None):
        why = refusal(release, wanted.declared, wanted.acknowledged)
        if why:
            todo = f"declare another {path}.version, or use strategy two-cluster; nothing was touched"
            raise Refused(f"rolling {colour}", node=colour, seen=why, todo=todo)


async def _refuse_no_room(api: Cluster, colour: Colour, nodes: Collection[RollNode]) -> None:
    """All nodes but one must hold everybody, as far as the files that they may open tell, and what their listeners let in."""
    facts = [one for one in await api.nodes() if one.running and one.name in api.node_names]
    doors = await known(api.doors()) or {}
    files = sorted((one.max_fds or 0) - FILE_RESERVE for one in facts if one.max_fds is not None)
    most = sorted(limit for one in facts if one.name in doors and (limit := doors[one.name].most) is not None)
    clients = sum(node.clients for node in nodes)
    for limits, what, raised in (
        (files, "may open files for", "the limit of open files of the nodes"),
        (most, "have listeners that let in", "max_connections of their listeners"),
    ):
        if len(limits) > 1 and len(limits) == len(facts) and sum(limits[:-1]) < clients:
            seen = f"{clients} clients are connected, and all nodes but one {what} {sum(limits[:-1]):g}"
            todo = f"raise {raised}, or add a node first; nothing was touched"
            raise Refused(f"rolling {colour}", node=colour, seen=seen, todo=todo)


async def _refuse_licence(api: Cluster, colour: Colour, nodes: Collection[RollNode], wanted: Wanted) -> None:
    """The sessions that there are, and a second's worth of moved clients, must fit into the licence that holds afterwards."""
    if wanted.declared.edition == "ce":
        return
    path = f"emqx:credentials.{colour}.license"
    needs = any(_needs_key(node.release, wanted.declared) for node in nodes if node.release is not None)
    licence = _read(wanted, path, colour) if needs or wanted.license else None
    if licence is None:
        here = await api.license()
        licence = None if here is None else Licence(here.max_sessions, None)
    if licence is None or not licence.sessions:
        return
    sessions = sum(one.connections or 0 for one in await api.nodes() if one.running)
    moved = min(wanted.budget_per_second, max((node.clients for node in nodes), default=0))
    if sessions + moved > licence.sessions:
        seen = f"{sessions} sessions and {moved} that are moved in a second, and the licence is for {licence.sessions}"
        todo = f"get a licence for more sessions ({path}); nothing was touched"
        raise Refused(f"rolling {colour} to {wanted.declared}", node=colour, seen=seen, todo=todo)


def _needs_key(release: Release, declared: Release) -> bool:
    """Whether a node that has no licence of its own gets one by this roll."""
    return release.edition == "ce" or parse(release.version) < ONE_EDITION <= parse(declared.version)


def _read(wanted: Wanted, path: str, colour: Colour) -> Licence:
    """The licence that new nodes are started with, which must be one."""
    tried = f"rolling {colour} to {wanted.declared}"
    todo = f"pulumi config set --secret --path {path} (the key as EMQ sent it); nothing was touched"
    if wanted.license is None:
        seen = "no licence is configured: with the evaluation licence new clients are refused as soon as the last old node is gone"
        raise Refused(tried, node=colour, seen=seen, todo=todo)
    try:
        licence = read(wanted.license)
    except BadLicenceError as wrong:
        why = f"{path} is no licence key: {wrong}"
    else:
        if licence.until is None or licence.until > wanted.today:
            return licence
        why = f"{path} ended on {licence.until}"
    raise Refused(tried, node=colour, seen=why, todo=todo)


async def _refuse_losses(api: Cluster, colour: Colour, nodes: Collection[RollNode], wanted: Wanted) -> None:
    """Sessions end with their node where nothing carries them, and with the only node in any case; that is for somebody to acknowledge."""
    if "sessions" in wanted.acknowledged:
        return
    if len(nodes) == 1:
        totals = await api.session_totals()
        sessions, messages = totals.connected + totals.offline, totals.queued_messages
    else:
        sessions, messages = await not_carried(api)
    if sessions:
        raise left_behind(colour, sessions, messages)


async def has_work(api: Cluster, memory: Mapping[str, str], colour: Colour, declared: Release) -> bool:
    """Whether a node does not run what is declared, or the end of a roll is missing; a cluster that cannot be asked is a reason to look again."""
    facts = await known(api.nodes())
    if facts is None or uneven(memory, colour) or in_work(memory, colour) is not None:
        return True
    here = {one.name: release_of(one) for one in facts}
    return any(here.get(name) != declared for name in api.node_names)
