"""KubernetesCluster: a colour's pods are ready, or the update ends with the reason; its output is their handle."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource

from components.emqx.errors import Retryable
from components.resources import engine, progress
from components.resources.props import State
from components.resources.provider import TypedProvider
from components.workloads.nodes import Running, Watching, forget_holds_of_fewer, handle_of, ready_count, wait_for


class KubernetesClusterInputs(Running):
    """The StatefulSet that was declared; ``in_place`` is whether a roll starts its pods, and nobody else does, ``in_work`` the node that it has out, ``emptied`` whether its nodes may be evacuated, and are as they should be without being ready."""

    in_place: bool = False
    in_work: str | None = None
    emptied: bool = False


class KubernetesClusterProvider(TypedProvider[KubernetesClusterInputs]):
    """Waits; what it waits for was made by Pulumi's own resources."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset(
        {"version", "edition", "nodes", "proxy_protocol", "place", "name", "snapshot_class"}
    )

    def identity(self, inputs: KubernetesClusterInputs) -> str:
        """The StatefulSet's name."""
        return inputs.workload

    def stale(self, inputs: KubernetesClusterInputs, olds: State) -> bool:  # noqa: ARG002  -- the pods are looked at
        """Whether a pod is missing or not ready; one that cannot be looked at is no reason for an update."""
        try:
            return asyncio.run(ready_count(inputs, emptied=inputs.emptied)) != (inputs.nodes, inputs.nodes)
        except Retryable:
            return False

    def act(self, inputs: KubernetesClusterInputs, olds: State | None) -> State:  # noqa: ARG002  -- the pods are looked at
        """Wait until all pods are ready; those that a mistake of before has left stuck are started anew."""
        watching = Watching(inputs.ready_seconds, engine.interrupted, progress.progress)
        asyncio.run(
            wait_for(
                inputs, watching, replace_stuck=not inputs.in_place, in_work=inputs.in_work, emptied=inputs.emptied
            )
        )
        asyncio.run(forget_holds_of_fewer(inputs))
        return {"handle": handle_of(inputs).model_dump(mode="json")}


class KubernetesCluster(Resource, module="emqx", name="KubernetesCluster"):
    """A cluster in pods; ``handle`` is a ClusterHandle."""

    handle: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the cluster."""
        super().__init__(KubernetesClusterProvider(), name, {**props, "handle": None}, opts)
