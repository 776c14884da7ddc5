"""Colours and balancer held against each other by where they are: pods are reached by pods."""

from __future__ import annotations

from components.cutover.steps import Problem
from components.settings import Settings
from components.targets import KUBERNETES


def problems(settings: Settings) -> list[Problem]:
    """Pods are reached by a balancer that is pods too; nodes of this machine are not."""
    balancer = settings.balancer.target
    inside = {colour: cluster.target == KUBERNETES for colour, cluster in settings.clusters.items()}
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
