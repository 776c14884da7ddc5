"""DataExport: the old colour's data as archives on our disk, and the inventory that the new colour must show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.cutover.words import other
from components.operations.data_export import export
from components.operations.run import Run
from components.resources.link import Link, LinkInputs, LinkProvider

ARCHIVES = "archives"


class DataExportInputs(LinkInputs):
    """``carry_api_keys`` takes API keys and dashboard users along where both colours have a dashboard login."""

    carry_api_keys: bool


class DataExportProvider(LinkProvider[DataExportInputs]):
    """Exports on the way forward; the way back moves clients, not data."""

    _model = DataExportInputs

    async def work(self, run: Run, inputs: DataExportInputs) -> dict[str, Any]:
        """Export, unless nothing is carried in this direction."""
        if inputs.direction != "forward":
            return {}
        accounts = None if inputs.carry_api_keys else False
        result = await export(run, other(inputs.to), archives(inputs), accounts=accounts)
        return result.model_dump(mode="json")


def archives(inputs: LinkInputs) -> Path:
    """Where this stack's archives are kept."""
    return Path(inputs.work_directory) / ARCHIVES


class DataExport(Link, module="emqx", name="DataExport"):
    """The archives; ``facts`` is an ExportResult, without content."""

    PROVIDER = DataExportProvider
