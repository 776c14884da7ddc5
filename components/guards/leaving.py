"""Before a colour leaves: the balancer, the cluster and its ports are asked, and whoever may still be there keeps it.

The rule: what does not answer is not gone. A cluster counts as gone only when its API is silent, no balancer gives it clients or has one
of its nodes up, and nothing listens for MQTT at its addresses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from components.cutover.cohort import share_percent
from components.cutover.words import Colour, other
from components.emqx.base import of_colour
from components.emqx.errors import Refused, Retryable, Unreachable, UpgradeError
from components.emqx.known import known
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials
from components.emqx.registry import cluster_of
from components.keepers.registry import keeper_of
from components.ledger.base import drained_at, in_one_cluster, origin
from components.ledger.registry import ledger_of
from components.routers.registry import router_of
from components.system.ports import listens

ANSWER_SECONDS = 15.0
"""500 is normal for 2 s around a join and must be sat out for 10 s (docs/emqx/cluster.md#a-node-dies)."""
BACK = "bring it back with pulumi up, then run it again"
BACK_THEIRS = "start its nodes (they are not ours to start), then run it again"


@dataclass(frozen=True)
class Leaving:
    """A colour that the new configuration does not have any more, or has at quite other addresses."""

    cluster: ClusterHandle
    credentials: Credentials
    soak_seconds: float
    ours: bool
    sessions_may_end: bool = False


def replaced(old: ClusterHandle, new: ClusterHandle) -> bool:
    """Whether this is another cluster under the same colour: no node has a name or an address of an old one."""

    def marks(cluster: ClusterHandle) -> set[str]:
        return {mark.rstrip("/") for node in cluster.nodes for mark in (node.name, node.api, node.mqtt)}

    return not marks(old) & marks(new)


def left(before: Iterable[ClusterHandle], clusters: Mapping[Colour, ClusterHandle]) -> list[ClusterHandle]:
    """The clusters of before that are not among these any more: their colour is gone, or stands for another cluster now."""
    return [old for old in before if old.colour not in clusters or replaced(old, clusters[old.colour])]


def is_over(before: Sequence[ClusterHandle], clusters: Mapping[Colour, ClusterHandle]) -> bool:
    """Whether what is remembered is of a cutover that is over: another cluster stands for its colour, or the finalize was an update before.

    A colour that leaves with this very update is forgotten by its guard, once that has let it go.
    """
    exchanged = any(old.colour in clusters for old in left(before, clusters))
    return exchanged or (len(clusters) == 1 and {old.colour for old in before} == set(clusters))


async def refuse_leaving(leaving: Leaving, balancer: BalancerHandle, now: float) -> None:
    """Refuse the colour's removal while it has weight or clients, or before it has been empty for the soak time.

    Where it shares its cluster with the other colour also while it has sessions, and while it runs though we cannot stop it.

    Raises:
        Refused: with what it still has.

    """
    colour = leaving.cluster.colour
    memory, share = (await ledger_of(balancer).read()).memory, await router_of(balancer).share()
    percent = share_percent(colour, share)
    if percent > 0:
        raise _refusal(
            colour, f"it has {percent:g} % of the share", f"set emqx:live to {other(colour)} and run pulumi up"
        )
    empty_since = drained_at(memory, colour)
    if empty_since is None and origin(memory) is not None:
        raise _refusal(colour, "its clients were not all moved away", "run pulumi up until the cutover is finished")
    answers = await refuse_clients(leaving.cluster, leaving.credentials, balancer, ours=leaving.ours)
    # one that is gone has been waited for once
    if answers and in_one_cluster(memory):
        await _refuse_member(leaving)
    soaked = now - (empty_since or 0.0)
    if soaked < leaving.soak_seconds:
        seen = f"it has been empty for {soaked:.0f} s, {leaving.soak_seconds:g} s of soak are declared"
        raise _refusal(colour, seen, "wait, or lower emqx:cutover.soakSeconds")


async def _refuse_member(leaving: Leaving) -> None:
    """Its sessions would end with its nodes, and nodes that are not ours cannot be stopped before they are forced out."""
    colour = leaving.cluster.colour
    async with cluster_of(leaving.cluster, leaving.credentials, scope="colour", patience_seconds=ANSWER_SECONDS) as api:
        nodes, totals = await known(api.nodes()), await known(api.session_totals())
        running = sorted(name for name, facts in of_colour(api, nodes or ()).items() if facts.running)
        sites = (await known(api.storage.sites()) or {}) if api.storage is not None else {}
    sessions = 0 if totals is None else totals.connected + totals.offline
    if sessions and not leaving.sessions_may_end:
        todo = "run pulumi up with both colours until the drain has carried them, or acknowledge: [sessions]"
        raise _refusal(colour, f"{sessions} sessions are on it and would end with it", todo)
    if running and not leaving.ours and leaving.cluster.keeper is None:
        others = [site for site, node in sites.items() if node not in api.node_names]
        first = f"`emqx ctl ds set_replicas STORAGE {' '.join(sorted(others))}` for each storage of `emqx ctl ds info`, and wait until it shows no transition; then "
        todo = (
            f"{first if len(others) < len(sites) else ''}stop these nodes and take them off their start scripts, then run it again: they are forced out then;"
            " forced out while they run they would go on alone with empty tables"
        )
        raise _refusal(colour, f"{', '.join(running)} run, and they are not ours to stop", todo)


async def refuse_clients(
    cluster: ClusterHandle, credentials: Credentials, balancer: BalancerHandle, *, ours: bool
) -> bool:
    """Refuse when clients are connected to the cluster, or when nobody can say that none are; whether a node of it answers.

    ``ours`` is whether `pulumi up` can start it again.

    Raises:
        Refused: with their number by node, or with what does not answer.
        Unauthorized, Rejected: the cluster does not tell us.

    """
    colour = cluster.colour
    patience_seconds = 0.0 if await _are_stopped(cluster) else ANSWER_SECONDS
    async with cluster_of(cluster, credentials, patience_seconds=patience_seconds) as api:
        try:
            live = await api.live_connections()
        except Unreachable as silence:
            live, seen = {}, silence.seen
        except Retryable as busy:
            todo = "wait until the cluster answers, then run it again"
            raise _refusal(colour, f"it cannot say who is connected: {busy.seen}", todo) from None
        else:
            seen = "it is not among the running nodes"
    if sum(live.values()):
        todo = f"move them first: set emqx:live to {other(colour)}"
        raise _refusal(colour, f"clients are connected: {live}", todo)
    silent = {node.name for node in cluster.nodes} - live.keys()
    if silent:
        back = BACK if ours else BACK_THEIRS
        await _refuse_silent(cluster, silent, balancer, f"{', '.join(sorted(silent))}: {seen}", back, whole=not live)
    return bool(live)


async def _are_stopped(cluster: ClusterHandle) -> bool:
    """Whether none of the nodes runs, as a keeper knows that sees their processes: then there is no answer to wait for.

    One that would ask their API says nothing of them without credentials.
    """
    try:
        keeper = keeper_of(cluster)
        return keeper is not None and not any([await keeper.runs(node.name) for node in cluster.nodes])
    except UpgradeError:
        return False


async def _refuse_silent(
    cluster: ClusterHandle, silent: Collection[str], balancer: BalancerHandle, seen: str, back: str, *, whole: bool
) -> None:
    """Nodes that said nothing of their clients: the balancer knows whether it gives them any, their MQTT port whether they live."""
    colour = cluster.colour
    given = await _given(balancer, colour)
    if whole and (given.percent or given.connections):
        todo = f"{back}; when it is gone for good, end the balancer first: {router_of(balancer).end_command}"
        gives = (
            f"the balancer gives it {given.percent:g} % of the clients and holds {given.connections} connections to it"
        )
        raise _refusal(colour, f"{seen}; {gives}", todo)
    if up := given.up & set(silent):
        raise _refusal(colour, f"{seen}; the balancer has {', '.join(sorted(up))} up", back)
    nodes = [node for node in cluster.nodes if node.name in silent]
    answers = await asyncio.gather(*(listens(node.mqtt) for node in nodes))
    listening = [node.mqtt for node, answer in zip(nodes, answers, strict=True) if answer]
    if listening:
        raise _refusal(colour, f"{seen}; MQTT is open at {', '.join(listening)}", f"{back}, or end these nodes")


class _Given(NamedTuple):
    """A colour's largest share in percent, the nodes of it that are up, and the connections to it, as the balancer has them."""

    percent: float
    up: set[str]
    connections: int


async def _given(balancer: BalancerHandle, colour: Colour) -> _Given:
    """Over the replicas that can be asked."""
    percent, connections, up = 0.0, 0, set[str]()
    for router in router_of(balancer).replicas():
        with suppress(UpgradeError):
            nodes = (await router.health()).get(colour, {})
            up |= {name for name, is_up in nodes.items() if is_up}
            connections += (await router.connections()).get(colour, 0)
            if nodes:
                percent = max(percent, share_percent(colour, await router.share()))
    return _Given(percent, up, connections)


def _refusal(colour: Colour, seen: str, todo: str) -> Refused:
    return Refused(f"removing {colour}", node=colour, seen=seen, todo=todo)
