"""Backup: the cluster's data as archives on our disk, before anything inside it is changed.

The rule: nothing is imported from it by itself. It is what a person goes back to, so it is taken at each run that moves somebody forward, and
what it cannot hold is said.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.cutover.words import Colour, other
from components.links.data_export import export
from components.links.opening import silent
from components.run.run import Run


async def back_up(run: Run, to: Colour, directory: Path) -> dict[str, Any]:
    """Export the cluster that ``to`` belongs to and keep it in ``directory``; the facts of the export, as the state shows them.

    The old colour is asked where it is declared and answers, ``to`` otherwise: in one cluster both have the same data. A version without
    data export (before 5.1) has no backup by API, which is told and does not stop the run.

    Raises: as ``data_export.export``.
    """
    old = other(to)
    source = old if old in run.clusters and not await silent(run, old) else to
    if run.clusters[source].exports is None:
        version = run.clusters[source].handle.version
        run.warn(f"no backup by API: EMQX {version} has no data export; copy the data directories of {source} yourself")
        run.record("fact", section="backup", colour=source, archives=[], reason=f"{version} has no data export")
        return {}
    kept = await export(run, source, directory)
    run.progress(f"backup of {source}: {len(kept.archives)} archives in {directory}")
    return kept.model_dump(mode="json")
