"""KubernetesShare: what is remembered of the balancer, before its pods; a colour leaves the balancer only when nobody can lose by it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pulumi
from pulumi import dynamic
from pulumi.dynamic import Resource

from components.resources.fronted import SIZES, credentials_by, refuse_leavers, refuse_too_small
from components.resources.props import State, changed, clusters_before, own
from components.resources.provider import TypedProvider
from components.system import generation
from components.workloads.balancer import Fronted, forget, handle_of, owned, prepare


class KubernetesShareInputs(Fronted):
    """The balancer, and what the policies look at: ``colours`` and ``holding``; ``sessions_may_end`` is whether sessions that nothing could carry were given up."""

    colours: Sequence[str] = ()
    holding: Sequence[str] = ()
    max_connections: int
    replicas: int = 1
    soak_seconds: float
    sessions_may_end: bool = False
    in_one_cluster: bool = False


class KubernetesShareProvider(TypedProvider[KubernetesShareInputs]):
    """Makes the ConfigMap that pods begin with."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset({"clusters", "max_connections", "replicas", "external", "stack"})

    def identity(self, inputs: KubernetesShareInputs) -> str:
        """The balancer's name."""
        return inputs.name

    def refuse(self, inputs: KubernetesShareInputs, olds: State) -> None:
        """Refuse a colour that leaves while it has weight or clients or before the soak is over, and a size that is too small."""
        refuse_leavers(inputs, olds, self.credentials, lambda: handle_of(inputs.place, inputs.name, (), inputs.router))
        if changed(KubernetesShareInputs, SIZES, olds, inputs.model_dump()):
            refuse_too_small(inputs, self.credentials, inputs.replicas * inputs.max_connections)

    def act(self, inputs: KubernetesShareInputs, olds: State | None) -> State:
        """The first share, or the one that there is."""
        self.refuse(inputs, olds or {})
        before = {one.colour for one in clusters_before(olds)}
        joining = sorted(inputs.clusters.keys() - before) if inputs.in_one_cluster else ()
        asyncio.run(prepare(inputs.model_copy(update={"newcomers": joining}), credentials_by(inputs, self.credentials)))
        return {}

    def create(self, props: State) -> dynamic.CreateResult:
        """Make it, or take over what is there: from now on it is this resource's (docs/adr/0012)."""
        made, token = super().create(props), generation.fresh()
        inputs = self._inputs(own(props))
        asyncio.run(owned(inputs.place, inputs.name, token))
        return dynamic.CreateResult(generation.named(str(made.id), token), made.outs)

    def delete(self, id_: str, props: State) -> None:
        """Forget it, unless a later resource has taken it over; the cluster guards have been asked before."""
        inputs = self._inputs(own(props))
        if asyncio.run(owned(inputs.place, inputs.name, None)) in {None, generation.of(id_)}:
            asyncio.run(forget(inputs.place, inputs.name))


class KubernetesShare(Resource, module="emqx", name="KubernetesShare"):
    """Share and memory of a balancer on Kubernetes."""

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare it."""
        super().__init__(KubernetesShareProvider(), name, dict(props), opts)
