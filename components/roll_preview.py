"""The plan of a roll with its numbers, before anything is touched; what the first link would refuse is refused here already.

The rule: it only reads, and what could not be asked is said to be unknown, never taken for right.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from components import counting
from components.balancer import BALANCERS
from components.balancer.able import closes
from components.cutover.outline import Outline
from components.cutover.outline_of import of_roll, unasked
from components.cutover.roll import Release, RollNode
from components.cutover.roll_forecast import evener, forecast, mover, render
from components.cutover.roll_memory import in_work
from components.cutover.words import Colour
from components.emqx.base import Cluster
from components.emqx.errors import Refused, Retryable, Unauthorized, UpgradeError
from components.emqx.known import known
from components.emqx.models import Credentials
from components.emqx.registry import cluster_of
from components.intent import remembered, site, target_of
from components.links.reach import accepts
from components.links.roll_look import nodes_of
from components.links.roll_opening import Wanted, refuse, refuse_way
from components.migration.advice import advise, lines
from components.migration.check import Report
from components.migration.facts import Live
from components.migration.manifest import BadSource
from components.migration.rules import UnknownRuleError
from components.outlining import around, document, licence_limit
from components.routers.base import Server
from components.routers.registry import router_of
from components.settings import Settings, is_rule

PATIENCE_SECONDS = 2.0
ANSWER_SECONDS = 8.0
NOT_THERE = "roll: {} is built by this update; its nodes run what is declared from the first moment"
SILENT = "roll to {}: {} could not be asked: {}; the update asks again and refuses what it must"


class RollPlan(NamedTuple):
    """What preview prints, what ``plan.json`` holds, the outline of it, and the versions that nodes were seen to run, by colour."""

    text: str
    numbers: dict[str, Any]
    outline: Outline
    runs: Mapping[Colour, Sequence[str]] = {}


def roll_plan_of(settings: Settings, credentials: Mapping[str, Credentials]) -> RollPlan:
    """The plan of the roll that these settings ask for.

    Raises:
        Refused: it cannot end well, or loses what nobody acknowledged.

    """
    # Pulumi runs the program inside its own event loop, so this one needs a thread.
    with ThreadPoolExecutor(max_workers=1) as beside:
        return beside.submit(asyncio.run, _planned(settings, credentials)).result()


async def _planned(settings: Settings, credentials: Mapping[str, Credentials]) -> RollPlan:
    colour, target = settings.live, target_of(settings, settings.live)
    handle = target.observed(site(settings, colour))
    if handle is None:
        return _blind(settings, NOT_THERE.format(colour), f"{colour} is built by this update")
    cluster = settings.clusters[colour]
    wanted = Wanted(
        Release(cluster.version, cluster.edition),
        settings.cutover.acknowledge,
        credentials[colour].license,
        datetime.now(UTC).date(),
        settings.cutover.budget_per_second,
        handle.keeper is not None,
    )
    async with cluster_of(handle, credentials[colour], patience_seconds=PATIENCE_SECONDS) as api:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await _asked(settings, api, wanted)
        except (Retryable, Unauthorized, TimeoutError) as silence:
            refuse_way(colour, (), wanted)
            seen = silence.seen if isinstance(silence, UpgradeError) else f"no answer in {ANSWER_SECONDS:g} s"
            return _blind(settings, SILENT.format(wanted.declared, colour, seen), seen)


def _blind(settings: Settings, text: str, why: str) -> RollPlan:
    """The plan of what nobody could be asked about."""
    outline = unasked(settings.live, why, around(settings))
    numbers = {"notAsked": [settings.live], "outline": document(outline)}
    return RollPlan(f"{outline.headline}\n{text}", numbers, outline)


async def _asked(settings: Settings, api: Cluster, wanted: Wanted) -> RollPlan:
    colour, memory = settings.live, remembered(settings).memory
    nodes: tuple[RollNode, ...] = await nodes_of(api, colour, await _servers(settings), memory)
    if any(not node.done(wanted.declared) for node in nodes):
        await refuse(api, colour, nodes, wanted, ours=in_work(memory, colour) is not None)
    closed = closes(settings, colour)
    evacuates = await api.has_evacuation()
    plan = forecast(
        nodes,
        wanted.declared,
        by=mover(closes=closed, evacuates=evacuates),
        evens=evener(closes=closed, rebalances=await api.has_rebalance()),
        budget_per_second=settings.cutover.budget_per_second,
        counted=True,
        past=await counting.past(settings, colour, sum(node.clients for node in nodes)),
        accepts=await accepts(api, api.node_names[1:2]),
    )
    advice = None if plan.down else await _advice(settings, api, nodes, wanted)
    rules = json.loads(advice.to_json()) if advice else None
    source = next((node.release for node in nodes if node.release not in {None, wanted.declared}), None)
    limit = await licence_limit(settings, {colour: api}, {})
    outline = of_roll(
        plan, around(settings, source=source, advice=advice, licence_limit=limit), settings.cutover.budget_per_second
    )
    text = "\n".join([outline.headline, render(plan), *(lines(advice) if advice else ())])
    runs = tuple(sorted({node.release.version for node in nodes if node.release is not None}))
    numbers = {**plan.model_dump(mode="json", by_alias=True), "advice": rules, "outline": document(outline)}
    return RollPlan(text, numbers, outline, {colour: runs})


async def _advice(settings: Settings, api: Cluster, nodes: tuple[RollNode, ...], wanted: Wanted) -> Report | None:
    """What the rules say of this roll; nothing where no node is left.

    Raises:
        Refused: a rule blocks, and nobody answered for it.

    """
    left = [node.release for node in nodes if node.release not in {None, wanted.declared}]
    if not left or left[0] is None:
        return None
    effective = await known(api.configs_text(next(node.name for node in nodes if node.running)))
    try:
        advice = advise(
            (left[0].version, wanted.declared.version),
            (left[0].edition, wanted.declared.edition),
            len(nodes),
            [one for one in settings.cutover.acknowledge if is_rule(one)],
            effective=effective,
            live=Live(connections=sum(node.clients for node in nodes), persistent_sessions=None),
            strategy="rolling",
        )
    except (BadSource, UnknownRuleError) as unread:
        seen = unread.seen if isinstance(unread, BadSource) else str(unread)
        todo = "correct emqx:cutover.acknowledge, or look at what GET /configs answers"
        raise Refused("reading what the rules need", node=settings.live, seen=seen, todo=todo) from None
    if advice.blocking and effective is not None:
        blocking = ", ".join(advice.blocking)
        raise Refused(
            f"rolling {settings.live}",
            node=settings.live,
            seen="\n".join(["rules block:", *lines(advice)]),
            todo=f"remedy {blocking}, or answer in emqx:cutover: acknowledge: [{blocking}]",
        )
    return advice


async def _servers(settings: Settings) -> Mapping[str, Server]:
    """What the nodes are to the balancer; nothing where it does not run."""
    handle = BALANCERS[settings.balancer.target].observed(settings)
    if handle is not None:
        with suppress(UpgradeError):
            return (await router_of(handle).servers()).get(settings.live, {})
    return {}
