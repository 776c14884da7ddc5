"""Verification: the colour that gets the clients is ready, has room, and is what the other one was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.cutover.words import other
from components.links.archives import ArchiveDirectory
from components.links.joining import join
from components.links.live_questions import ask_live, questions_of
from components.links.opening import serves_imported
from components.links.readiness import wait_until_ready
from components.links.target import missing
from components.links.verification import verify
from components.migration.inventory import while_clients_write
from components.resources.data_export import archives
from components.resources.link import Link, LinkInputs, LinkProvider
from components.resources.world import credentials_of
from components.run.run import Run

JOIN_SECONDS = 180.0
"""Three nodes that booted at once on two cores were all seen after 36 to 65 s (recordings A1 to A4)."""


class VerificationInputs(LinkInputs):
    """``exported`` is the ExportResult of the export's link, ``imported`` the ImportResult and ``converted`` the ConversionResult where data were converted, ``acknowledge`` what may be as it is, ``join_seconds`` how long joining may take."""

    exported: Mapping[str, Any] = {}
    imported: Mapping[str, Any] = {}
    converted: Mapping[str, Any] = {}
    acknowledge: tuple[str, ...] = ()
    join_seconds: float = JOIN_SECONDS


class VerificationProvider(LinkProvider[VerificationInputs]):
    """Verifies before the first client is moved."""

    async def work(self, run: Run, inputs: VerificationInputs) -> dict[str, Any]:
        """Everything on the way forward; only readiness on the way back, and where nothing could be exported any more."""
        if inputs.direction == "forward" and run.in_one_cluster:
            return await join(run, inputs.to, limit_seconds=inputs.join_seconds)
        if inputs.direction != "forward":
            without = await missing(run, inputs.to, inputs.direction)
            return {"ready_seconds": round(await wait_until_ready(run, inputs.to, without=without, back=True), 3)}
        if not inputs.exported:
            return {"ready_seconds": round(await wait_until_ready(run, inputs.to), 3)}
        said = inputs.imported if inputs.imported.get("inventory") else inputs.exported
        expected = ArchiveDirectory(archives(inputs)).inventory(said["inventory"], said["inventory_sha256"])
        serves = await serves_imported(run, inputs.to)
        expected = while_clients_write(expected) if serves else expected
        allowed = serves or "leftovers" in inputs.acknowledge
        verified = await verify(run, other(inputs.to), inputs.to, expected, extra_allowed=allowed)
        asked = await self._asked(run, inputs)
        return {**verified.model_dump(mode="json"), **asked}

    async def _asked(self, run: Run, inputs: VerificationInputs) -> dict[str, Any]:
        """The live questions of a conversion; none where nothing was converted by this run."""
        made, source = inputs.converted, other(inputs.to)
        if not made.get("questions"):
            return {}
        questions = questions_of(ArchiveDirectory(archives(inputs)), made["questions"], made["questions_sha256"])
        accounts = credentials_of(source, self.credentials).accounts
        allowed = "conversion" in inputs.acknowledge
        asked = await ask_live(run, source, inputs.to, questions, accounts, narrower_allowed=allowed)
        return {"asked": asked.model_dump(mode="json")}


class Verification(Link, module="emqx", name="Verification"):
    """The verdict; ``facts`` says what was looked at."""

    PROVIDER = VerificationProvider
