"""MqttBalancer: the HAProxy process in front of both colours; a colour leaves it only when nobody can lose by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource

from components.cutover.words import Colour, Edition
from components.emqx.models import BalancerHandle, ClusterHandle
from components.operations import balancing
from components.resources.link import credentials_of
from components.resources.provider import State, TypedProvider
from components.value import Value


class MqttBalancerInputs(Value):
    """The colours it stands in front of, and where it works; ``live`` and ``colours`` are for the policies."""

    name: str
    live: Colour
    colours: Sequence[Colour]
    clusters: Mapping[Colour, ClusterHandle]
    editions: Mapping[Colour, Edition]
    directory: str
    address: str | None = None
    max_connections: int
    replicas: int = 1
    soak_seconds: float


class MqttBalancerProvider(TypedProvider[MqttBalancerInputs]):
    """Runs HAProxy in a directory and remembers share and lease in its maps."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset({"clusters", "max_connections", "replicas", "address"})
    REPLACES: ClassVar[frozenset[str]] = frozenset({"directory"})
    _model = MqttBalancerInputs

    def identity(self, inputs: MqttBalancerInputs) -> str:
        """The balancer's name."""
        return inputs.name

    def refuse(self, inputs: MqttBalancerInputs, olds: State) -> None:
        """Refuse a colour that leaves while it has weight or clients, or before the soak is over."""
        for colour, raw in (olds.get("clusters") or {}).items():
            if colour not in inputs.clusters:
                handle = ClusterHandle.model_validate(raw)
                credentials = credentials_of(colour, self.credentials)
                leaving = balancing.Leaving(handle, credentials, Path(inputs.directory), inputs.soak_seconds)
                asyncio.run(balancing.refuse_leaving(leaving, time.time()))

    def stale(self, inputs: MqttBalancerInputs, olds: State) -> bool:  # noqa: ARG002  -- the process is looked at
        """Whether the process is gone."""
        return not balancing.running(Path(inputs.directory))

    def act(self, inputs: MqttBalancerInputs, olds: State | None) -> State:
        """Start it, or let it take over a new configuration; clients stay connected."""
        self.refuse(inputs, olds or {})
        wanted = balancing.Wanted(
            live=inputs.live,
            clusters=inputs.clusters,
            editions=inputs.editions,
            directory=Path(inputs.directory),
            address=inputs.address,
            max_connections=inputs.max_connections,
            replicas=inputs.replicas,
        )
        return balancing.serve(wanted, self.credentials).model_dump(mode="json")

    def delete(self, _id: str, props: State) -> None:
        """End the process; the cluster guards have been asked before."""
        balancing.stop(Path(props["directory"]))


class MqttBalancer(Resource, module="emqx", name="MqttBalancer"):
    """Where the devices connect; its outputs are the fields of a BalancerHandle."""

    mqtt: pulumi.Output[str]
    admin: pulumi.Output[Sequence[str]]
    maps: pulumi.Output[str]
    router: pulumi.Output[str]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the balancer."""
        outputs = dict.fromkeys(BalancerHandle.model_fields)
        super().__init__(MqttBalancerProvider(), name, {**props, **outputs}, opts)
