"""Drain: the last clients leave the old colour, the balancer remembers when, and the report is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.operations.run import Run
from components.operations.shift import Manner, carry_out
from components.report.files import write_report
from components.resources.link import Link, LinkInputs, LinkProvider


class DrainInputs(LinkInputs):
    """The manner of the whole cutover, which may be edited without running it again."""

    manner: Manner


class DrainProvider(LinkProvider[DrainInputs]):
    """Empties the old colour."""

    _model = DrainInputs

    async def work(self, run: Run, inputs: DrainInputs) -> dict[str, Any]:
        """The plan's drain, then the report of the whole run."""
        facts = await carry_out(run, "drain", inputs.to, inputs.manner, inputs.direction)
        run.record("end", outcome="done", to=inputs.to)
        directory = Path(inputs.work_directory)
        _, summary = write_report(directory / "journal.jsonl", directory / "report", run=run.token)
        for line in summary.splitlines():
            run.progress(line)
        return facts


class Drain(Link, module="emqx", name="Drain"):
    """The end of the cutover."""

    PROVIDER = DrainProvider
