"""Drain: the last clients leave the old colour, the balancer remembers when, and the report is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.cutover.words import other
from components.links.data_export import ExportResult, written_after_export
from components.links.shift import Manner, carry_out
from components.resources.data_export import archives
from components.resources.ending import tell
from components.resources.link import Link, LinkInputs, LinkProvider
from components.run.run import Run


class DrainInputs(LinkInputs):
    """The manner of the whole cutover, which may be edited without running it again; ``exported`` is an ExportResult."""

    manner: Manner
    exported: Mapping[str, Any] = {}


class DrainProvider(LinkProvider[DrainInputs]):
    """Empties the old colour."""

    async def work(self, run: Run, inputs: DrainInputs) -> dict[str, Any]:
        """The plan's drain, then the report of the whole run."""
        facts: dict[str, Any] = await carry_out(run, "drain", inputs.to, inputs.manner, inputs.direction)
        if inputs.direction == "forward" and inputs.exported:
            exported = ExportResult.model_validate(inputs.exported)
            facts = {
                **facts,
                "written_late": await written_after_export(run, other(inputs.to), exported, archives(inputs)),
            }
        tell(run, inputs)
        return facts


class Drain(Link, module="emqx", name="Drain"):
    """The end of the cutover."""

    PROVIDER = DrainProvider
