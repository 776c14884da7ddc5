"""DataImport of what was converted from 4.x: the archive, the requests in their order, the retained messages; then look.

Rule: each part may be done again at any point: an archive that lies there is adopted, a request is compared with what is there before
anything is made twice, a retained message replaces itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.cutover.versions import parse
from components.cutover.words import Colour
from components.emqx.base import Cluster, exports_of
from components.emqx.errors import Refused
from components.emqx.models import MqttAccount
from components.keepers.base import NodeKeeper
from components.keepers.registry import keeper_of
from components.links.accounts import still_ours
from components.links.archives import Archive, ArchiveDirectory
from components.links.conversion import ConversionResult, requests_of
from components.links.data_export import ExportResult
from components.links.data_import import (
    IMPORT_SECONDS,
    ImportResult,
    counts,
    import_all,
    in_words,
    looked,
    refuse_unless_empty,
)
from components.links.readiness import wait_until_joined, wait_until_ready
from components.links.retained import Copied, copy
from components.migration.inventory import ANY, Difference, Inventory, Section
from components.migration.requests import Request
from components.run.run import Run

SEND_PATIENCE_SECONDS = 120.0
"""A node that restarts in the middle of the import is waited for."""
_PROGRESS_SECONDS = 10.0
_NOT_OF_4: Mapping[str, Any] = {"orders_restored": (), "sys_removed": 0, "delayed_carried": 0, "configuration": None}
"""What an archive of 4.x does not have, or the requests have done."""


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
    expected, others = await _ready(run, target, store, made)
    done = await import_all(run, green, store, made.archives, limit_seconds)
    _refuse_half_done(done.failed, made, target)
    sent = await send_all(run, green, requests_of(store, made))
    await restart(run, target)
    copied, expected = await _retained(run, source, target, account, expected)
    await still_ours(green)
    found, differences = await looked(run, green, expected, done)
    store.mark_imported(exported.inventory, exported.inventory_sha256)
    name = f"expected-{run.token[:12]}.json"
    result = ImportResult(
        **in_words(done, counts(expected, found), differences, others),
        **_NOT_OF_4,
        seconds=round(run.clock.now() - began, 3),
        sent=sent,
        retained=copied,
        inventory=name,
        inventory_sha256=store.keep_inventory(name, expected),
    )
    store.mark_expected(result.inventory, result.inventory_sha256)
    run.record("fact", section="import", **result.model_dump(mode="json"))
    return result


async def _ready(
    run: Run, target: Colour, store: ArchiveDirectory, made: ConversionResult
) -> tuple[Inventory, list[Difference]]:
    """What green must show afterwards, and what clients wrote on it, when the archive is whole and green is complete and empty."""
    await store.check(made.archives)
    expected = store.inventory(made.inventory, made.inventory_sha256)
    await wait_until_joined(run, target)
    return expected, await refuse_unless_empty(run.clusters[target], expected, store)


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


def _refuse_half_done(failed: Sequence[tuple[Archive, str]], made: ConversionResult, target: Colour) -> None:
    """An import of 4.x that failed has left a part, over which no other one may be made (docs/emqx/v4.md#traps-in-short, 5)."""
    if failed and made.archive.name.endswith(".json"):
        raise Refused(
            "the import",
            node=target,
            seen=f"{failed[0][1]}; a part of it may be there",
            todo=f"make {target} anew: take it out of emqx:clusters, run `pulumi up`, declare it again; no client was moved",
        )


async def restart(run: Run, target: Colour) -> None:
    """The restart that a 4.3 wants after an import (43-04), node by node by its keeper; whoever got in before it had its plugins is thrown off."""
    green = run.clusters[target]
    if parse(green.handle.version).major > 4:
        return
    keeper = keeper_of(green.handle, interrupted=run.interrupted)
    if keeper is None:
        run.warn(
            f"restart the nodes of {target} yourself before the first client, one after the other: nobody keeps them here."
            " Recorded of 4.3.22: what was imported is in force without it"
        )
    else:
        await _one_by_one(run, target, keeper)
    early = await green.connected_client_ids()
    if early:
        await run.act("loss", section="early clients", count=len(early), colour=target)
        await green.kick(early)


async def _one_by_one(run: Run, target: Colour, keeper: NodeKeeper) -> None:
    handle = run.clusters[target].handle
    for node in run.clusters[target].node_names:
        await run.act("restart", colour=target, node=node)
        await keeper.stop(node)
        await keeper.start(node, handle.version, handle.edition or "ee")
        await wait_until_ready(run, target)


async def _retained(
    run: Run, source: Colour, target: Colour, account: MqttAccount | None, expected: Inventory
) -> tuple[Copied, Inventory]:
    """What was copied of them, and what green must show with these: they were read back, and a 4.x lists none."""
    copied, topics = await copy(run, source, target, account)
    if parse(run.clusters[target].handle.version).major == 4:
        return copied, expected
    kept = Section(dict.fromkeys(topics, ANY))
    return copied, replace(expected, sections={**expected.sections, "retained": kept})
