"""DataImport: the archives into an otherwise empty new colour; once clients are on it, its data is the newer one and stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.cutover.words import other
from components.ledger.base import IMPORTED
from components.links.archives import ArchiveDirectory
from components.links.data_export import ExportResult
from components.links.data_import import ImportResult, import_
from components.links.opening import serves_imported
from components.resources.data_export import archives
from components.resources.link import Link, LinkInputs, LinkProvider
from components.resources.world import credentials_of
from components.run.run import Run


class DataImportInputs(LinkInputs):
    """``exported`` is the ExportResult of the link before, ``converted`` the ConversionResult where there was something to convert."""

    exported: Mapping[str, Any]
    converted: Mapping[str, Any] = {}


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
            name, sha256 = ArchiveDirectory(archives(inputs)).expected() or ("", "")
            return {"adopted": True, "inventory": name, "inventory_sha256": sha256}
        exported = ExportResult.model_validate(inputs.exported)
        result = await self._imported(run, inputs, exported)
        await run.act("imported", colour=inputs.to)
        await run.remember({IMPORTED: f"{inputs.to} {run.clock.now():.3f}"})
        return result.model_dump(mode="json")

    async def _imported(self, run: Run, inputs: DataImportInputs, exported: ExportResult) -> ImportResult:
        source = other(inputs.to)
        if not inputs.converted:
            return await import_(run, source, inputs.to, exported, archives(inputs))
        # where nothing is converted, as in most imports, nothing that converts is loaded
        from components.links.conversion import ConversionResult
        from components.links.converted_import import import_converted

        made = ConversionResult.model_validate(inputs.converted)
        account = credentials_of(source, self.credentials).retained
        return await import_converted(run, source, inputs.to, exported, made, archives(inputs), account=account)


class DataImport(Link, module="emqx", name="DataImport"):
    """The import; ``facts`` is an ImportResult, without content."""

    PROVIDER = DataImportProvider
