"""Steps, portions and strategy held against what the declared balancer can do: shares that it cannot have, and an upgrade that nobody could carry out behind it.

The rule: what the router cannot do is read from its capabilities (``routers.registry``), and refused before anything is touched.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.balancer.able import can_of
from components.cutover import portions
from components.cutover.capabilities import Capabilities
from components.cutover.steps import Problem
from components.settings import Settings
from components.strategies import STRATEGIES


def problems(settings: Settings) -> list[Problem]:
    """One for each thing that cannot be."""
    cutover = settings.cutover
    can = can_of(settings)
    wrong = [one._replace(path=f"emqx:cutover.portions{one.path}") for one in portions.problems(cutover.portions)]
    fine = portions.too_fine(cutover.steps, can.finest_parts)
    wrong += [one._replace(path=f"emqx:cutover.steps{one.path}") for one in fine]
    return [*wrong, *_without_mover(settings, can), *_too_long(settings, can)]


def _without_mover(settings: Settings, can: Capabilities) -> Iterator[Problem]:
    """In one cluster a kick ends the session, so where the balancer closes nobody the nodes have to evacuate, which the open source edition cannot."""
    strategy = STRATEGIES[settings.cutover.strategy]
    editions = {cluster.edition for cluster in settings.clusters.values()}
    closed = all(can.closes(proxied=cluster.proxy_protocol) for cluster in settings.clusters.values())
    if closed or "kick" in strategy.movers or editions == {"ee"}:
        return
    allowed = "a strategy of two clusters: behind this balancer, open source nodes have nobody who moves their clients and keeps the sessions"
    yield Problem("emqx:cutover.strategy", settings.cutover.strategy, allowed)


def _too_long(settings: Settings, can: Capabilities) -> Iterator[Problem]:
    """The holds between the first change of the weights and the drain: even without a client they would outlast the connections."""
    if STRATEGIES[settings.cutover.strategy].in_place:
        return  # which changes no weight
    holds, weighed = 0.0, False
    for step in settings.cutover.steps:
        weighed = weighed or step.kind == "share"
        if step.kind == "share" and step.share == 100:
            break
        holds += step.seconds if weighed else 0.0
    if can.keeps_seconds is not None and holds >= can.keeps_seconds:
        allowed = f"holds of less than {can.keeps_seconds:g} s between the first share and 100: then the balancer ends connections of before by itself"
        yield Problem("emqx:cutover.steps", f"{holds:g} s of holds", allowed)
