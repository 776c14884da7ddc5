"""The objects of a colour on Kubernetes as Pulumi's own resources; imported only where there is such a colour, since the SDK is large.

The rule: a name is given, never made up by Pulumi, since pods, ledger and the next run find everything by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.kubernetes import names
from components.manifests import nodes as manifests
from components.manifests.nodes import COOKIE, Declared, NodePods

SKIP = {"pulumi.com/skipAwait": "true"}
"""Our own resource waits, which knows the reason; Pulumi's would wait for pods that only a roll may start anew."""


def metadata(name: str, namespace: str, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> Any:
    """Of an object of ours."""
    return {"name": name, "namespace": namespace, "labels": dict(labels), "annotations": dict(annotations or {})}


def declare(
    pods: NodePods,
    declared: Declared,
    secrets: Mapping[str, str],
    before: pulumi.Resource,
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """Everything of a colour, the StatefulSet last.

    Args:
        pods: how its pods are.
        declared: what they run.
        secrets: what its Secret holds; in Pulumi's state it is encrypted.
        before: what has to let us.
        opts: of its component.

    """
    colour, name = declared.colour, names.cluster(pods.name, declared.colour)
    labels = declared.all_labels(pods.name)
    first = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[before]))
    about = metadata(name, pods.namespace, labels)
    made: list[pulumi.Resource] = [
        _secret(colour, about, secrets, first),
        k8s.core.v1.ConfigMap(
            f"{colour}-config", metadata=about, data={"emqx.conf": manifests.configuration(pods)}, opts=first
        ),
        k8s.core.v1.Service(
            f"{colour}-headless",
            metadata=metadata(names.headless(pods.name, colour), pods.namespace, labels, SKIP),
            spec=manifests.headless_service(pods, declared),
            opts=first,
        ),
        k8s.core.v1.Service(
            f"{colour}-service",
            metadata=metadata(name, pods.namespace, labels, SKIP),
            spec=manifests.service(pods, declared),
            opts=first,
        ),
        k8s.policy.v1.PodDisruptionBudget(
            f"{colour}-budget",
            metadata=about,
            spec=manifests.budget(pods, declared.labels(pods.name)),
            opts=first,
        ),
    ]
    if pods.service_account is None:
        made.append(
            k8s.core.v1.ServiceAccount(
                f"{colour}-account", metadata=about, automount_service_account_token=False, opts=first
            )
        )
    if pods.network_policy:
        made.append(
            k8s.networking.v1.NetworkPolicy(
                f"{colour}-network", metadata=about, spec=manifests.network_policy(pods, declared), opts=first
            )
        )
    last = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[before, *made]))
    stateful_set = k8s.apps.v1.StatefulSet(
        f"{colour}-pods",
        metadata=metadata(name, pods.namespace, labels, SKIP),
        spec=manifests.stateful_set(pods, declared),
        opts=last,
    )
    return [*made, stateful_set]


def _secret(colour: str, about: Any, secrets: Mapping[str, str], opts: pulumi.ResourceOptions) -> pulumi.Resource:
    # a cookie that is another one would keep a node that is started from the rest of its cluster
    kept = pulumi.ResourceOptions(ignore_changes=[f"stringData.{COOKIE}"])
    return k8s.core.v1.Secret(
        f"{colour}-secret",
        metadata=about,
        type="Opaque",
        string_data=pulumi.Output.secret(dict(secrets)),
        opts=pulumi.ResourceOptions.merge(opts, kept),
    )
