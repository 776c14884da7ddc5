"""InstancesShare: what is remembered of a balancer of instances, before they begin; a colour leaves the balancer only when nobody can lose by it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource

from components.cutover.words import Colour
from components.emqx.errors import Refused
from components.emqx.models import BalancerHandle, ClusterHandle
from components.ledger.dynamodb import slow
from components.local.newcomers import prepare
from components.resources.fronted import SIZES, credentials_by, refuse_leavers, refuse_too_small
from components.resources.props import State, changed, clusters_before
from components.resources.provider import TypedProvider
from components.routers.listed import tier_listed
from components.value import Value


class InstancesShareInputs(Value):
    """The balancer by its name and table, the clusters behind it, and what the policies look at (``balancer.base.judged``)."""

    region: str
    name: str
    table: str
    stack: str
    live: Colour
    clusters: Mapping[Colour, ClusterHandle]
    colours: Sequence[Colour] = ()
    holding: Sequence[Colour] = ()
    standing: Sequence[Colour] = ()
    external: Sequence[Colour] = ()
    max_connections: int
    replicas: int
    soak_seconds: float
    sessions_may_end: bool = False
    in_one_cluster: bool = False

    @property
    def balancer(self) -> BalancerHandle:
        """The one that stands there.

        Raises:
            Refused: none does.

        """
        found = tier_listed(self.region, self.name, self.table)
        if found is None:
            seen, todo = f"there is no Network Load Balancer {self.name}", "run pulumi refresh, then pulumi up again"
            raise Refused("asking the balancer", node=self.name, seen=seen, todo=todo)
        return found


class InstancesShareProvider(TypedProvider[InstancesShareInputs]):
    """Writes the first share into the table, where there is none."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset({"clusters", "max_connections", "replicas", "external", "stack"})

    def identity(self, inputs: InstancesShareInputs) -> str:
        """The balancer's name."""
        return inputs.name

    def refuse(self, inputs: InstancesShareInputs, olds: State) -> None:
        """Refuse a colour that leaves while it has weight or clients or before the soak is over, and a size that is too small."""
        refuse_leavers(inputs, olds, self.credentials, lambda: inputs.balancer)
        if changed(InstancesShareInputs, SIZES, olds, inputs.model_dump()):
            refuse_too_small(inputs, self.credentials, inputs.replicas * inputs.max_connections)

    def act(self, inputs: InstancesShareInputs, olds: State | None) -> State:
        """The first share, or the one that there is; who is new and joins is kept out before an instance knows it."""
        self.refuse(inputs, olds or {})
        before = {one.colour for one in clusters_before(olds)}
        joining = sorted(inputs.clusters.keys() - before) if inputs.in_one_cluster else ()
        asyncio.run(
            prepare(slow(inputs.region, inputs.table), inputs, joining, credentials_by(inputs, self.credentials))
        )
        return {}


class InstancesShare(Resource, module="emqx", name="InstancesShare"):
    """Share and memory of a balancer of instances; the table that has them goes with its own resource."""

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare it."""
        super().__init__(InstancesShareProvider(), name, dict(props), opts)
