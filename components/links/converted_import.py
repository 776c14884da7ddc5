"""DataImport of what was converted from 4.x: the archive, the requests in their order, the retained messages; then look.

Rule: each part may be done again at any point: an archive that lies there is adopted, a request is compared with what is there before
anything is made twice, a retained message replaces itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from components.cutover.words import Colour
from components.emqx.base import Cluster, exports_of
from components.emqx.models import MqttAccount
from components.links.accounts import still_ours
from components.links.archives import ArchiveDirectory
from components.links.conversion import ConversionResult, requests_of
from components.links.data_export import ExportResult
from components.links.data_import import (
    IMPORT_SECONDS,
    ImportResult,
    counts,
    import_all,
    looked,
    refuse_unless_empty,
)
from components.links.readiness import wait_until_joined
from components.links.retained import copy
from components.migration.inventory import ANY, Inventory, Section
from components.migration.requests import Request
from components.run.run import Run

SEND_PATIENCE_SECONDS = 120.0
"""A node that restarts in the middle of the import is waited for."""
_PROGRESS_SECONDS = 10.0


async def import_converted(
    run: Run,
    source: Colour,
    target: Colour,
    exported: ExportResult,
    made: ConversionResult,
    directory: Path,
    *,
    account: MqttAccount | None,
    limit_seconds: float = IMPORT_SECONDS,
) -> ImportResult:
    """Bring over everything that was converted, and the retained messages where ``account`` may read them.

    Raises: as ``data_import.import_``; and Rejected where the new colour refuses a request: names it by its number.
    """
    began, green = run.clock.now(), run.clusters[target]
    store = ArchiveDirectory(directory)
    await store.check((made.archive,))
    expected = store.inventory(made.inventory, made.inventory_sha256)
    requests = requests_of(store, made)
    await wait_until_joined(run, target)
    others = await refuse_unless_empty(green, expected, store)
    done = await import_all(run, green, store, (made.archive,), limit_seconds)
    sent = await send_all(run, green, requests)
    copied, topics = await copy(run, source, target, account)
    await still_ours(green)
    expected = _with_retained(expected, topics)
    found, differences = await looked(run, green, expected, done)
    store.mark_imported(exported.inventory, exported.inventory_sha256)
    name = f"expected-{run.token[:12]}.json"
    result = ImportResult(
        node=done.node,
        sections=counts(expected, found),
        differences=tuple(map(str, differences)),
        written_by_clients=tuple(map(str, others)),
        failed=tuple(archive.table_set for archive, _ in done.failed),
        adopted=done.adopted,
        orders_restored=(),
        sys_removed=0,
        delayed_carried=0,
        configuration=None,
        seconds=round(run.clock.now() - began, 3),
        sent=sent,
        retained=copied,
        inventory=name,
        inventory_sha256=store.keep_inventory(name, expected),
    )
    store.mark_expected(result.inventory, result.inventory_sha256)
    run.record("fact", section="import", **result.model_dump(mode="json"))
    return result


async def send_all(run: Run, green: Cluster, requests: Sequence[Request]) -> int:
    """Send them in their order; how many changed something."""
    exports, changed, told = exports_of(green), 0, run.clock.now()
    for number, request in enumerate(requests, 1):
        await run.checkpoint()
        changed += await exports.send(request, patience_seconds=SEND_PATIENCE_SECONDS)
        if run.clock.now() - told >= _PROGRESS_SECONDS:
            told = run.clock.now()
            run.progress(f"request {number} of {len(requests)}")
    run.progress(f"sent {len(requests)} requests, {len(requests) - changed} of which were done already")
    return changed


def _with_retained(expected: Inventory, topics: Sequence[str]) -> Inventory:
    """Clients that are there already may write them too, and one may end by itself."""
    kept = Section(dict.fromkeys(topics, ANY), optional=frozenset())
    return replace(expected, sections={**expected.sections, "retained": kept})
