"""The objects of the balancer on Kubernetes as Pulumi's own resources; imported only where there is one."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from components.kubernetes import names
from components.manifests import haproxy as manifests
from components.manifests.haproxy import CONFIG, BalancerPods, Fronting
from components.manifests.nodes import budget
from components.targets.kubernetes_objects import SKIP, metadata


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
    made: list[pulumi.Resource] = [
        k8s.core.v1.ConfigMap(f"{name}-config", metadata=about, data={CONFIG: text}, opts=first),
        k8s.policy.v1.PodDisruptionBudget(
            f"{name}-budget", metadata=about, spec=budget(pods, names.balancer_labels(pods.name)), opts=first
        ),
        k8s.core.v1.Service(
            f"{name}-service",
            metadata=metadata(own, pods.namespace, labels, {**pods.service.annotations, **SKIP}),
            spec=manifests.service(pods, fronting),
            opts=first,
        ),
    ]
    if pods.service_account is None:
        made.append(
            k8s.core.v1.ServiceAccount(
                f"{name}-account", metadata=about, automount_service_account_token=False, opts=first
            )
        )
    if pods.network_policy:
        made.append(
            k8s.networking.v1.NetworkPolicy(
                f"{name}-network", metadata=about, spec=manifests.network_policy(pods, fronting), opts=first
            )
        )
    last = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[before, *made]))
    spec = manifests.deployment(pods, fronting, text.apply(manifests.digest))
    deployment = k8s.apps.v1.Deployment(
        f"{name}-pods", metadata=metadata(own, pods.namespace, labels, SKIP), spec=spec, opts=last
    )
    return [*made, deployment]
