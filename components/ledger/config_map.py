"""Ledger `config_map`: a ConfigMap that people can read and HAProxy's pods start from; every write compares its resourceVersion.

The rule: whoever writes holds it, and says so in an annotation. A holder that died is passed over once nothing has changed for a while, by the clock of the
one that waits; one that was only slow finds its next write refused. ``share.map`` is the very file of the pods, ``memory.NAME`` what a cutover remembers.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

from components.cutover.words import PARTS
from components.emqx.errors import BadInput, GaveUp, NotNow
from components.emqx.told import told
from components.kubernetes import api
from components.kubernetes.api import ApiError
from components.kubernetes.place import Place
from components.ledger.base import Record, require_lease, require_parts
from components.ledger.files import SHARE, SHARE_KEY

HOLDER = "emqx-upgrade/held-by"
MEMORY = "memory."
LABELS = {"app.kubernetes.io/managed-by": "emqx-upgrade"}
STALE_SECONDS = 10.0
"""A holder waits for a replica that restarts, 5 s, and writes once more."""
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.2
_NAME = re.compile(r"[-._a-zA-Z0-9]{1,240}")


class ConfigMapLedger:
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
        self._place, self._name = place, name
        self._stale_seconds, self._patience_seconds = stale_seconds, patience_seconds

    async def read(self) -> Record:
        """What it holds; nothing where there is none."""
        with told("reading the ledger", self._name):
            found = await self._get()
        return Record() if found is None else record_of(found)

    @asynccontextmanager
    async def held(self, holder: str | None) -> AsyncIterator[ConfigMapWriting]:
        """The ConfigMap for us alone; it is made where there is none.

        Raises:
            LeaseLost: another run than ``holder`` may act; nothing was written.
            GaveUp: somebody else kept it for longer than ``patience_seconds``.
            Unreachable, Unauthorized, NotNow, Refused: the API server.

        """
        writing = await self._taken(uuid4().hex)
        try:
            if holder is not None:
                require_lease(writing.record.memory, holder)
            yield writing
        finally:
            await writing.release()

    async def _taken(self, token: str) -> ConfigMapWriting:
        end = time.monotonic() + self._patience_seconds
        seen, since = "", time.monotonic()
        while True:
            with told("holding the ledger", self._name):
                found = await self._get()
                mark = "" if found is None else _holder(found)
                if mark != seen:
                    seen, since = mark, time.monotonic()
                free = not mark or time.monotonic() - since >= self._stale_seconds
                taken = await self._take(found, token) if free else None
            if taken is not None:
                return ConfigMapWriting(self._place, taken)
            if time.monotonic() > end:
                raise GaveUp(
                    "waiting for the ledger",
                    node=self._name,
                    seen=f"held by another process for {self._patience_seconds:g} s ({mark[:8]})",
                    todo="find the other update of this stack",
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _get(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await api.get(self._place, f"configmaps/{self._name}")
        except ApiError as failure:
            if failure.status == 404:
                return None
            raise
        return found

    async def _take(self, found: dict[str, Any] | None, token: str) -> dict[str, Any] | None:
        """The ConfigMap as it is ours; None when somebody was faster."""
        annotations = {HOLDER: token}
        try:
            if found is None:
                metadata = {"name": self._name, "labels": LABELS, "annotations": annotations}
                made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}
                return dict(await api.send(self._place, "POST", "configmaps", made))
            return await _put(self._place, found, annotations=annotations)
        except ApiError as failure:
            if failure.status == 409:
                return None
            raise


class ConfigMapWriting:
    """The ConfigMap while it is ours."""

    def __init__(self, place: Place, found: dict[str, Any]) -> None:
        """As it was taken."""
        self._place, self._found = place, found
        self.record = record_of(found)

    async def write(self, values: Mapping[str, str | None] | None = None, *, share: int | None = None) -> None:
        """Write what is named, all of it at once.

        Raises:
            BadInput: a share that is not within 0..10000, or a name that no ConfigMap takes; nothing was written.
            NotNow: somebody has taken it over.

        """
        data: dict[str, str] = dict(self._found.get("data") or {})
        for key, value in (values or {}).items():
            if not _NAME.fullmatch(key):
                raise BadInput("remembering", node="the ledger", seen=key, todo="give letters, digits, - _ . only")
            data.pop(MEMORY + key, None)
            if value is not None:
                data[MEMORY + key] = value
        if share is not None:
            require_parts(share)
            data[SHARE] = _line(share)
        with told("writing the ledger", _name(self._found)):
            try:
                self._found = await _put(self._place, self._found, data=data)
            except ApiError as failure:
                if failure.status != 409:
                    raise
                todo = "let the other run finish; this one has written nothing more"
                raise NotNow(
                    "writing the ledger", node=_name(self._found), seen="another process has taken it", todo=todo
                ) from None
        self.record = record_of(self._found)

    async def release(self) -> None:
        """Let others take it; where that cannot be said they find out by themselves."""
        with suppress(ApiError):
            self._found = await _put(self._place, self._found, annotations={HOLDER: None})


def record_of(found: Mapping[str, Any]) -> Record:
    """What a ConfigMap holds; no share where there is none, or one that cannot be."""
    data: Mapping[str, str] = found.get("data") or {}
    lines = dict(line.split(" ", 1) for line in data.get(SHARE, "").splitlines() if " " in line)
    share = lines.get(SHARE_KEY, "")
    parts = int(share) if share.isascii() and share.isdigit() and int(share) <= PARTS else None
    memory = {key.removeprefix(MEMORY): value for key, value in data.items() if key.startswith(MEMORY)}
    return Record(parts, memory)


async def _put(
    place: Place,
    found: Mapping[str, Any],
    *,
    data: Mapping[str, str] | None = None,
    annotations: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    metadata: dict[str, Any] = dict(found["metadata"])
    merged = {**(metadata.get("annotations") or {}), **(annotations or {})}
    metadata["annotations"] = {key: value for key, value in merged.items() if value is not None}
    changed = {**found, "metadata": metadata, "data": found.get("data") or {} if data is None else dict(data)}
    return dict(await api.send(place, "PUT", f"configmaps/{metadata['name']}", changed))


def _holder(found: Mapping[str, Any]) -> str:
    return str((found["metadata"].get("annotations") or {}).get(HOLDER, ""))


def _name(found: Mapping[str, Any]) -> str:
    return str(found["metadata"]["name"])


def _line(parts: int) -> str:
    return f"{SHARE_KEY} {parts}\n"
