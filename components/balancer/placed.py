"""Colours and balancer held against each other by where they are: pods are reached by pods."""

from __future__ import annotations

from collections.abc import Iterator

from components.balancer.listeners import ON_AWS
from components.cutover.steps import Problem
from components.settings import Settings
from components.system.address import parsed
from components.targets import KUBERNETES

STRATEGIES_THERE = ("two-cluster",)


def problems(settings: Settings) -> list[Problem]:
    """Pods are reached by a balancer that is pods too; nodes of this machine are not."""
    balancer = settings.balancer.target
    inside = {colour: cluster.target == KUBERNETES for colour, cluster in settings.clusters.items()}
    if balancer in ON_AWS:
        return list(_on_aws(settings))
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


def _on_aws(settings: Settings) -> Iterator[Problem]:
    """Instances, and somebody's own nodes by their addresses; only what was run there from end to end."""
    word, front = settings.cutover.strategy, settings.balancer.aws
    if word not in STRATEGIES_THERE:
        allowed = f"{', '.join(STRATEGIES_THERE)} behind {settings.balancer.target}; {word} is not yet built there"
        yield Problem("emqx:cutover.strategy", word, allowed)
    if not front.subnets:
        yield Problem("emqx:balancer.aws.subnets", "none", "the subnets of its addresses, in the nodes' VPC")
    for colour, cluster in sorted(settings.clusters.items()):
        if cluster.target not in {"aws", "external"}:
            allowed = "aws or external: the balancer is in a VPC, and reaches nodes by their private addresses"
            yield Problem(f"emqx:clusters.{colour}.target", cluster.target, allowed)
        nodes = getattr(cluster, "nodes", ())
        for index, node in enumerate(nodes if isinstance(nodes, tuple) else ()):
            if parsed(node.mqtt).is_name:
                allowed = "ADDRESS:PORT: a target group knows private addresses, and no names"
                yield Problem(f"emqx:clusters.{colour}.nodes[{index}].mqtt", node.mqtt, allowed)
