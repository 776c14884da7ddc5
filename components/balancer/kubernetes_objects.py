"""The objects of the balancer on Kubernetes as Pulumi's own resources; imported only where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s

from components.kubernetes import names
from components.manifests import haproxy as manifests
from components.manifests.haproxy import CONFIG, BalancerPods, Fronting
from components.manifests.nodes import budget
from components.manifests.pod import Manifest
from components.targets.kubernetes_objects import SKIP, guarded, metadata


def declare(
    name: str,
    pods: BalancerPods,
    fronting: Fronting,
    text: pulumi.Output[str],
    before: pulumi.Resource,
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """Everything of it.

    Args:
        name: of the component, for Pulumi's names.
        pods: how its pods are.
        fronting: what it listens on.
        text: HAProxy's configuration.
        before: the ledger, without which no pod could begin.
        opts: of its component.

    """
    own, labels = names.balancer(pods.name), manifests.labels(pods, fronting.environment)
    first = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[before]))
    about = metadata(own, pods.namespace, labels)
    budgeted = budget(pods, names.balancer_labels(pods.name))
    made: list[pulumi.Resource] = [
        k8s.core.v1.ConfigMap(f"{name}-config", metadata=about, data={CONFIG: text}, opts=first),
        k8s.core.v1.Service(
            f"{name}-service",
            metadata=metadata(own, pods.namespace, labels, {**pods.service.annotations, **SKIP}),
            spec=manifests.service(pods, fronting),
            opts=first,
        ),
        *guarded(name, pods, about, budgeted, manifests.network_policy(pods, fronting), first),
    ]
    last = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[before, *made]))
    spec = manifests.deployment(pods, fronting, text.apply(manifests.digest))
    deployment = k8s.apps.v1.Deployment(
        f"{name}-pods", metadata=metadata(own, pods.namespace, labels, SKIP), spec=spec, opts=last
    )
    return [*made, deployment]


def declare_entrance(
    name: str,
    pods: BalancerPods,
    spec: Manifest,
    labels: Mapping[str, str],
    colours: Sequence[str],
    before: pulumi.Resource,
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    """The Service of router `service`, which says who is behind it; whom it leads to is the router's."""
    own = pulumi.ResourceOptions(depends_on=[before], ignore_changes=["spec.selector"])
    said = {**pods.service.annotations, **SKIP, names.COLOURS: " ".join(colours)}
    return k8s.core.v1.Service(
        f"{name}-entrance",
        metadata=metadata(names.entrance(pods.name), pods.namespace, labels, said),
        spec=spec,
        opts=pulumi.ResourceOptions.merge(opts, own),
    )
