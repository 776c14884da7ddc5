"""Colours and balancer held against each other by where they are: pods are reached by pods, and not every strategy is built for them."""

from __future__ import annotations

from components.cutover.steps import Problem
from components.settings import Settings
from components.targets import KUBERNETES

ON_KUBERNETES = ("two-cluster",)
"""The strategies that were run there, from end to end."""


def problems(settings: Settings) -> list[Problem]:
    """Pods are reached by a balancer that is pods too; nodes of this machine are not."""
    balancer = settings.balancer.target
    inside = {colour: cluster.target == KUBERNETES for colour, cluster in settings.clusters.items()}
    word = settings.cutover.strategy
    if (any(inside.values()) or balancer == KUBERNETES) and word not in ON_KUBERNETES:
        allowed = f"{', '.join(ON_KUBERNETES)} on {KUBERNETES}; {word} is not yet built there"
        return [Problem("emqx:cutover.strategy", word, allowed)]
    if balancer == KUBERNETES:
        return [
            Problem(
                f"emqx:clusters.{colour}.target", settings.clusters[colour].target, "not local: the balancer is pods"
            )
            for colour in sorted(inside)
            if settings.clusters[colour].target == "local"
        ]
    return (
        [Problem("emqx:balancer.target", balancer, f"{KUBERNETES}, as the nodes are")] if any(inside.values()) else []
    )
