"""The new colour's nodes become members of the old colour's cluster, and are asked before anybody may reach them.

The rule: a node that joins lets everybody in, twice, and answers 200 to every health check meanwhile; alone with another cookie it does so for
ever (recordings A1_static_join_ce_5.8.8_5.8.9, A5_variants_ce). So no server of it is opened before it was seen to be right twice, and one
that never is ends the update while the old colour serves on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from components.cutover.words import Colour, other
from components.emqx.base import Cluster
from components.emqx.effective import compare_texts
from components.emqx.errors import GaveUp, Refused
from components.emqx.known import known
from components.guards.proxied import refuse_wrong_proxy
from components.links.opening import refuse_false, refuse_way
from components.links.readiness import BETWEEN_SECONDS, running_names, wait_until_ready
from components.links.room import Room, look_at_room
from components.links.storage import without_site
from components.links.target import reopen, wait_until_up
from components.links.verification import Finding, probe, refuse
from components.migration.inventory import Inventory, blocking, compare, settled, while_clients_write
from components.migration.unlike import Unlike
from components.run.run import Run
from components.value import Value

DECIDE = frozenset({"authenticator", "authorization"})
"""Kinds of settings that decide who gets in: one node that has them otherwise than the others is not verified."""
MOST_TOLD = 5


class Joined(Value):
    """What was looked at; plain data for state and journal.

    ``nodes`` are those that were compared with ``reference`` (a node of the old colour), ``unlike`` the settings of their own
    files or environment that differ and decide nothing, ``probes`` is node -> question -> what was seen.
    """

    ready_seconds: float
    reference: str
    nodes: tuple[str, ...]
    unlike: tuple[str, ...]
    probes: dict[str, dict[str, str]]
    seconds: float


async def join(run: Run, to: Colour, *, limit_seconds: float) -> dict[str, Any]:
    """Wait until every node of ``to`` is a member that is right, then let the balancer reach them.

    Raises:
        GaveUp: a node was not ready within ``limit_seconds``; says which, what was last seen, and what that means.
        VerificationFailed: a node has other tables, other permissions or other answers than the old colour.
        Refused: a node that is to be invited has clients of its own, or the nodes are not what is declared.

    """
    began = run.clock.now()
    await known(reopen(run, to))
    ready = await _ready(run, to, limit_seconds)
    old, new = run.clusters[other(to)], run.clusters[to]
    running = await running_names(old, old)
    await refuse_false(run, to)
    if not running:
        run.progress(f"{other(to)} does not answer: {to} is held against nothing")
        await _let_in(run, to)
        return {"ready_seconds": round(ready, 3)}
    await refuse_way(run, to)
    names = new.node_names
    before = await old.inventory(node=running[0])
    findings, unlike = await _compared(run, old, new, running[0], names, before)
    if findings:  # lists are empty for half a second, with 200, while some node starts: what is said once is unknown
        await run.clock.sleep(BETWEEN_SECONDS)
        before = await old.inventory(node=running[0])
        findings, unlike = await _compared(run, old, new, running[0], names, before)
    reference, seen, strange = await probe(old, new, before)
    result = Joined(
        ready_seconds=round(ready, 3),
        reference=f"{running[0]}; probes: {reference}",
        nodes=names,
        unlike=tuple(unlike),
        probes=seen,
        seconds=round(run.clock.now() - began, 3),
    )
    findings += [*strange, *await _room(new, old), *await _storage(old, new)]
    run.record("fact", section="joined", **result.model_dump(mode="json"), findings=[str(one) for one in findings])
    refuse(findings, to)
    await _let_in(run, to)
    return result.model_dump(mode="json")


async def _let_in(run: Run, to: Colour) -> None:
    """From now on the balancer may reach them."""
    for name in run.clusters[to].node_names:
        await run.act("open", colour=to, nodes=[name])
        await run.set_server(to, name, "ready")
    await wait_until_up(run, to)


async def _ready(run: Run, to: Colour, limit_seconds: float) -> float:
    try:
        return await wait_until_ready(run, to, limit_seconds=limit_seconds, meanwhile=lambda: _invite_alone(run, to))
    except GaveUp as late:
        await known(refuse_wrong_proxy(run.clusters[to], run.answers))
        if "is a cluster of its own" not in late.seen:
            raise
        todo = (
            f"give its node the cookie of {other(to)} and a network in which they reach each other (its log says `Invalid challenge reply`"
            f" for another cookie), or correct its seeds; then run pulumi up again. {other(to)} serves on"
        )
        raise GaveUp(late.tried, node=late.node, seen=late.seen, todo=todo) from None


async def _invite_alone(run: Run, to: Colour) -> str:
    """Ask the old colour to let in whoever is alone and not ours to start: nothing else brings it in. What came of it."""
    old, new = run.clusters[other(to)], run.clusters[to]
    keeper = new.handle.keeper
    if (keeper is not None and keeper.starts_by_itself) or not await running_names(old, old):
        return ""
    told: list[str] = []
    for name in new.node_names:
        if await known(new.cluster_members(name, patience_seconds=0)) == (name,):
            await _refuse_used(new, name)
            await run.act("invite", node=name)
            if why := await old.invite(name):
                told.append(f"invited, {name} did not join: {why}")
    return "; ".join(told)


async def _refuse_used(new: Cluster, name: str) -> None:
    """Whoever is on a node when it joins is thrown off, and what it has is replaced, silently (recording A5_variants_ce)."""
    facts = await known(new.nodes(node=name, patience_seconds=0)) or ()
    clients = sum(one.live_connections or 0 for one in facts if one.name == name)
    if clients:
        raise Refused(
            f"inviting {name}",
            node=name,
            seen=f"{clients} clients are connected to it, and it is a cluster of its own: joining would throw them off and replace its data",
            todo="declare nodes that nobody uses, with an empty data directory",
        )


async def _compared(
    run: Run, old: Cluster, new: Cluster, reference: str, names: Collection[str], before: Inventory
) -> tuple[list[Finding], list[str]]:
    """Tables and configuration of each node, held against those of ``reference``; what clients write meanwhile may differ."""
    ours = await old.configs_text(reference)
    found = {name: await new.inventory(node=name) for name in names}
    expected = while_clients_write(settled(before, await old.inventory(node=reference)))
    findings: list[Finding] = []
    told: list[str] = []
    for name in names:
        await run.checkpoint()
        findings += [
            Finding(section=f"{name}: {one.section}", expected=one.expected, found=one.found)
            for one in blocking(compare(expected, found[name], run.clock.now()))
        ]
        unlike = await asyncio.to_thread(compare_texts, ours, await new.configs_text(name)) or ()
        findings += [_finding(name, reference, one) for one in unlike if one.kind in DECIDE]
        told += [f"{name}: {one.said(reference, name)}" for one in unlike if one.kind not in DECIDE]
    for line in told[:MOST_TOLD]:
        run.progress(f"set in a node's own files or environment: {line}")
    return findings, told


def _finding(name: str, reference: str, one: Unlike) -> Finding:
    return Finding(section=f"{name}: {one.kind} {one.name}", expected=f"as on {reference}", found=one.state)


async def _storage(old: Cluster, new: Cluster) -> list[Finding]:
    """Replicas can only go to nodes that keep durable storage themselves."""
    without = await without_site(old, new)
    return [Finding(section=f"{name}: durable storage", expected="a site", found=why) for name, why in without.items()]


async def _room(new: Cluster, old: Cluster) -> list[Finding]:
    """Files and listeners for everybody; a licence counts the cluster's sessions, of which a move makes none more."""
    clients = sum((await old.live_connections()).values())
    here = await look_at_room(new)
    first = await _first_licence(new, old, here)
    most = min((one for one in (here.files, here.doors) if one is not None), default=None)
    if most is None or clients <= most:
        return first
    return [
        *first,
        Finding(section="capacity", expected=f"room for {clients} clients", found=f"for {most}: {here.limits}"),
    ]


async def _first_licence(new: Cluster, old: Cluster, here: Room) -> list[Finding]:
    """Open source to Enterprise: the licence counts from the moment in which the last old node is gone, for all sessions at once (F1_ce_to_ee_mixed_and_roll)."""
    most = 0 if here.licence is None else here.licence.max_sessions
    if not most or await old.license() is not None:
        return []
    sessions = sum(one.connections or 0 for one in await new.nodes())
    if sessions <= most:
        return []
    found = f"a licence for {most}, which holds once the last open-source node has left: give each new node a larger one (license.key in its emqx.conf)"
    return [Finding(section="licence", expected=f"room for {sessions} sessions", found=found)]
