"""Nodes that are declared no more: their clients go first, at the budget, then they leave their cluster; whoever takes them away waits for both.

The rule: where it cannot be done the nodes are back in service, and a node that has clients is never stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from components.cutover.evacuation import Evacuation
from components.cutover.words import Colour
from components.emqx.errors import GaveUp, Refused
from components.keepers.base import NodeKeeper
from components.links import roll_away
from components.links.leave import leave
from components.links.roll_away import Away, Opens
from components.run.run import Run

STEP = "fewer"


class Going(NamedTuple):
    """The nodes of a colour that go and those that stay, who keeps them, at what rate clients are moved, and whether sessions that nobody can carry may end."""

    colour: Colour
    names: Sequence[str]
    stay: Sequence[str]
    of_nodes: Opens
    keeper: NodeKeeper | None
    budget_per_second: int
    knobs: Evacuation
    sessions_may_end: bool

    def away(self, node: str) -> Away:
        """One of them, as a roll takes its clients off."""
        return Away(self.colour, node, STEP, self.of_nodes, self.budget_per_second, self.knobs)


async def let_go(run: Run, going: Going) -> dict[str, Any]:
    """Take everybody off these nodes and let them leave; those that have left already are passed over.

    Raises:
        GaveUp: clients are left that no mover reaches, or a node does not go.
        Refused: sessions or durable storage are on them.

    """
    for node in going.names:
        await roll_away.shut(run, going.away(node))
    try:
        moved = await _moved(run, going)
        async with going.of_nodes(going.names) as old, going.of_nodes(going.stay) as new:
            staying = replace(run, clusters={going.colour: new})
            told = await leave(staying, old, going.colour, going.keeper, sessions_may_end=going.sessions_may_end)
    except (GaveUp, Refused):
        for node in going.names:
            await run.set_server(going.colour, node, "ready")
        raise
    return {"moved": dict(moved), **told}


async def _moved(run: Run, going: Going) -> Counter[str]:
    moved: Counter[str] = Counter()
    for node in going.names:
        moved += await roll_away.move(run, going.away(node))
        if count := await roll_away.left(run, going.away(node)):
            raise roll_away.stuck(going.away(node), count)
    return moved
