"""Backup: an export that nobody imports, kept for the day on which somebody needs it."""

from __future__ import annotations

from typing import Any

from components.links.backup import back_up
from components.resources.data_export import archives
from components.resources.link import Link, LinkInputs, LinkProvider
from components.run.run import Run


class BackupInputs(LinkInputs):
    """What every link has."""


class BackupProvider(LinkProvider[BackupInputs]):
    """Backs up on the way forward; the way back moves clients and changes no data."""

    async def work(self, run: Run, inputs: BackupInputs) -> dict[str, Any]:
        """The archives, with API keys and dashboard users where there is a dashboard login."""
        if inputs.direction == "back":
            return {}
        return await back_up(run, inputs.to, archives(inputs))


class Backup(Link, module="emqx", name="Backup"):
    """The archives; ``facts`` is an ExportResult, without content."""

    PROVIDER = BackupProvider
