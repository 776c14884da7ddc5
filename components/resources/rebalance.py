"""Rebalance: the end of a roll; the loads are evened out and the report is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.links.evening import even_out
from components.links.shift import Manner
from components.report.files import write_report
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
        run.record("end", outcome="done", to=inputs.to)
        directory = Path(inputs.work_directory)
        _, summary = write_report(directory / "journal.jsonl", directory / "report", run=run.token)
        for line in summary.splitlines():
            run.progress(line)
        return facts


class Rebalance(Link, module="emqx", name="Rebalance"):
    """The end of the roll; ``facts`` are the loads."""

    PROVIDER = RebalanceProvider
