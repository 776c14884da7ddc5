"""The objects of a colour on Kubernetes as Pulumi's own resources; imported only where there is such a colour, since the SDK is large.

The rule: a name is given, never made up by Pulumi, since pods, ledger and the next run find everything by it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.kubernetes import names
from components.manifests import nodes as manifests
from components.manifests.nodes import COOKIE, Declared, NodePods
from components.manifests.words import Pods

SKIP = {"pulumi.com/skipAwait": "true"}
"""Our own resource waits, which knows the reason; Pulumi's would wait for pods that only a roll may start anew."""


def metadata(name: str, namespace: str, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> Any:
    """Of an object of ours."""
    # an empty one is a change for ever: the API server gives none back
    noted = {"annotations": dict(annotations)} if annotations else {}
    return {"name": name, "namespace": namespace, "labels": dict(labels), **noted}


def provider(context: str | None) -> pulumi.ProviderResource:
    """Pulumi's own provider, told that a ConfigMap or Secret is changed in place: it would be deleted and made anew, under pods that begin with it."""
    return k8s.Provider("kubernetes", context=context, enable_config_map_mutable=True, enable_secret_mutable=True)


def declare(
    pods: NodePods,
    declared: Declared,
    secrets: Mapping[str, str],
    before: pulumi.Resource,
    opts: pulumi.ResourceOptions,
    *,
    born: str | None = None,
) -> list[pulumi.Resource]:
    """Everything of a colour, the StatefulSet last.

    Args:
        pods: how its pods are.
        declared: what they run.
        secrets: what its Secret holds; in Pulumi's state it is encrypted.
        before: what has to let us.
        opts: of its component.
        born: what its nodes take over from the configuration of the other colour; None leaves it as it is.

    """
    colour, name = declared.colour, names.cluster(pods.name, declared.colour)
    labels = declared.all_labels(pods.name)
    first = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[before]))
    about = metadata(name, pods.namespace, labels)
    made = [
        *_secrets(colour, pods, labels, secrets, first),
        k8s.core.v1.ConfigMap(
            f"{colour}-config", metadata=about, data={"emqx.conf": manifests.configuration(pods)}, opts=first
        ),
        _born(colour, pods, labels, born, first),
        *_services(pods, declared, first),
        *guarded(
            colour,
            pods,
            about,
            manifests.budget(pods, declared.labels(pods.name)),
            manifests.network_policy(pods, declared),
            first,
        ),
    ]
    last = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[before, *made]))
    stateful_set = k8s.apps.v1.StatefulSet(
        f"{colour}-pods",
        metadata=metadata(name, pods.namespace, labels, SKIP),
        spec=manifests.stateful_set(pods, declared),
        opts=last,
    )
    return [*made, stateful_set]


def _born(
    colour: str, pods: NodePods, labels: Mapping[str, str], born: str | None, opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """What stays when the colour that it came from has left: nobody can compute it any more then."""
    kept = pulumi.ResourceOptions(ignore_changes=["data"] if born is None else [])
    return k8s.core.v1.ConfigMap(
        f"{colour}-born",
        metadata=metadata(names.born(pods.name, colour), pods.namespace, labels),
        data={manifests.BASE: born or "{}\n"},
        opts=pulumi.ResourceOptions.merge(opts, kept),
    )


def _services(pods: NodePods, declared: Declared, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    colour, labels = declared.colour, declared.all_labels(pods.name)
    return [
        k8s.core.v1.Service(
            f"{colour}-{word}", metadata=metadata(called, pods.namespace, labels, SKIP), spec=spec, opts=opts
        )
        for word, called, spec in (
            ("headless", names.headless(pods.name, colour), manifests.headless_service(pods, declared)),
            ("service", names.cluster(pods.name, colour), manifests.service(pods, declared)),
        )
    ]


def guarded(
    name: str, pods: Pods, about: Any, budget: Any, network_policy: Any, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """What nodes and balancer have alike: a budget, an account where none is named, who may reach them where that is wanted."""
    made: list[pulumi.Resource] = [
        k8s.policy.v1.PodDisruptionBudget(f"{name}-budget", metadata=about, spec=budget, opts=opts)
    ]
    if pods.service_account is None:
        made.append(
            k8s.core.v1.ServiceAccount(
                f"{name}-account", metadata=about, automount_service_account_token=False, opts=opts
            )
        )
    if pods.network_policy:
        made.append(k8s.networking.v1.NetworkPolicy(f"{name}-network", metadata=about, spec=network_policy, opts=opts))
    return made


def _secrets(
    colour: str, pods: NodePods, labels: Mapping[str, str], secrets: Mapping[str, str], opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """What may be given anew, and the cookie, which may not: a node that is started with another one never finds the rest of its cluster."""
    name = names.cluster(pods.name, colour)
    kept = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["data"]))
    return [
        k8s.core.v1.Secret(
            f"{colour}-{word}",
            metadata=metadata(called, pods.namespace, labels),
            type="Opaque",
            data=pulumi.Output.secret({key: base64.b64encode(value.encode()).decode() for key, value in part.items()}),
            opts=options,
        )
        for word, called, part, options in (
            ("secret", name, {key: value for key, value in secrets.items() if key != COOKIE}, opts),
            ("cookie", names.cookie(pods.name, colour), {COOKIE: secrets[COOKIE]} if secrets else {}, kept),
        )
    ]
