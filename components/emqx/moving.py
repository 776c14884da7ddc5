"""What is asked of a cluster that moves its own clients: the part of the seam ``base.Cluster`` that only some editions have.

The rule: ``has_evacuation`` says whether the rest may be asked, before anything is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from components.cutover.evacuation import Evacuation
from components.emqx.answers import EvacuationFacts


class Levelling(NamedTuple):
    """A rebalance: at what rates and with what waits, and when a node is too full.

    A donor has at least ``above`` clients more and ``times`` as many as the others on average; the same holds for sessions.
    """

    knobs: Evacuation
    above: int
    times: float


class Moves(Protocol):
    """Node evacuation, and rebalance."""

    async def has_evacuation(self, *, patience_seconds: float | None = None) -> bool:
        """Whether nodes can be evacuated."""
        ...

    async def evacuation_start(self, node: str, knobs: Evacuation, recipients: Sequence[str] = ()) -> bool:
        """Start to evacuate a node, at these rates of its own; False when one runs there already.

        ``recipients`` are the nodes that get its sessions; without them EMQX looks for some itself.
        """
        ...

    async def evacuation_stop(self, node: str) -> bool:
        """Open the node again; False when no evacuation ran there."""
        ...

    async def evacuations(self, *, patience_seconds: float | None = None) -> dict[str, EvacuationFacts]:
        """The running evacuations of the declared nodes by node; empty where there are none."""
        ...

    async def evacuation_status(self) -> dict[str, Any]:
        """All that evacuates or rebalances in the cluster, as ``cutover.evacuation.adoptable`` reads it."""
        ...

    # -- rebalance -----------------------------------------------------------------------------------------------

    async def has_rebalance(self) -> bool:
        """Whether the cluster can even out its nodes by itself."""
        ...

    async def rebalance_start(self, node: str, levelling: Levelling) -> bool:
        """Even out the declared nodes, led by this one; False where none is fuller than that. It ends by itself, and what runs is in ``evacuation_status``."""
        ...

    async def rebalance_stop(self, node: str) -> bool:
        """End the rebalance that this node leads; False where none runs."""
        ...
