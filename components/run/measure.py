"""One observation of both colours; a call that fails leaves its facts unknown, never zero."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from components.cutover.arrival import Before, measured_percent, on_their_way
from components.cutover.facts import Facts, NodeFacts
from components.cutover.words import Colour, other
from components.emqx.answers import NodeFacts as NodeAnswer
from components.emqx.base import Cluster, of_colour
from components.emqx.errors import Refused
from components.emqx.known import known
from components.run.moved import Moved
from components.run.run import Run

PATIENCE_SECONDS = 0.5
"""One look is short: the next one is a second later, and the gates bound how long a fact may be unknown."""


@dataclass(frozen=True)
class Observation:
    """Live connections by colour, green's share at the balancer, and the facts that the gates judge."""

    live: Mapping[Colour, int | None]
    share_parts: int | None
    facts: Facts


async def observe(
    run: Run,
    to: Colour,
    moved: Moved,
    before: Before,
    *,
    moving: bool,
    expected: tuple[str, ...],
    dropped_before: int | None = None,
) -> Observation:
    """Ask everything at once; ``before`` and ``dropped_before`` are what was counted before the step, ``expected`` are the nodes that must run."""
    (metrics, nodes), (old_metrics, old_nodes), latency, share, limit = await asyncio.gather(
        _told(run.clusters[to]),
        _told(run.clusters[other(to)]),
        run.connect_milliseconds(run.clusters[to].handle),
        _share(run),
        _license_limit(run, to),
    )
    mine, theirs = _of(run.clusters[to], nodes), _of(run.clusters[other(to)], old_nodes)
    live = {to: _live(mine), other(to): _live(theirs)}
    here, there = live[to], live[other(to)]
    facts = Facts(
        at=run.clock.now(),
        connack_sent=metrics and metrics.get("packets.connack.sent"),
        connack_error=metrics and metrics.get("packets.connack.error"),
        connect_latency_p99_milliseconds=latency,
        nodes_expected=expected,
        nodes=mine and {name: _node(node) for name, node in mine.items() if node.running},
        license_sessions=None if nodes is None else sum(node.connections or 0 for node in nodes),
        license_limit=limit,
        share_wanted_percent=before.wanted_percent,
        share_measured_percent=measured_percent(before, here, there, moved.count),
        source_silent=there is None,
        clients=_most(before, here, there),
        clients_away=on_their_way(before, here, moved.count),
        moving=moving,
        moved=moved.count,
        to_move=moved.to_move,
        messages_dropped=_since(dropped_before, dropped(metrics, old_metrics)),
    )
    return Observation(live, share, facts)


async def _told(cluster: Cluster) -> tuple[Mapping[str, int] | None, tuple[NodeAnswer, ...] | None]:
    """A cluster's counters and its nodes."""
    nodes, metrics = await asyncio.gather(
        known(cluster.nodes(patience_seconds=PATIENCE_SECONDS)),
        known(cluster.metrics(patience_seconds=PATIENCE_SECONDS)),
    )
    return metrics, nodes


def dropped(*metrics: Mapping[str, int] | None) -> int | None:
    """Messages that found no subscriber, by these counters together; None where one is not known."""
    counts = [None if one is None else one.get("messages.dropped.no_subscribers") for one in metrics]
    known_counts = [count for count in counts if count is not None]
    return sum(known_counts) if len(known_counts) == len(counts) else None


def _since(before: int | None, now: int | None) -> int | None:
    """None also where a node has begun to count anew."""
    return now - before if before is not None and now is not None and now >= before else None


def _of(cluster: Cluster, nodes: tuple[NodeAnswer, ...] | None) -> dict[str, NodeAnswer] | None:
    return None if nodes is None else of_colour(cluster, nodes)


def _most(before: Before, here: int | None, there: int | None) -> int | None:
    """The clients of both colours, those that are on their way too; None where neither moment was counted."""
    moments = [(before.here, before.there), (here, there)]
    return max((mine + others for mine, others in moments if mine is not None and others is not None), default=None)


def _live(nodes: Mapping[str, NodeAnswer] | None) -> int | None:
    return None if nodes is None else sum(node.live_connections or 0 for node in nodes.values())


def _node(answer: NodeAnswer) -> NodeFacts:
    return NodeFacts(memory_used=answer.memory_used, memory_total=answer.memory_total, load1=answer.load1)


async def _share(run: Run) -> int | None:
    """Green's share; None also while the replicas differ, as they do in the moment of a change."""
    try:
        return await known(run.router.share())
    except Refused:
        return None


async def _license_limit(run: Run, colour: Colour) -> int | None:
    """The licensed sessions; 0 where nothing is licensed, None where nobody says."""

    async def asked() -> int:
        license_ = await run.clusters[colour].license(patience_seconds=PATIENCE_SECONDS)
        return license_.max_sessions if license_ else 0

    return await known(asked())
