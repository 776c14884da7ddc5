"""One import at work: tables first, retained messages foremost and slowest, then the configuration, root by root.

The rule: it can be cancelled at any await, and what was restored by then stays (docs/emqx/backup.md#the-60-second-wall).  It is a merge:
rows of the same key are overwritten, lists concatenated, entries of the same id replaced, and the order of
authorization sources is the target's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import Any

from lab.node.archive import backup
from lab.node.archive import rows as tables
from lab.node.archive.backup import Archive
from lab.node.kept.store import Store, merged
from lab.node.rules.authn import authenticator_id

RETAINED = "emqx_retainer_message"
REWRITTEN = ("actions", "authentication", "bridges", "connectors", "gateway", "listeners", "sources")
"""The roots that every import, even an empty one, writes into cluster.hocon with the target's effective values."""
BATCH = 500


async def restore(
    store: Store,
    archive: Archive,
    *,
    path: str,
    index_rate: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    half: bool = False,
) -> list[str]:
    """Apply an archive; returns the sentences of what failed, empty when all went well.

    Args:
        store: where it goes.
        archive: what was checked at upload.
        path: where EMQX would have unpacked it, for the sentences.
        index_rate: retained messages indexed a second; 0 is at once.
        sleep: waits.
        half: stop after the first half of the tables and without the configuration, and say so (a fault).

    """
    failures = []
    names = [name for name in tables.ORDER if name in archive.tables]
    for name in names[: len(names) // 2] if half else names:
        failure = await _table(store, name, archive.tables[name], path, index_rate, sleep)
        failures += [failure] if failure else []
    if half:
        return [*failures, *(backup.unreadable(name, path) for name in names[len(names) // 2 :])]
    for root, value in (archive.config or {}).items():
        put(store, root, value)
    for root in REWRITTEN:
        store.overrides[root] = deepcopy(store.effective(root))
    return failures


async def _table(
    store: Store, name: str, raw: bytes, path: str, index_rate: float, sleep: Callable[[float], Awaitable[None]]
) -> str | None:
    try:
        rows = tables.parse(name, raw)
    except tables.UnreadableError:
        return backup.unreadable(name, path)
    for first in range(0, len(rows), BATCH):
        tables.restore(store, name, rows[first : first + BATCH])
        # Others are served meanwhile: recorded CONNECT latency during an import stayed below 0.12 s.
        await sleep(0)
    if name != RETAINED:
        return None
    if store.reindexing:
        return backup.already_indexing(name)
    # Whoever cancels the import here leaves the mark for good, as on EMQX.
    store.reindexing = True
    if index_rate:
        await sleep(len(rows) / index_rate)
    store.reindexing = False
    return None


def put(store: Store, root: str, value: Any) -> None:
    """Merge one root of an archive into the running configuration; a root that the cluster does not know is passed over."""
    current = store.effective(root)
    if current is None:
        return
    store.put(root, _MERGES.get(root, _deep)(deepcopy(current), value))


def _deep(current: Any, value: Any) -> Any:
    return merged(current, value)


def _joined(current: list[Any], value: list[Any]) -> list[Any]:
    return current + [one for one in value if one not in current]


def _auto_subscribe(current: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    return current | {"topics": _joined(current.get("topics", []), value.get("topics", []))}


def _by_identity(identity: Callable[[dict[str, Any]], str]) -> Callable[[list[Any], list[Any]], list[Any]]:
    def merge(current: list[Any], value: list[Any]) -> list[Any]:
        new = {identity(one): one for one in value}
        kept = [new.pop(identity(one), one) for one in current]
        return kept + list(new.values())

    return merge


_authenticators = _by_identity(authenticator_id)
_sources = _by_identity(lambda source: str(source["type"]))


def _authorization(current: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    # The target's sources keep their places, the source's others come behind: the order is not carried.
    rest = {key: one for key, one in value.items() if key != "sources"}
    return dict(merged(current, rest)) | {"sources": _sources(current.get("sources", []), value.get("sources", []))}


def _entries(current: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    return {kind: current.get(kind, {}) | value.get(kind, {}) for kind in {**current, **value}}


def _rules(current: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    return dict(merged(current, {key: one for key, one in value.items() if key != "rules"})) | {
        "rules": current.get("rules", {}) | value.get("rules", {})
    }


def _replaced(current: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    return current | value


_MERGES: dict[str, Callable[[Any, Any], Any]] = {
    "auto_subscribe": _auto_subscribe,
    "rewrite": _joined,
    "topic_metrics": _joined,
    "authentication": _authenticators,
    "authorization": _authorization,
    "connectors": _entries,
    "actions": _entries,
    "sources": _entries,
    "rule_engine": _rules,
    "retainer": _replaced,
}
