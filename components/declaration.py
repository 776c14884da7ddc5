"""What a stack declares, as plain values for the policies: they run apart, and must see it in preview already.

The rule: only what the stack's config says, with its defaults filled in, so that the same config is the same declaration at any time; what
the world says stands in inputs of resources that may differ without an update.
"""

from __future__ import annotations

from typing import Any

from components.intent import links_of, mover_of
from components.settings import Settings
from components.strategies import STRATEGIES
from components.targets import TARGETS

FIRST = "Cutover"
"""The kind of the link before those of the strategy."""


def declaration(settings: Settings) -> dict[str, Any]:
    """What the component that owns everything has as its input ``declared``; names are those of our resources' inputs."""
    cutover, in_place = settings.cutover, STRATEGIES[settings.cutover.strategy].in_place
    plain = {"protocol": "mqtt", "address": settings.balancer.address or ""}
    return {
        "environment": settings.environment,
        "live": settings.live,
        "clusters": clusters(settings),
        "listeners": [{"protocol": one.protocol, "address": one.address} for one in settings.balancer.listeners]
        or [plain],
        "strategy": cutover.strategy,
        "in_place": in_place,
        "mover": "close" if in_place else mover_of(settings).mover if settings.live in settings.clusters else "",
        "budget_per_second": cutover.budget_per_second,
        "steps": [step.model_dump(mode="json") for step in cutover.steps],
        "soak_seconds": cutover.soak_seconds,
        "links": [FIRST, *(link.kind for link in links_of(settings))] if settings.live in settings.clusters else [],
    }


def clusters(settings: Settings) -> list[dict[str, Any]]:
    """The declared colours, each with what the policies compare."""
    return [
        {
            "colour": colour,
            "target": cluster.target,
            "version": cluster.version,
            "edition": cluster.edition,
            "nodes": cluster.size,
            "size": dict(cluster.node_size),
            "features": list(cluster.enterprise_features),
            "needs_licence": TARGETS[cluster.target].ours and cluster.needs_licence,
        }
        for colour, cluster in sorted(settings.clusters.items())
    ]
