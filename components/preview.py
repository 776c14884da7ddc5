"""The plan with its numbers, before anything is touched: what can be asked is counted, what cannot is said to be unknown.

The rule: it only reads, it is bounded by a few seconds, and a loss that nobody acknowledged ends the program here.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from components.cluster import external, local
from components.cutover.decide import Decision, decide
from components.cutover.forecast import Fleet, Forecast, cohort_counts, forecast, render
from components.cutover.gates import names
from components.cutover.words import COLOURS, Colour, Mover, other
from components.emqx.errors import Refused, UpgradeError
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.v5 import ClusterApi
from components.operations import balancing
from components.operations.measure import known
from components.operations.opening import drained, origin
from components.router.haproxy import HaproxyRouter
from components.settings import ExternalCluster, Settings

PATIENCE_SECONDS = 2.0


class Plan(NamedTuple):
    """What preview prints, and what it exports."""

    text: str
    numbers: dict[str, Any]


def plan_of(settings: Settings, credentials: str | None) -> Plan:
    """The plan of the cutover that these settings ask for; ``credentials`` is the config's JSON, secret.

    Raises:
        Refused: sessions would be lost and nobody acknowledged it.

    """
    # Pulumi runs the program inside its own event loop, so this one needs a thread.
    with ThreadPoolExecutor(max_workers=1) as beside:
        plan = beside.submit(asyncio.run, _forecast(settings, _credentials(credentials))).result()
    sessions = (
        (plan.losses.sessions_ended or 0) + (plan.losses.sessions_left or 0) + (plan.losses.sessions_offline or 0)
    )
    if plan.direction == "forward" and sessions and "sessions" not in settings.cutover.acknowledge:
        raise Refused(
            f"moving the clients to {settings.live}",
            node=other(settings.live),
            seen=f"{sessions} persistent sessions with {plan.losses.queued_messages} queued messages would be lost",
            todo="add `acknowledge: [sessions]` to emqx:cutover when that may happen",
        )
    return Plan(render(plan), plan.model_dump(mode="json", by_alias=True))


async def _forecast(settings: Settings, credentials: dict[str, Credentials]) -> Forecast:
    old = other(settings.live)
    async with AsyncExitStack() as stack:
        apis = {
            colour: await stack.enter_async_context(
                ClusterApi(handle, credentials[colour], patience_seconds=PATIENCE_SECONDS)
            )
            for colour in COLOURS
            if colour in credentials and (handle := _observed(settings, colour)) is not None
        }
        live = {colour: await known(_live(api)) for colour, api in apis.items()}
        share, decision = await _decision(settings, live)
        fleet = await _fleet(apis[old]) if old in apis else Fleet()
        if decision.direction == "back":
            there = await known(apis[settings.live].session_totals()) if settings.live in apis else None
            fleet = fleet.model_copy(update={"stale_sessions": there.offline if there else None})
    edition = settings.clusters[old].edition if old in settings.clusters else "ce"
    mover: Mover = "evacuation" if edition == "ee" else "kick"
    return forecast(
        to=settings.live,
        direction=decision.direction,
        reason=decision.reason,
        share_parts=share,
        steps=settings.cutover.steps,
        mover=mover,
        budget_per_second=settings.cutover.budget_per_second,
        fleet=fleet,
        gates=names(settings.cutover.gates),
        wait_health_check_seconds=settings.cutover.evacuation.wait_health_check_seconds,
    )


async def _decision(settings: Settings, live: dict[Colour, int | None]) -> tuple[int, Decision]:
    """Green's share and the direction; a balancer that does not run yet will start with the colour that has the clients."""
    directory = Path(settings.work_directory) / "balancer"
    memory: dict[str, str] = {}
    share = balancing.first_share(settings.live, {colour: live.get(colour) or 0 for colour in settings.clusters})
    if balancing.running(directory):
        router = HaproxyRouter(balancing.handle_of(directory))
        try:
            share, memory = await router.share(), dict(await router.memory())
        except UpgradeError as unreachable:
            return share, Decision("forward", f"the balancer cannot be asked: {unreachable.seen}")
    return share, decide(settings.live, share, origin(memory), live, settings.clusters, drained(memory))


async def _live(api: ClusterApi) -> int:
    return sum((await api.live_connections()).values())


async def _fleet(api: ClusterApi) -> Fleet:
    ids = await known(api.connected_client_ids())
    sessions = await known(api.session_totals())
    counts, assigned = cohort_counts(ids) if ids is not None else (None, 0)
    return Fleet(
        clients=None if ids is None else len(ids),
        persistent_connected=None if sessions is None else sessions.connected,
        persistent_offline=None if sessions is None else sessions.offline,
        queued_messages=None if sessions is None else sessions.queued_messages,
        cohorts=counts,
        assigned=assigned,
    )


def _observed(settings: Settings, colour: Colour) -> ClusterHandle | None:
    """The colour's addresses as far as they are known before an update."""
    cluster = settings.clusters.get(colour)
    if cluster is None:
        return None
    if isinstance(cluster, ExternalCluster):
        return external.handle(colour, cluster)
    return local.observed(colour, cluster, settings.work_directory)


def _credentials(text: str | None) -> dict[str, Credentials]:
    return {colour: Credentials.model_validate(value) for colour, value in json.loads(text or "{}").items()}
