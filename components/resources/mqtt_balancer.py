"""MqttBalancer: the HAProxy process in front of both colours; a colour leaves it only when nobody can lose by it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import ConfigureRequest, Resource

from components.emqx.models import BalancerHandle
from components.guards.leaving import is_over
from components.guards.ownership import refuse_moved
from components.local import balancer as balancing
from components.local.listening import Listening, listening
from components.resources.balancer_inputs import MqttBalancerInputs
from components.resources.fronted import SIZES, credentials_by, refuse_leavers, refuse_too_small
from components.resources.owned import OwnedProvider
from components.resources.props import State, changed, clusters_before
from components.routers.certificates import by_name


class MqttBalancerProvider(OwnedProvider[MqttBalancerInputs]):
    """Runs HAProxy in a directory, which is also where its cutovers are remembered."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset(
        {"clusters", "max_connections", "replicas", "address", "listeners", "back_seconds"}
    )
    certificates: Mapping[str, str] = {}
    REPLACES: ClassVar[frozenset[str]] = frozenset({"directory"})

    def identity(self, inputs: MqttBalancerInputs) -> str:
        """The balancer's name."""
        return inputs.name

    def refuse(self, inputs: MqttBalancerInputs, olds: State) -> None:
        """Refuse a colour that leaves while it has weight or clients or before the soak is over, and a size that is too small."""
        before = Path(olds.get("directory") or inputs.directory)
        refuse_moved("the balancer", before, Path(inputs.directory), before.parent, partial(balancing.running, before))
        refuse_leavers(inputs, olds, self.credentials, lambda: balancing.handle_of(Path(inputs.directory)))
        if changed(MqttBalancerInputs, SIZES, olds, inputs.model_dump()):
            refuse_too_small(inputs, self.credentials, inputs.replicas * inputs.max_connections)

    def stale(self, inputs: MqttBalancerInputs, olds: State) -> bool:  # noqa: ARG002  -- the processes are looked at
        """Whether a process is gone, a certificate is another one now than it listens with, or nodes are checked as what they are not any more."""
        directory = Path(inputs.directory)
        if not balancing.running(directory, inputs.replicas):
            return True
        now = tuple(one.endpoint for one in self._listening(inputs))
        if now != balancing.handle_of(directory).endpoints:
            return True
        return balancing.checked_otherwise(inputs.wanted(()), credentials_by(inputs, self.credentials))

    def act(self, inputs: MqttBalancerInputs, olds: State | None) -> State:
        """Start it, or let it take over a new configuration; clients stay connected."""
        self.refuse(inputs, olds or {})
        before = clusters_before(olds)
        wanted = inputs.wanted(self._listening(inputs), before, ended=is_over(before, inputs.clusters))
        return balancing.serve(wanted, credentials_by(inputs, self.credentials)).model_dump(mode="json")

    def end(self, props: State) -> None:
        """End the process, and what it remembers ends with it; the cluster guards have been asked before."""
        balancing.remove(Path(props["directory"]))

    def configure(self, req: ConfigureRequest) -> None:
        """Keep the stack's certificates too, in memory only."""
        super().configure(req)
        self.certificates = by_name(req.config.get("certificates"))

    def _listening(self, inputs: MqttBalancerInputs) -> tuple[Listening, ...]:
        return listening(inputs.listeners, self.certificates, time.time())


class MqttBalancer(Resource, module="emqx", name="MqttBalancer"):
    """Where the devices connect; its outputs are the fields of a BalancerHandle."""

    mqtt: pulumi.Output[str]
    endpoints: pulumi.Output[Sequence[Mapping[str, Any]] | None]
    admin: pulumi.Output[Sequence[str]]
    maps: pulumi.Output[str]
    router: pulumi.Output[str]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the balancer."""
        outputs = dict.fromkeys(BalancerHandle.model_fields)
        super().__init__(MqttBalancerProvider(), name, {**props, **outputs}, opts)
