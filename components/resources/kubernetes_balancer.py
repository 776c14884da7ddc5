"""KubernetesBalancer: the balancer's pods are ready and agree, and devices can connect; its outputs are the fields of a BalancerHandle."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource

from components.cutover.words import Colour
from components.emqx.errors import Retryable, UpgradeError
from components.emqx.models import BalancerHandle, ClusterHandle, Endpoint
from components.guards.leaving import is_over
from components.kubernetes.place import Place
from components.resources import engine, progress
from components.resources.props import State, clusters_before
from components.resources.provider import TypedProvider
from components.routers.registry import router_of
from components.value import Value
from components.workloads.balancer import PODS, handle_of, observed, settle
from components.workloads.nodes import Watching


class KubernetesBalancerInputs(Value):
    """What was declared of it; ``configuration`` is the hash of HAProxy's, ``service`` that of the Service; without ``replicas`` it is nothing but that."""

    place: Place
    name: str
    clusters: Mapping[Colour, ClusterHandle]
    endpoints: Sequence[Endpoint] = ()
    replicas: int
    router: str = PODS
    configuration: str
    service: str
    ready_seconds: float


class KubernetesBalancerProvider(TypedProvider[KubernetesBalancerInputs]):
    """Waits for pods and settles them."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset({"clusters", "replicas", "configuration", "service", "endpoints"})

    def identity(self, inputs: KubernetesBalancerInputs) -> str:
        """The balancer's name."""
        return inputs.name

    def stale(self, inputs: KubernetesBalancerInputs, olds: State) -> bool:
        """Whether it has another address by now, or its pods do not agree; who cannot be asked is no reason for an update."""
        handle = handle_of(inputs.place, inputs.name, inputs.endpoints, inputs.router)
        try:
            now = asyncio.run(observed(handle))
            if now is None or now.mqtt != olds.get("mqtt"):
                return True
            asyncio.run(router_of(handle).share())
        except Retryable:
            return False
        except UpgradeError:
            return True
        return False

    def act(self, inputs: KubernetesBalancerInputs, olds: State | None) -> State:
        """Wait for the pods, and bring each to what the ledger says."""
        before = clusters_before(olds)
        watching = Watching(inputs.ready_seconds, engine.interrupted, progress.progress)
        handle = handle_of(inputs.place, inputs.name, inputs.endpoints, inputs.router)
        ended = is_over(before, inputs.clusters)
        found = asyncio.run(settle(handle, inputs.clusters, inputs.replicas, watching, ended=ended))
        return found.model_dump(mode="json")


class KubernetesBalancer(Resource, module="emqx", name="KubernetesBalancer"):
    """Where the devices connect; its outputs are the fields of a BalancerHandle."""

    router: pulumi.Output[str]
    ledger: pulumi.Output[str]
    mqtt: pulumi.Output[str]
    endpoints: pulumi.Output[Sequence[Mapping[str, Any]] | None]
    admin: pulumi.Output[Sequence[str]]
    maps: pulumi.Output[str]
    pods: pulumi.Output[Mapping[str, Any]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the balancer."""
        super().__init__(
            KubernetesBalancerProvider(), name, {**dict.fromkeys(BalancerHandle.model_fields), **props}, opts
        )
