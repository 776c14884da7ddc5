"""Conversion: what was exported from 4.x as the new colour takes it, with the account of every item and the proof of who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.cutover.words import other
from components.links.birth import Wanted
from components.links.data_export import ExportResult
from components.links.opening import serves_imported
from components.links.retained import count_or_refuse
from components.resources.data_export import archives
from components.resources.link import Link, LinkInputs, LinkProvider
from components.resources.world import credentials_of
from components.run.run import Run


class ConversionInputs(LinkInputs, Wanted):
    """``exported`` is the ExportResult of the link before; the rest is what the stack says."""

    exported: Mapping[str, Any] = {}
    configuration: tuple[str, ...] = ()


class ConversionProvider(LinkProvider[ConversionInputs]):
    """Converts on the way forward; nothing of the new colour is touched."""

    async def work(self, run: Run, inputs: ConversionInputs) -> dict[str, Any]:
        """Convert, unless clients already work on what an earlier run of this cutover has imported."""
        if inputs.direction != "forward" or not inputs.exported or await serves_imported(run, inputs.to):
            return {}
        # the program declares this link's class in every stack, and what converts is a tenth of all that it would load
        from components.links.conversion import convert

        source = other(inputs.to)
        secret = credentials_of(source, self.credentials)
        await count_or_refuse(run, source, secret.retained, acknowledged="retained" in inputs.acknowledge)
        exported = ExportResult.model_validate(inputs.exported)
        own = credentials_of(inputs.to, self.credentials).api_key
        result = await convert(run, source, inputs.to, exported, archives(inputs), inputs, secret.accounts, own_key=own)
        return result.model_dump(mode="json")


class Conversion(Link, module="emqx", name="Conversion"):
    """The conversion; ``facts`` is a ConversionResult: names, hashes and counts."""

    PROVIDER = ConversionProvider
