"""The balancer of target `kubernetes`: HAProxy in a Deployment, its share and memory in a ConfigMap, a Service in front."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi

from components.balancer.base import Fronted, handle_from, judged
from components.cutover.words import COLOURS, Colour
from components.emqx.models import BalancerHandle, ClusterHandle, Endpoint
from components.kubernetes import loop
from components.kubernetes.place import Place
from components.ledger.base import Record
from components.ledger.remembered import EXTERNAL, STACK, Remembered
from components.manifests import haproxy as manifests
from components.manifests.haproxy import BalancerPods, Fronting
from components.resources.kubernetes_balancer import KubernetesBalancer as Ready
from components.resources.kubernetes_share import KubernetesShare
from components.resources.kubernetes_taken import KubernetesTaken
from components.settings import Settings
from components.workloads.balancer import handle_of, ledger_at, observed

LOOK_SECONDS = 30.0


class KubernetesBalancer:
    """Found by the labels of its pods, and by its ConfigMap."""

    router = "haproxy_pods"

    def declare(
        self, name: str, settings: Settings, fronted: Fronted, opts: pulumi.ResourceOptions
    ) -> pulumi.Output[dict[str, Any]]:
        """Declare the ledger, then the pods, then that they are as the ledger says."""
        from components.balancer.kubernetes_objects import declare

        pods, fronting, place = settings.balancer.kubernetes, fronting_of(settings), place_of(settings)
        at = {"place": place.model_dump(mode="json"), "name": pods.name, "clusters": dict(fronted.clusters)}
        share = share_of(name, settings, fronted, at, opts)
        editions = {colour: cluster.edition for colour, cluster in settings.clusters.items()}
        text = pulumi.Output.all(**{str(colour): handle for colour, handle in fronted.clusters.items()}).apply(
            lambda found: manifests.configuration(fronting, _clusters(found), editions)
        )
        made = declare(name, pods, fronting, text, share, opts)
        waits = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[share, *made]))
        service = json.dumps(manifests.service(pods, fronting), sort_keys=True)
        ready = Ready(
            f"{name}-haproxy",
            {
                **at,
                "endpoints": [one.model_dump(mode="json") for one in endpoints_of(settings)],
                "replicas": fronting.replicas,
                "configuration": text.apply(manifests.digest),
                "service": manifests.digest(service),
                "ready_seconds": pods.ready_seconds,
            },
            waits,
        )
        _take(name, settings, pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[ready])))
        return handle_from(ready, "pods")

    def remembered(self, settings: Settings) -> Remembered:
        """What the ConfigMap says."""
        share, memory = self._record(settings)
        external = tuple(colour for colour in COLOURS if colour in memory.get(EXTERNAL, "").split())
        return Remembered() if share is None else Remembered(share, memory, external)

    def owner(self, settings: Settings) -> str | None:
        """As the ConfigMap says."""
        return self._record(settings).memory.get(STACK)

    def reserve(self, settings: Settings, stack: str) -> None:
        """The first resource of the balancer says it, in the ConfigMap that it makes."""

    def observed(self, settings: Settings) -> BalancerHandle | None:
        """The handle, where its Service has an address."""
        name = settings.balancer.kubernetes.name
        handle = handle_of(place_of(settings), name, endpoints_of(settings), self.router)
        return loop.wait(observed(handle), LOOK_SECONDS)

    def _record(self, settings: Settings) -> Record:
        pods: BalancerPods = settings.balancer.kubernetes
        return loop.wait(ledger_at(place_of(settings), pods.name).read(), LOOK_SECONDS)


def place_of(settings: Settings) -> Place:
    """Where it is."""
    pods = settings.balancer.kubernetes
    return Place(namespace=pods.namespace, context=pods.context, access=pods.access)


def fronting_of(settings: Settings) -> Fronting:
    """What it listens on, and with how many pods."""
    balancer = settings.balancer
    return Fronting(
        listeners=balancer.listeners,
        replicas=balancer.replicas,
        max_connections=balancer.max_connections,
        back_seconds=balancer.back_seconds,
        environment=settings.environment,
    )


def endpoints_of(settings: Settings) -> list[Endpoint]:
    """The declared listeners, as far as they are known before there is an address."""
    return [
        Endpoint(protocol=one.protocol, address=f"*:{one.port}", behind=one.accept_proxy)
        for one in settings.balancer.listeners
    ]


def _clusters(found: Mapping[str, Any]) -> dict[Colour, ClusterHandle]:
    return {colour: ClusterHandle.model_validate(found[colour]) for colour in COLOURS if colour in found}


def share_of(
    name: str, settings: Settings, fronted: Fronted, at: Mapping[str, Any], opts: pulumi.ResourceOptions, **more: Any
) -> KubernetesShare:
    """The ledger; ``more`` are inputs of another router's."""
    return KubernetesShare(
        f"{name}-share",
        {
            **at,
            "stack": pulumi.get_stack(),
            **judged(settings, fronted),
            **more,
        },
        opts,
    )


def _take(name: str, settings: Settings, opts: pulumi.ResourceOptions) -> None:
    """The Services of somebody's that are to lead here, once all pods agree."""
    pods, ports = settings.balancer.kubernetes, [port for _, port in fronting_of(settings).ports]
    for one in pods.takes:
        inputs = {"place": place_of(settings).model_dump(mode="json"), "name": pods.name, "ports": ports}
        KubernetesTaken(
            f"{name}-takes-{one.service}", {**inputs, "service": one.service, "leaves": [*one.leaves]}, opts
        )
