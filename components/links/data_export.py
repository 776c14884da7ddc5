"""DataExport: blue's data as archives on our disk, one per table set, with the inventory that green must show afterwards.

Rule: nothing is changed on the source (but a killed run's own probe account goes); what an export cannot carry is named in the result
(docs/emqx/backup.md#not-carried).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from components.cutover.words import Colour
from components.emqx.account import PREFIX
from components.emqx.answers import ExportFacts
from components.emqx.base import Cluster, Exports, Portion, exports_of
from components.emqx.errors import BadInput, LeaseLost, NotNow, Stopped, UpgradeError
from components.links.archives import Archive, ArchiveDirectory, looked_at
from components.migration.inventory import CLIENT_WRITTEN, Difference, Inventory, Kind, Section, compare, settled
from components.run.run import Run
from components.value import Value

NOT_CARRIED = {
    "sessions": "subscriptions and queued messages of persistent sessions stay on the old colour",
    "listeners": "listeners and their certificates are the target's own",
    "statistics": "counters, topic metrics, alarms and traces start anew",
    "plugins": "install them on the target",
    "licence": "the target has its own",
}
"""What no archive holds (docs/emqx/backup.md#not-carried); delayed messages are carried by the import itself."""

_LATE: Mapping[Kind, str] = {
    "extra": "written after the export: {0.found}",
    "changed": "changed after the export: {0.expected}",
    "missing": "removed after the export: {0.expected}",
    "order": "put into another order after the export: {0.found}",
    "unlisted": "cannot be listed any more",
}


class ExportResult(Value):
    """What was exported; plain data for state and journal, without content.

    ``inventory`` names the file in the archive directory with what the target must show; ``counts`` are its items per
    section, None where blue cannot list it. ``unknown`` are root keys and table sets that this edition does not have.
    """

    archives: tuple[Archive, ...]
    node: str
    unknown: tuple[str, ...]
    not_carried: dict[str, str]
    counts: dict[str, int | None]
    unlisted: dict[str, str]
    inventory: str
    inventory_sha256: str
    seconds: float


async def export(run: Run, source: Colour, directory: Path, *, accounts: bool | None = None) -> ExportResult:
    """Export everything that can be carried, portion by portion, and keep it in ``directory``.

    ``accounts`` carries API keys and dashboard users too, for which 5.8.11 wants a dashboard login on both clusters;
    None carries them when both have one. The inventory is read before and after: what changed meanwhile is optional.

    Raises:
        BadInput: accounts are wanted without a login, or the directory cannot be written.
        NotNow, Unreachable, Unauthorized, Rejected: from the API; Stopped, LeaseLost: this run must not go on.

    """
    api, exports, began = run.clusters[source], exports_of(run.clusters[source]), run.clock.now()
    store = ArchiveDirectory(directory)
    store.prepare()
    carried = _accounts_wanted(run, accounts)
    await api.sweep()  # what a killed verification left must not travel
    before, node = await api.inventory(), await running_node(api)
    archives, unknown = list[Archive](), list[str]()
    for portion in await exports.portions(accounts=carried):
        await run.checkpoint()
        archive, strange = await _export_portion(exports, store, portion, node)
        unknown += strange
        if archive is not None:
            archives.append(archive)
            run.progress(f"exported {archive.table_set}: {archive.size} bytes, sha256 {archive.sha256[:12]}")
    expected, name = settled(before, await api.inventory()), f"inventory-{run.token[:12]}.json"
    left = {} if carried else {"accounts": "API keys and dashboard users need a dashboard login on both clusters"}
    result = ExportResult(
        archives=tuple(archives),
        node=node,
        unknown=tuple(unknown),
        not_carried={**NOT_CARRIED, **left},
        counts=expected.counts(),
        unlisted=expected.unlisted(),
        inventory=name,
        inventory_sha256=store.keep_inventory(name, expected),
        seconds=round(run.clock.now() - began, 3),
    )
    run.record("fact", section="export", **result.model_dump(mode="json"))
    return result


def _accounts_wanted(run: Run, accounts: bool | None) -> bool:
    without = [colour for colour, api in run.clusters.items() if not api.has_login]
    if accounts and without:
        raise BadInput(
            "carrying API keys and dashboard users",
            seen=f"no dashboard login is configured for {' and '.join(without)}",
            todo="set the dashboard user and password of both colours, or leave the accounts out",
        )
    return not without if accounts is None else accounts


async def _export_portion(
    exports: Exports, store: ArchiveDirectory, portion: Portion, node: str
) -> tuple[Archive | None, tuple[str, ...]]:
    facts, unknown = await exports.export(portion, node=node)
    try:
        if set(unknown) >= {*portion.roots, *portion.tables}:
            return None, unknown  # nothing of it exists in this edition
        return await _fetch(exports, store, portion, facts), unknown
    finally:
        # An archive holds secrets; ours is on our disk now, and nobody asked for one on the node.
        await exports.delete(facts, login=portion.login)


async def _fetch(exports: Exports, store: ArchiveDirectory, portion: Portion, facts: ExportFacts) -> Archive:
    path = store.path / facts.filename
    sha256 = await exports.download(facts, path, login=portion.login)
    broken = await looked_at(path)
    if broken:
        raise NotNow(f"export of {portion.label}", node=facts.node, seen=broken, todo="run `pulumi up` again")
    archive = Archive(name=facts.filename, sha256=sha256, table_set=portion.label, size=facts.size, node=facts.node)
    store.remember(archive)
    return archive


async def running_node(api: Cluster) -> str:
    """The first declared node that runs; NotNow when none does."""
    facts = {one.name: one for one in await api.nodes()}
    for name in api.node_names:
        if name in facts and facts[name].running:
            return name
    seen = ", ".join(f"{one.name} {one.status}" for one in facts.values()) or "no node at all"
    raise NotNow("GET /nodes", node=api.handle.colour, seen=seen, todo="start the cluster's nodes")


async def written_after_export(run: Run, source: Colour, exported: ExportResult, directory: Path) -> list[str]:
    """What was written on the source since its data was exported, as sentences: it stays there, so nobody may miss it.

    Configuration and users come first, as ``NOT CARRIED``; then what clients write (retained messages, bans, delayed messages).
    Held against the inventory that the target was really filled with: a run that went on with the import of an earlier one has an
    ``exported`` of its own that nobody imported. Each section is one sentence with a few names; all are in the journal and are shown.

    It comes when the clients have left already, so what cannot be told any more is said to be unknown, and is no failure.
    """
    store = ArchiveDirectory(directory)
    try:
        before = store.inventory(*(store.imported() or (exported.inventory, exported.inventory_sha256)))
        late = compare(_strict(before), _without_probes(await run.clusters[source].inventory()), run.clock.now())
        late.sort(key=lambda one: one.section in CLIENT_WRITTEN)
        told = [_late(one, source) for one in late]
    except (Stopped, LeaseLost):
        raise
    except UpgradeError as unknown:
        told = [f"what was written on {source} after the export is unknown: {unknown.seen}"]
    run.record("fact", section="written after export", colour=source, differences=told)
    for sentence in told:
        run.progress(sentence)
    return told


def _late(difference: Difference, source: Colour) -> str:
    what = _LATE[difference.kind].format(difference)
    more = f" ({difference.detail})" if difference.detail else ""
    if difference.section in CLIENT_WRITTEN:
        return f"stays on {source}: {difference.section} {what}{more}"
    return f"NOT CARRIED from {source}, do it on the other colour by hand: {difference.section} {what}{more}"


def _strict(inventory: Inventory) -> Inventory:
    """What was being written while we exported may differ between the colours, but from now on it counts."""
    return Inventory(
        {
            name: replace(section, optional=frozenset()) if isinstance(section, Section) else section
            for name, section in inventory.sections.items()
        }
    )


def _without_probes(inventory: Inventory) -> Inventory:
    """Without the account of a verification that was killed, which the next one removes."""
    return Inventory(
        {
            name: replace(section, items={key: v for key, v in section.items.items() if not key.startswith(PREFIX)})
            if isinstance(section, Section)
            else section
            for name, section in inventory.sections.items()
        }
    )
