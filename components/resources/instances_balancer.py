"""InstancesBalancer: every instance of the balancer runs with what is declared, has the ledger's share and gets clients; its outputs are the fields of a BalancerHandle."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource

from components.aws.place import AwsPlace
from components.cutover.words import Colour
from components.emqx.models import BalancerHandle, ClusterHandle, Endpoint, Tier
from components.guards.leaving import is_over
from components.instances.nodes import Watching
from components.instances.tier import brought
from components.resources import engine, progress
from components.resources.fronted import drifted
from components.resources.props import State, clusters_before
from components.resources.provider import TypedProvider
from components.routers.fronting import settled
from components.routers.registry import router_of
from components.routers.up import wait_until_up
from components.value import Value


class InstancesBalancerInputs(Value):
    """What was made: ``host`` is the name of the Network Load Balancer, ``doors`` have their port in the address, ``groups`` and ``instances`` are its target groups and who is in them, ``digest`` is of all that an instance runs with."""

    name: str
    region: str
    table: str
    group: str
    host: str
    groups: Sequence[str]
    instances: Sequence[str]
    digest: str
    doors: Sequence[Endpoint]
    clusters: Mapping[Colour, ClusterHandle]
    ready_seconds: float

    @property
    def handle(self) -> BalancerHandle:
        """Where devices connect, and how its instances are found."""
        served = [one.at(self.host) for one in self.doors]
        return BalancerHandle(
            router="haproxy_instances",
            ledger="dynamodb",
            mqtt=served[0].address,
            endpoints=tuple(served),
            admin=(),
            maps=self.table,
            aws=AwsPlace(region=self.region, group=self.group),
            tier=Tier(name=self.name, groups=tuple(self.groups)),
        )


class InstancesBalancerProvider(TypedProvider[InstancesBalancerInputs]):
    """Waits for instances, has them take over what is new, and settles them."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset({"clusters", "instances", "groups", "digest", "doors", "host"})

    def identity(self, inputs: InstancesBalancerInputs) -> str:
        """The balancer's name."""
        return inputs.name

    def stale(self, inputs: InstancesBalancerInputs, olds: State) -> bool:  # noqa: ARG002  -- the instances are asked
        """Whether they do not have the ledger's share; who cannot be asked is no reason for an update."""
        return drifted(inputs.handle)

    def act(self, inputs: InstancesBalancerInputs, olds: State | None) -> State:
        """Bring each instance to what is declared and to what the ledger says; the first time, wait until the nodes behind it are up."""
        ended = is_over(clusters_before(olds), inputs.clusters)
        watching = Watching(inputs.ready_seconds, engine.interrupted, progress.progress)
        asyncio.run(_settle(inputs, watching, first=olds is None, ended=ended))
        return inputs.handle.model_dump(mode="json")


async def _settle(inputs: InstancesBalancerInputs, watching: Watching, *, first: bool, ended: bool) -> None:
    handle = inputs.handle
    tier = Tier(name=inputs.name, groups=tuple(inputs.groups))
    await brought(inputs.region, tier, inputs.instances, inputs.digest, watching)
    await settled(handle, inputs.clusters, ended=ended)
    if first:
        await wait_until_up(router_of(handle), *watching)


class InstancesBalancer(Resource, module="emqx", name="InstancesBalancer"):
    """Where the devices connect; its outputs are the fields of a BalancerHandle."""

    router: pulumi.Output[str]
    ledger: pulumi.Output[str]
    mqtt: pulumi.Output[str]
    endpoints: pulumi.Output[Sequence[Mapping[str, Any]] | None]
    admin: pulumi.Output[Sequence[str]]
    maps: pulumi.Output[str]
    aws: pulumi.Output[Mapping[str, Any]]
    tier: pulumi.Output[Mapping[str, Any]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the balancer."""
        outputs = dict.fromkeys(BalancerHandle.model_fields)
        super().__init__(InstancesBalancerProvider(), name, {**outputs, **props}, opts)
