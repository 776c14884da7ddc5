"""DataImport: the archives into an otherwise empty new colour; once clients are on it, its data is the newer one and stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.cutover.words import other
from components.ledger.base import IMPORTED
from components.links.data_export import ExportResult
from components.links.data_import import import_
from components.links.opening import serves_imported
from components.resources.data_export import archives
from components.resources.link import Link, LinkInputs, LinkProvider
from components.run.run import Run


class DataImportInputs(LinkInputs):
    """``exported`` is the ExportResult of the link before."""

    exported: Mapping[str, Any]


class DataImportProvider(LinkProvider[DataImportInputs]):
    """Imports on the way forward."""

    async def work(self, run: Run, inputs: DataImportInputs) -> dict[str, Any]:
        """Import, unless clients already work on what an earlier run of this cutover has imported."""
        if inputs.direction != "forward":
            return {}
        if await serves_imported(run, inputs.to):
            run.progress(
                f"{inputs.to} holds the data of an earlier run, and clients work on it: nothing is imported over it"
            )
            return {"adopted": True}
        exported = ExportResult.model_validate(inputs.exported)
        result = await import_(run, other(inputs.to), inputs.to, exported, archives(inputs))
        await run.act("imported", colour=inputs.to)
        await run.remember({IMPORTED: f"{inputs.to} {run.clock.now():.3f}"})
        return result.model_dump(mode="json")


class DataImport(Link, module="emqx", name="DataImport"):
    """The import; ``facts`` is an ImportResult, without content."""

    PROVIDER = DataImportProvider
