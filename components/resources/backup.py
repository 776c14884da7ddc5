"""Backup: an export that nobody imports, kept for the day on which somebody needs it."""

from __future__ import annotations

from typing import Any

from components.cutover.words import other
from components.links.backup import back_up
from components.links.node_copies import copy_nodes
from components.links.opening import serves_imported
from components.resources.data_export import archives
from components.resources.link import Link, LinkInputs, LinkProvider
from components.run.run import Run


class BackupInputs(LinkInputs):
    """``configuration`` are the files of an old colour of 4.x, whose nodes are copied instead; None where the data are exported."""

    configuration: tuple[str, ...] | None = None


class BackupProvider(LinkProvider[BackupInputs]):
    """Backs up on the way forward; the way back moves clients and changes no data."""

    async def work(self, run: Run, inputs: BackupInputs) -> dict[str, Any]:
        """The archives, with API keys and dashboard users where there is a dashboard login."""
        if inputs.direction == "back":
            return {}
        if inputs.configuration is not None:
            return await self._copied(run, inputs, inputs.configuration)
        return await back_up(run, inputs.to, archives(inputs))

    async def _copied(self, run: Run, inputs: BackupInputs, configuration: tuple[str, ...]) -> dict[str, Any]:
        if inputs.direction != "forward" or await serves_imported(run, inputs.to):
            return {}
        made = await copy_nodes(run, other(inputs.to), archives(inputs), configuration)
        return made.model_dump(mode="json")


class Backup(Link, module="emqx", name="Backup"):
    """The archives; ``facts`` is an ExportResult, or of nodes a NodesCopied, without content."""

    PROVIDER = BackupProvider
