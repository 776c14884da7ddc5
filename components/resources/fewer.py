"""A colour gets fewer nodes: by which balancer their clients are moved before anything of them is taken away, as a run of its own.

The rule: it takes the lease, as every run does, so that whoever acted before has ended.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from components.cutover.evacuation import Evacuation
from components.emqx.base import Cluster
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials
from components.emqx.registry import cluster_of
from components.keepers.registry import keeper_of
from components.links.fewer import Going, let_go
from components.resources import engine
from components.resources.props import State
from components.resources.world import WorldInputs, credentials_of, journaled, opened
from components.run.run import Run
from components.value import Value


class Front(Value):
    """The balancer before a colour, and how clients are moved off nodes that go."""

    balancer: BalancerHandle
    work_directory: str
    budget_per_second: int
    evacuation: Evacuation
    sessions_may_end: bool = False


async def shrink(before: ClusterHandle, nodes: int, front: Front, credentials: Mapping[str, Credentials]) -> State:
    """Take the clients off all nodes of a colour but the first ``nodes``, and let those leave their cluster."""
    mine, names = credentials_of(before.colour, credentials), [one.name for one in before.nodes]

    def of_nodes(some: Sequence[str]) -> Cluster:
        chosen = tuple(one for one in before.nodes if one.name in some)
        return cluster_of(before.model_copy(update={"nodes": chosen}), mine, scope="colour")

    going = Going(
        colour=before.colour,
        names=names[nodes:],
        stay=names[:nodes],
        of_nodes=of_nodes,
        keeper=keeper_of(before, mine, engine.interrupted),
        budget_per_second=front.budget_per_second,
        knobs=front.evacuation,
        sessions_may_end=front.sessions_may_end,
    )
    world = WorldInputs(
        name=f"{before.colour}-fewer",
        clusters={before.colour: before},
        balancer=front.balancer,
        work_directory=front.work_directory,
    )

    async def work(run: Run) -> State:
        await run.begin({})
        return await let_go(run, going)

    async with opened(world, credentials, secrets.token_hex(8)) as run:
        return await journaled(run, world.name, work)
