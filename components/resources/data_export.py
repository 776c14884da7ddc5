"""DataExport: the old colour's data as archives on our disk, and the inventory that the new colour must show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.cutover.words import Colour, other
from components.emqx.base import Cluster
from components.emqx.known import known
from components.emqx.registry import cluster_of
from components.links.accounts import carried, refuse_lockout, refuse_same_accounts
from components.links.archives import ArchiveDirectory
from components.links.data_export import export
from components.links.opening import serves_imported, silent
from components.migration.inventory import written_since
from components.resources.link import Link, LinkInputs, LinkProvider
from components.resources.world import credentials_of
from components.run.run import Run

ARCHIVES = "archives"


class DataExportInputs(LinkInputs):
    """``carry_api_keys`` takes API keys and dashboard users along where both colours have a dashboard login."""

    carry_api_keys: bool


class DataExportProvider(LinkProvider[DataExportInputs]):
    """Exports on the way forward; the way back moves clients, not data, and says what stays behind."""

    async def work(self, run: Run, inputs: DataExportInputs) -> dict[str, Any]:
        """Export, or on the way back list what was written on the colour that the clients leave."""
        if inputs.direction == "back":
            return {"left_behind": await left_behind(run, inputs.to, archives(inputs))}
        if await serves_imported(run, inputs.to) and await silent(run, other(inputs.to)):
            run.progress(f"{other(inputs.to)} does not answer; {inputs.to} holds its data from an earlier run")
            return {}
        source = other(inputs.to)
        logins = all(cluster.has_login for cluster in run.clusters.values())
        accounts = logins and carried(self.credentials.values(), wanted=inputs.carry_api_keys)
        if accounts:
            await self._refuse_lockout(run.clusters[source], inputs.to)
        result = await export(run, source, archives(inputs), accounts=accounts)
        return result.model_dump(mode="json")

    async def _refuse_lockout(self, source: Cluster, to: Colour) -> None:
        """Before anything is exported: the accounts that we use on the new colour must outlive the import."""
        target = credentials_of(to, self.credentials)
        refuse_same_accounts(credentials_of(source.handle.colour, self.credentials), target)
        async with cluster_of(source.handle, target) as borrowed:
            await refuse_lockout(source, borrowed, target)


def archives(inputs: LinkInputs) -> Path:
    """Where this stack's archives are kept."""
    return Path(inputs.work_directory) / ARCHIVES


async def left_behind(run: Run, to: Colour, directory: Path) -> list[str]:
    """What stands on the other colour and not on ``to``, as sentences: the way back carries no data.

    A colour that does not answer any more is no reason to keep its clients there. Where the data were converted the two show them in other
    shapes: then it is what was added since the import.
    """
    store = ArchiveDirectory(directory)
    was = store.expected()
    here = await run.clusters[to].inventory() if was is None else store.inventory(*was)
    there = await known(run.clusters[other(to)].inventory())
    found = [f"{other(to)} does not answer"] if there is None else [str(one) for one in written_since(here, there)]
    run.record("fact", section="left behind", differences=found)
    for line in found:
        run.progress(f"stays on {other(to)}: {line}")
    return found


class DataExport(Link, module="emqx", name="DataExport"):
    """The archives; ``facts`` is an ExportResult, without content."""

    PROVIDER = DataExportProvider
