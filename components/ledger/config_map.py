"""Ledger `config_map`: a ConfigMap that people can read and HAProxy's pods start from; every write compares its resourceVersion.

The rule: ``share.map`` and ``memory.server_states`` are the very files of the pods, ``memory.NAME`` what a cutover remembers, and an annotation says who writes just now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.emqx.told import told
from components.kubernetes import api
from components.kubernetes.api import ApiError
from components.kubernetes.place import Place
from components.ledger.base import Record, parts_of
from components.ledger.files import SHARE, SHARE_KEY
from components.ledger.versioned import PATIENCE_SECONDS, STALE_SECONDS, Stored, VersionedLedger

HOLDER = "emqx-upgrade/held-by"
MEMORY = "memory."
LABELS = {"app.kubernetes.io/managed-by": "emqx-upgrade"}


class ConfigMapLedger(VersionedLedger):
    """The ledger of a balancer on Kubernetes.

    Args:
        place: its namespace.
        name: of the ConfigMap.
        stale_seconds: for how long a holder may do nothing.
        patience_seconds: for how long somebody else may keep it.

    """

    def __init__(
        self,
        place: Place,
        name: str,
        *,
        stale_seconds: float = STALE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        super().__init__(ConfigMapStore(place, name), stale_seconds=stale_seconds, patience_seconds=patience_seconds)


class ConfigMapStore:
    """The ConfigMap; what others have in it stays."""

    def __init__(self, place: Place, name: str) -> None:
        """Find it by its name."""
        self._place, self.name = place, name

    async def get(self, tried: str) -> Stored | None:
        """As the API server has it."""
        with told(tried, self.name):
            try:
                return _stored(await api.get(self._place, f"configmaps/{self.name}"))
            except ApiError as failure:
                if failure.status == 404:
                    return None
                raise

    async def put(self, tried: str, before: Stored | None, record: Record, holder: str) -> Stored | None:
        """With the resourceVersion that it had, or as a new one."""
        with told(tried, self.name):
            try:
                return _stored(await self._sent(before, record, holder))
            except ApiError as failure:
                if failure.status == 409:
                    return None
                raise

    async def _sent(self, before: Stored | None, record: Record, holder: str) -> dict[str, Any]:
        found: Mapping[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap"} if before is None else before.seen
        metadata: dict[str, Any] = dict(found.get("metadata") or {"name": self.name, "labels": LABELS})
        noted = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != HOLDER}
        metadata["annotations"] = {**noted, **({HOLDER: holder} if holder else {})}
        kept = {key: value for key, value in (found.get("data") or {}).items() if not key.startswith(MEMORY)}
        memory = {MEMORY + key: value for key, value in record.memory.items()}
        share = {} if record.share is None else {SHARE: f"{SHARE_KEY} {record.share}\n"}
        whole = {**found, "metadata": metadata, "data": {**kept, **memory, **share}}
        if before is None:
            return dict(await api.send(self._place, "POST", "configmaps", whole))
        return dict(await api.send(self._place, "PUT", f"configmaps/{self.name}", whole))


def record_of(found: Mapping[str, Any]) -> Record:
    """What a ConfigMap holds; no share where there is none, or one that cannot be."""
    data: Mapping[str, str] = found.get("data") or {}
    lines = dict(line.split(" ", 1) for line in data.get(SHARE, "").splitlines() if " " in line)
    share = lines.get(SHARE_KEY, "")
    parts = parts_of(share)
    memory = {key.removeprefix(MEMORY): value for key, value in data.items() if key.startswith(MEMORY)}
    return Record(parts, memory)


def _stored(found: dict[str, Any]) -> Stored:
    annotations = found["metadata"].get("annotations") or {}
    return Stored(record_of(found), str(annotations.get(HOLDER, "")), found)
