"""DataImport: the archives into an otherwise empty green, and what EMQX's import leaves undone.

Rule: it looks before it acts, so that it may run again at any point; a 204 counts only for what the inventories confirm
(docs/emqx/backup.md#what-an-import-does).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from components.cutover.words import Colour
from components.emqx.base import Cluster, Exports, exports_of
from components.emqx.effective import compare_effective
from components.emqx.errors import Refused, Rejected
from components.links.accounts import still_ours
from components.links.archives import Archive, ArchiveDirectory
from components.links.data_export import ExportResult, running_node
from components.links.readiness import wait_until_joined
from components.links.retained import Copied
from components.migration.foreign import foreign, written_by_clients
from components.migration.inventory import (
    Difference,
    Inventory,
    blocking,
    compare,
    some,
)
from components.migration.unlike import Unlike, lines
from components.run.run import Run
from components.value import Value

IMPORT_SECONDS = 3600.0
"""Bound of one import: retained messages took 172 s for 140,000 on three nodes, on two cores (docs/emqx/backup.md#the-60-second-wall)."""

_PROGRESS_SECONDS = 10.0
_MOST_SHOWN = 3


class ImportResult(Value):
    """What arrived; plain data for state and journal.

    ``sections`` is section -> [expected, found] items (None: cannot be listed); ``differences`` are what still differs,
    as sentences; ``failed`` the archives that answered 400 although the inventories agree; ``configuration`` what the
    effective configurations differ in (what lives only in an ``emqx.conf``), never a value; None where they cannot be compared.
    Of data that were converted: how many requests were ``sent``, what became of ``retained`` messages, and the file that says what green must show.
    """

    node: str
    sections: dict[str, tuple[int | None, int | None]]
    differences: tuple[str, ...]
    written_by_clients: tuple[str, ...]
    failed: tuple[str, ...]
    adopted: int
    orders_restored: tuple[str, ...]
    sys_removed: int
    delayed_carried: int
    configuration: tuple[Unlike, ...] | None
    seconds: float
    sent: int = 0
    retained: Copied | None = None
    inventory: str = ""
    inventory_sha256: str = ""


async def import_(
    run: Run,
    source: Colour,
    target: Colour,
    exported: ExportResult,
    directory: Path,
    *,
    limit_seconds: float = IMPORT_SECONDS,
) -> ImportResult:
    """Import every archive of ``exported``, on one node, retained messages last of the table sets; then look.

    Raises:
        Refused: green holds something that is neither its own nor ours (named), an archive is broken, or another has its name.
        Rejected: EMQX refused a part and the inventory says that it is not there; names the part.
        GaveUp: green is not complete in time, or ``limit_seconds`` for one archive are over.
        Stopped, LeaseLost: the import is closed deliberately.

    """
    began, blue, green = run.clock.now(), run.clusters[source], run.clusters[target]
    store = ArchiveDirectory(directory)
    expected = await _checked(store, exported)
    await wait_until_joined(run, target)
    others = await refuse_unless_empty(green, expected, store)
    done = await import_all(run, green, store, exported.archives, limit_seconds)
    finished = await _finish(run, blue, green, expected)
    found, differences = await looked(run, green, expected, done)
    await _close(green, store, exported)
    result = ImportResult(
        **in_words(done, counts(expected, found), differences, others),
        **finished,
        configuration=await compare_effective(blue, green),
        seconds=round(run.clock.now() - began, 3),
    )
    run.record("fact", section="import", **result.model_dump(mode="json"))
    differ = lines(result.configuration, source, target, "the report")
    if differ:
        run.warn("\n".join(differ))
    return result


async def looked(run: Run, green: Cluster, expected: Inventory, done: _Done) -> tuple[Inventory, list[Difference]]:
    """What is there now, and what differs; a refused archive of which something is missing ends here."""
    found = await green.inventory()
    differences = compare(expected, found, run.clock.now())
    _judge_failures(done, differences)
    return found, differences


def counts(expected: Inventory, found: Inventory) -> dict[str, tuple[int | None, int | None]]:
    """Items by section, expected and found; None where they cannot be listed."""
    ours, theirs = expected.counts(), found.counts()
    return {
        name: (ours.get(name), theirs.get(name)) for name in [*ours, *(more for more in theirs if more not in ours)]
    }


def in_words(
    done: _Done,
    sections: dict[str, tuple[int | None, int | None]],
    differences: Sequence[Difference],
    others: Sequence[Difference],
) -> dict[str, Any]:
    """What every import tells of itself, as fields of ImportResult."""
    return {
        "node": done.node,
        "sections": sections,
        "differences": tuple(map(str, differences)),
        "written_by_clients": tuple(map(str, others)),
        "failed": tuple(archive.table_set for archive, _ in done.failed),
        "adopted": done.adopted,
    }


class _Done(NamedTuple):
    """On which node, how many archives lay there already, and which answered 400, with the reason."""

    node: str
    adopted: int
    failed: list[tuple[Archive, str]]


class _Finished(TypedDict):
    """The part of ImportResult that is not from archives."""

    orders_restored: tuple[str, ...]
    sys_removed: int
    delayed_carried: int


async def import_all(
    run: Run, green: Cluster, store: ArchiveDirectory, archives: Sequence[Archive], limit_seconds: float
) -> _Done:
    """Upload and import on one node, one archive after the other; a refused one does not stop the others."""
    exports, node, adopted, failed = exports_of(green), await running_node(green), 0, []
    for archive in archives:
        await run.checkpoint()
        path = store.file(archive)
        fresh = await exports.upload(path, archive.sha256, size=archive.size, node=node, login=archive.bearer)
        adopted += not fresh
        reason = await _import_one(run, exports, archive, node, limit_seconds)
        if reason:
            failed.append((archive, reason))
    await run.checkpoint()
    await still_ours(green)
    return _Done(node, adopted, failed)


async def refuse_unless_empty(green: Cluster, expected: Inventory, store: ArchiveDirectory) -> list[Difference]:
    """Refused unless green holds only its own and ours; the items that clients wrote on it, which are told."""
    await green.sweep()  # the probe account of a verification that was killed is nobody's data
    there = await green.inventory()
    strange = foreign(there, expected, ours=False)
    if strange and await _has_ours(green, store):
        strange = foreign(there, expected, ours=True)
    if strange:
        raise Refused(
            "the import",
            node=green.handle.colour,
            seen="; ".join(f"{d.section} holds {d.found}" for d in strange[:5])
            + (f"; and {some(d.section for d in strange[5:])}" if len(strange) > 5 else ""),
            todo="green must be empty: remove these items, or build green anew",
        )
    return written_by_clients(there, expected)


async def _has_ours(green: Cluster, store: ArchiveDirectory) -> bool:
    """Whether an archive that we wrote lies on green, by sha256: then an earlier run of ours has imported here."""
    exports, known = exports_of(green), {archive.name: archive for archive in store.known()}
    for facts in await exports.archives():
        archive = known.get(facts.filename)
        if archive is None or (archive.bearer and not green.has_login):
            continue
        if await exports.sha256(facts, login=archive.bearer) == archive.sha256:
            return True
    return False


async def _import_one(run: Run, exports: Exports, archive: Archive, node: str, limit_seconds: float) -> str:
    """Import one archive; the reason when EMQX answered 400, after which half of it may be there."""
    run.progress(f"importing {archive.table_set} ({archive.size} bytes) on {node}")
    try:
        await exports.import_archive(
            archive.name,
            node=node,
            waiting=_waiting(run, archive.table_set),
            limit_seconds=limit_seconds,
            login=archive.bearer,
        )
    except Rejected as error:
        return error.seen
    return ""


def _waiting(run: Run, what: str) -> Callable[[float], Awaitable[None]]:
    told = 0.0

    async def waiting(elapsed: float) -> None:
        nonlocal told
        await run.mine()  # a hold would let the connection close, and EMQX ends the import then
        if elapsed - told >= _PROGRESS_SECONDS:
            told = elapsed
            run.progress(f"importing {what}: {elapsed:.0f} s, connection kept alive")

    return waiting


async def _checked(store: ArchiveDirectory, exported: ExportResult) -> Inventory:
    """The archives are as they were written; what they are said to hold."""
    await store.check(exported.archives)
    return store.inventory(exported.inventory, exported.inventory_sha256)


async def _finish(run: Run, blue: Cluster, green: Cluster, expected: Inventory) -> _Finished:
    """Orders, foreign ``$SYS``, delayed messages."""
    exports = exports_of(green)
    orders = await exports.restore_orders(exports_of(blue), expected, await green.inventory())
    removed = await exports.remove_foreign_sys(blue.node_names)
    await run.checkpoint()
    delayed = await exports.carry_delayed(exports_of(blue))
    return {"orders_restored": tuple(orders), "sys_removed": removed, "delayed_carried": delayed}


def _judge_failures(done: _Done, differences: Sequence[Difference]) -> None:
    """Rejected for a refused archive when something is missing or other; nothing when all of it is there anyway."""
    wrong = blocking(differences)
    if not done.failed or not wrong:
        return
    archive, reason = done.failed[0]
    more = f"; and {len(wrong) - _MOST_SHOWN} more" if len(wrong) > _MOST_SHOWN else ""
    raise Rejected(
        f"import of {', '.join(one.table_set for one, _ in done.failed)}",
        node=done.node,
        seen=f"{archive.table_set} answered {reason}; then {'; '.join(map(str, wrong[:_MOST_SHOWN]))}{more}",
        todo="remove the cause on green, then run `pulumi up` again: it recognises what it has imported",
    )


async def _close(green: Cluster, store: ArchiveDirectory, exported: ExportResult) -> None:
    """Remove the archives of our earlier runs from green; today's stay, as the mark that this import is ours and complete."""
    older = {archive.name: archive for archive in store.known()}.keys() - {one.name for one in exported.archives}
    exports, accounts = exports_of(green), {archive.name for archive in store.known() if archive.bearer}
    for facts in await exports.archives():
        if facts.filename in older and (green.has_login or facts.filename not in accounts):
            await exports.delete(facts, login=facts.filename in accounts)
    store.mark_imported(exported.inventory, exported.inventory_sha256)
