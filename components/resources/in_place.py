"""What a roll is asked to do, from the inputs of its links; a roll is of the one colour that is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from components.cutover.roll import Release
from components.cutover.words import Colour
from components.emqx.base import Cluster
from components.emqx.errors import Refused, UpgradeError
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials
from components.emqx.registry import cluster_of
from components.keepers.registry import keeper_of
from components.ledger.registry import ledger_of
from components.links.roll import Rolling
from components.links.roll_opening import Wanted, has_work
from components.links.shift import Manner
from components.resources import engine
from components.resources.world import credentials_of
from components.run.run import Run

ASK_SECONDS = 5.0


class Asked(Protocol):
    """The inputs of a link, as far as a roll needs them: the colour, its handle, where it is remembered and where copies are kept."""

    @property
    def to(self) -> Colour: ...  # noqa: D102

    @property
    def clusters(self) -> Mapping[Colour, ClusterHandle]: ...  # noqa: D102

    @property
    def balancer(self) -> BalancerHandle: ...  # noqa: D102

    @property
    def work_directory(self) -> str: ...  # noqa: D102


class AskedFirst(Asked, Protocol):
    """Those of the first link: also what may be lost, and how many clients may be moved in a second."""

    @property
    def acknowledge(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def budget_per_second(self) -> int: ...  # noqa: D102


def declared(handle: ClusterHandle) -> Release:
    """What the nodes are declared to run."""
    return Release(handle.version, handle.edition or "ee")


def wanted(inputs: AskedFirst, credentials: Mapping[str, Credentials]) -> Wanted:
    """What the first link judges."""
    handle = inputs.clusters[inputs.to]
    return Wanted(
        declared(handle),
        inputs.acknowledge,
        credentials_of(inputs.to, credentials).license,
        datetime.now(UTC).date(),
        inputs.budget_per_second,
        handle.keeper is not None,
    )


async def has_roll(inputs: AskedFirst, credentials: Mapping[str, Credentials]) -> bool:
    """Whether there is something to be rolled."""
    handle = inputs.clusters[inputs.to]
    try:
        memory = (await ledger_of(inputs.balancer).read()).memory
    except UpgradeError:
        return True
    async with cluster_of(handle, credentials_of(inputs.to, credentials), patience_seconds=ASK_SECONDS) as api:
        return await has_work(api, memory, inputs.to, declared(handle))


def rolling(
    run: Run, inputs: Asked, manner: Manner, acknowledge: Sequence[str], credentials: Mapping[str, Credentials]
) -> Rolling:
    """What a roll works with.

    Raises:
        Refused: the target cannot stop and start nodes, which the first link has refused before.

    """
    handle, mine = inputs.clusters[inputs.to], credentials_of(inputs.to, credentials)
    keeper = keeper_of(handle, mine, engine.interrupted)
    if keeper is None:
        seen, todo = "nobody keeps its nodes", "give it a target that can stop and start nodes"
        raise Refused(f"rolling {inputs.to}", node=inputs.to, seen=seen, todo=todo)

    def of_nodes(names: Sequence[str]) -> Cluster:
        nodes = tuple(one for one in handle.nodes if one.name in names)
        return cluster_of(handle.model_copy(update={"nodes": nodes}), mine, scope="colour")

    return Rolling(
        run=run,
        colour=inputs.to,
        declared=declared(handle),
        keeper=keeper,
        of_nodes=of_nodes,
        work_directory=Path(inputs.work_directory),
        budget_per_second=manner.budget_per_second,
        gates=manner.gates,
        knobs=manner.evacuation,
        may_end="sessions" in acknowledge,
    )
