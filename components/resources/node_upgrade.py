"""NodeUpgrade: one more node of a roll runs the declared version; which one is decided when it is its turn."""

from __future__ import annotations

from typing import Any

from components.links.roll import roll
from components.links.shift import Manner
from components.resources.in_place import rolling
from components.resources.link import Link, LinkInputs, LinkProvider
from components.run.run import Run


class NodeUpgradeInputs(LinkInputs):
    """How many nodes are on the declared version when it is done, and the manner of the whole roll, which may be edited without running it again."""

    number: int
    manner: Manner
    acknowledge: tuple[str, ...] = ()


class NodeUpgradeProvider(LinkProvider[NodeUpgradeInputs]):
    """Rolls one node."""

    async def work(self, run: Run, inputs: NodeUpgradeInputs) -> dict[str, Any]:
        """The next node in the order, unless so many are done."""
        rolled = rolling(run, inputs, inputs.manner, inputs.acknowledge, self.credentials)
        return await roll(rolled, inputs.number)


class NodeUpgrade(Link, module="emqx", name="NodeUpgrade"):
    """One node; ``facts`` says which, from what, how many clients left it, and where its copy lies."""

    PROVIDER = NodeUpgradeProvider
