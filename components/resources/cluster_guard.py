"""ClusterGuard: stands between a cluster and its deletion; it is the last line, for `destroy` (updates come before deletes)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.cutover.words import Colour
from components.emqx.models import BalancerHandle, ClusterHandle
from components.guards.leaving import refuse_clients
from components.links.finalizing import forget_cutover
from components.resources.props import State, own
from components.resources.provider import TypedProvider
from components.resources.world import credentials_of
from components.value import Value


class ClusterGuardInputs(Value):
    """The cluster that is guarded, and the balancer that knows its share."""

    name: str
    colour: Colour
    cluster: ClusterHandle
    balancer: BalancerHandle


class ClusterGuardProvider(TypedProvider[ClusterGuardInputs]):
    """Knows where to look when the cluster is about to go."""

    TRIGGERS = frozenset({"cluster", "balancer"})

    def identity(self, inputs: ClusterGuardInputs) -> str:
        """The guard's name."""
        return inputs.name

    def act(self, inputs: ClusterGuardInputs, olds: State | None) -> State:  # noqa: ARG002  -- nothing to do but to remember
        """Remember the addresses."""
        return {}

    def delete(self, _id: str, props: State) -> None:
        """Refuse while clients are connected to the cluster, or while nobody can say that none are; at a finalize its cutover is over then."""
        inputs = ClusterGuardInputs.model_validate(own(props))
        credentials = credentials_of(inputs.colour, self.credentials)
        asyncio.run(refuse_clients(inputs.cluster, credentials, inputs.balancer))
        asyncio.run(forget_cutover(inputs.colour, inputs.balancer))


class ClusterGuard(Resource, module="emqx", name="ClusterGuard"):
    """Refuses the deletion of a cluster that still serves."""

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the guard."""
        super().__init__(ClusterGuardProvider(), name, dict(props), opts)
