"""WeighedBalancer: a balancer that weighs is as the ledger says, and a colour leaves it only when nobody can lose by it; its outputs are the fields of a BalancerHandle."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource

from components.emqx.models import BalancerHandle, Credentials
from components.guards.leaving import is_over
from components.ledger.registry import ledger_of
from components.links.spreading import noted
from components.resources import engine, progress
from components.resources.fronted import credentials_by, drifted, refuse_leavers
from components.resources.props import State, clusters_before
from components.resources.provider import TypedProvider
from components.resources.weighed_inputs import WeighedBalancerInputs
from components.routers.fronting import begun, settled
from components.routers.registry import router_of
from components.routers.up import wait_until_up
from components.run.run import SystemClock


class WeighedBalancerProvider(TypedProvider[WeighedBalancerInputs]):
    """Settles weights; what has them was made by Pulumi's own resources."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset(
        {"clusters", "listeners", "groups", "doors", "told", "host", "external", "stack"}
    )

    def identity(self, inputs: WeighedBalancerInputs) -> str:
        """The balancer's name."""
        return inputs.name

    def refuse(self, inputs: WeighedBalancerInputs, olds: State) -> None:
        """Refuse a colour that leaves while it has weight or clients, or before the soak is over."""
        refuse_leavers(inputs, olds, self.credentials, lambda: _handle(olds))

    def stale(self, inputs: WeighedBalancerInputs, olds: State) -> bool:  # noqa: ARG002  -- the listeners are looked at
        """Whether somebody has changed the weights; who cannot be asked is no reason for an update."""
        return drifted(inputs.handle)

    def act(self, inputs: WeighedBalancerInputs, olds: State | None) -> State:
        """Bring every listener to what the ledger says; the first time, wait until the nodes behind it are up."""
        self.refuse(inputs, olds or {})
        ended = is_over(clusters_before(olds), inputs.clusters)
        handle = inputs.handle
        asyncio.run(_settle(inputs, handle, credentials_by(inputs, self.credentials), ended=ended))
        if olds is None:
            waiting = (inputs.ready_seconds, engine.interrupted, progress.progress)
            asyncio.run(wait_until_up(router_of(handle), *waiting))
        return handle.model_dump(mode="json")


async def _settle(
    inputs: WeighedBalancerInputs, handle: BalancerHandle, credentials: Mapping[str, Credentials], *, ended: bool
) -> None:
    await begun(ledger_of(handle), inputs.words, inputs.live, inputs.clusters, credentials, inputs.standing)
    router = await settled(handle, inputs.clusters, ended=ended)
    await noted(router, ledger_of(handle), SystemClock())


def _handle(olds: State) -> BalancerHandle:
    """The one of the last update, by its inputs: a check has no outputs."""
    return WeighedBalancerInputs.model_validate(
        {key: olds[key] for key in WeighedBalancerInputs.model_fields if key in olds}
    ).handle


class WeighedBalancer(Resource, module="emqx", name="WeighedBalancer"):
    """Where the devices connect; its outputs are the fields of a BalancerHandle."""

    router: pulumi.Output[str]
    ledger: pulumi.Output[str]
    mqtt: pulumi.Output[str]
    endpoints: pulumi.Output[Sequence[Mapping[str, Any]] | None]
    admin: pulumi.Output[Sequence[str]]
    maps: pulumi.Output[str]
    aws: pulumi.Output[Mapping[str, Any]]
    weighed: pulumi.Output[Mapping[str, Any] | None]
    named: pulumi.Output[Mapping[str, Any] | None]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the balancer."""
        outputs = dict.fromkeys(BalancerHandle.model_fields)
        super().__init__(WeighedBalancerProvider(), name, {**outputs, **props}, opts)
