"""Rebalance: the end of a roll; the loads are evened out and the report is written."""

from __future__ import annotations

from typing import Any

from components.links.evening import even_out
from components.links.shift import Manner
from components.resources.ending import tell
from components.resources.in_place import rolling
from components.resources.link import Link, LinkInputs, LinkProvider
from components.run.run import Run


class RebalanceInputs(LinkInputs):
    """The manner of the whole roll."""

    manner: Manner
    acknowledge: tuple[str, ...] = ()


class RebalanceProvider(LinkProvider[RebalanceInputs]):
    """Evens out and tells."""

    async def work(self, run: Run, inputs: RebalanceInputs) -> dict[str, Any]:
        """Even loads, then the report of the whole run."""
        facts = await even_out(rolling(run, inputs, inputs.manner, inputs.acknowledge, self.credentials))
        tell(run, inputs)
        return facts


class Rebalance(Link, module="emqx", name="Rebalance"):
    """The end of the roll; ``facts`` are the loads."""

    PROVIDER = RebalanceProvider
