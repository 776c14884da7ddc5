"""KubernetesShare: what is remembered of the balancer, before its pods; a colour leaves the balancer only when nobody can lose by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

import pulumi
from pulumi import dynamic
from pulumi.dynamic import Resource

from components.emqx.errors import Retryable
from components.emqx.models import Credentials
from components.guards.leaving import Leaving, left, refuse_leaving
from components.resources.props import State, changed, clusters_before, own
from components.resources.provider import TypedProvider
from components.resources.world import credentials_of
from components.routers.fronting import live_counts, refuse_small
from components.system import generation
from components.workloads.balancer import Fronted, forget, handle_of, owned, prepare

SIZES = frozenset({"max_connections", "replicas", "clusters"})


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
        balancer = handle_of(inputs.place, inputs.name, (), inputs.router)
        for handle in left(clusters_before(olds), inputs.clusters):
            ours = handle.colour not in (olds.get("external") or ())
            known = credentials_of(handle.colour, self.credentials)
            leaving = Leaving(handle, known, inputs.soak_seconds, ours, sessions_may_end=inputs.sessions_may_end)
            asyncio.run(refuse_leaving(leaving, balancer, time.time()))
        if changed(KubernetesShareInputs, SIZES, olds, inputs.model_dump()):
            # who cannot be asked is not counted: a dead colour must not stand in the way of a larger balancer
            with suppress(Retryable):
                counts = asyncio.run(live_counts(inputs.clusters, self._credentials(inputs)))
                refuse_small(inputs.replicas * inputs.max_connections, counts)

    def act(self, inputs: KubernetesShareInputs, olds: State | None) -> State:
        """The first share, or the one that there is."""
        self.refuse(inputs, olds or {})
        before = {one.colour for one in clusters_before(olds)}
        joining = sorted(inputs.clusters.keys() - before) if inputs.in_one_cluster else ()
        asyncio.run(prepare(inputs.model_copy(update={"newcomers": joining}), self._credentials(inputs)))
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

    def _credentials(self, inputs: KubernetesShareInputs) -> dict[str, Credentials]:
        return {colour: credentials_of(colour, self.credentials) for colour in inputs.clusters}


class KubernetesShare(Resource, module="emqx", name="KubernetesShare"):
    """Share and memory of a balancer on Kubernetes."""

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare it."""
        super().__init__(KubernetesShareProvider(), name, dict(props), opts)
