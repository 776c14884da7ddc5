"""ClusterGuard: stands between a cluster and its deletion; it is the last line, for `destroy` (updates come before deletes)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import dynamic
from pulumi.dynamic import Resource

from components.cutover.words import Colour
from components.emqx.errors import UpgradeError
from components.emqx.models import BalancerHandle, ClusterHandle
from components.guards.leaving import refuse_clients
from components.ledger.base import guard_key
from components.ledger.registry import ledger_of
from components.links.finalizing import forget_cutover
from components.resources.props import State, own
from components.resources.provider import TypedProvider
from components.resources.world import credentials_of
from components.system import generation
from components.value import Value


class ClusterGuardInputs(Value):
    """The cluster that is guarded, whether we started it (`ours`), and the balancer that knows its share.

    For the policies: what is declared of it, whether it ``serves`` as the live colour, and the versions that its nodes were seen to run (None: they
    could not be asked).
    """

    name: str
    colour: Colour
    cluster: ClusterHandle
    balancer: BalancerHandle
    ours: bool = True
    serves: bool = False
    version: str = ""
    edition: str = ""
    in_place: bool = False
    runs: Sequence[str] | None = None


class ClusterGuardProvider(TypedProvider[ClusterGuardInputs]):
    """Knows where to look when the cluster is about to go."""

    TRIGGERS = frozenset({"cluster", "balancer", "ours"})

    def identity(self, inputs: ClusterGuardInputs) -> str:
        """The guard's name."""
        return inputs.name

    def act(self, inputs: ClusterGuardInputs, olds: State | None) -> State:  # noqa: ARG002  -- nothing to do but to remember
        """Remember the addresses."""
        return {}

    def create(self, props: State) -> dynamic.CreateResult:
        """From now on this is the guard of its colour, as the ledger says."""
        made, token = super().create(props), generation.fresh()
        inputs = ClusterGuardInputs.model_validate(own(props))
        asyncio.run(_noted(inputs, token))
        return dynamic.CreateResult(generation.named(str(made.id), token), made.outs)

    def delete(self, id_: str, props: State) -> None:
        """Refuse while clients are connected, or while nobody can say that none are; a replaced guard lets go, a finalize ends the cutover."""
        inputs = ClusterGuardInputs.model_validate(own(props))
        if asyncio.run(_is_replaced(inputs, id_)):
            return
        credentials = credentials_of(inputs.colour, self.credentials)
        asyncio.run(refuse_clients(inputs.cluster, credentials, inputs.balancer, ours=inputs.ours))
        asyncio.run(forget_cutover(inputs.colour, inputs.balancer))


async def _noted(inputs: ClusterGuardInputs, token: str) -> None:
    async with ledger_of(inputs.balancer).held(None) as writing:
        await writing.write({guard_key(inputs.colour): token})


async def _is_replaced(inputs: ClusterGuardInputs, id_: str) -> bool:
    """Whether another guard began after this one; where the ledger cannot be read this one counts."""
    try:
        record = await ledger_of(inputs.balancer).read()
    except UpgradeError:
        return False
    mine = generation.of(id_)
    return record.memory.get(guard_key(inputs.colour), mine) != mine


class ClusterGuard(Resource, module="emqx", name="ClusterGuard"):
    """Refuses the deletion of a cluster that still serves."""

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the guard."""
        super().__init__(ClusterGuardProvider(), name, dict(props), opts)
