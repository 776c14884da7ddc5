"""Where clusters live: the word in the stack file, and what stands for it; a target is one module and one line here."""

from __future__ import annotations

import pulumi

from components.cutover.steps import Problem
from components.settings import Settings
from components.targets.aws import Aws
from components.targets.base import Target
from components.targets.external import External, ExternalCluster
from components.targets.external import located as adopt
from components.targets.kubernetes import Kubernetes
from components.targets.local import Local

KUBERNETES, AWS = "kubernetes", "aws"
ROUTE53 = "route53"
BALANCERS_ON_AWS = frozenset({"network_load_balancer", ROUTE53, AWS})
"""The balancers that Pulumi's provider for AWS declares."""


def providers_of(settings: Settings) -> list[pulumi.ProviderResource]:
    """Pulumi's own providers that the declared colours and balancer need, configured as they need them."""
    return [*_of_kubernetes(settings), *_of_aws(settings)]


def _of_kubernetes(settings: Settings) -> list[pulumi.ProviderResource]:
    pods = [one for one in settings.clusters.values() if one.target == KUBERNETES]
    if settings.balancer.target in {KUBERNETES, "service"}:
        pods.append(settings.balancer.kubernetes)
    if not pods:
        return []
    from components.targets.kubernetes_objects import provider

    return [provider(pods[0].context)]


def _of_aws(settings: Settings) -> list[pulumi.ProviderResource]:
    regions = [one.region for one in settings.clusters.values() if one.target == AWS]
    if settings.balancer.target in BALANCERS_ON_AWS:
        regions.append(settings.balancer.aws.region)
    if not regions:
        return []
    from components.targets.aws_objects import provider

    return [provider(regions[0])]


def located(settings: Settings) -> tuple[Settings, list[Problem]]:
    """The same with the nodes of colours that are somebody's pods, and what is wrong with where they are to be found."""
    found = {
        colour: adopt(cluster, f"emqx:clusters.{colour}")
        for colour, cluster in settings.clusters.items()
        if isinstance(cluster, ExternalCluster)
    }
    clusters = {**settings.clusters, **{colour: cluster for colour, (cluster, _) in found.items()}}
    problems = [problem for _, some in found.values() for problem in some]
    return settings.model_copy(update={"clusters": clusters}), problems


TARGETS: dict[str, Target] = {"local": Local(), "external": External(), "kubernetes": Kubernetes(), "aws": Aws()}
