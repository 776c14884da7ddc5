"""A ledger that is one document behind an API which writes it only as it was read: how it is held, whatever keeps the document.

The rule: whoever writes holds it, and says so in the document. A holder that died is passed over once nothing has changed for a while, by the clock of the
one that waits; one that was only slow finds its next write refused. Where each read costs, what was read answers for a moment; whoever writes reads anew.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

from components.emqx.errors import BadInput, GaveUp, NotNow, UpgradeError
from components.ledger.base import Record, require_lease, require_parts

STALE_SECONDS = 10.0
"""A holder waits for a replica that restarts, 5 s, and writes once more."""
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.2
_NAME = re.compile(r"[-._a-zA-Z0-9]{1,240}")


class Stored(NamedTuple):
    """The document as it was read: what it holds, who holds it (empty: nobody), and what its keeper has to know of it to write it again."""

    record: Record
    holder: str
    seen: Any


class Store(Protocol):
    """Who keeps the document; every call raises the errors of ``components.emqx.errors``."""

    @property
    def name(self) -> str:
        """What a person finds it by."""
        ...

    async def get(self, tried: str) -> Stored | None:
        """The document as it is at this moment; None where there is none."""
        ...

    async def put(self, tried: str, before: Stored | None, record: Record, holder: str) -> Stored | None:
        """Write it where it is still as ``before`` (None: where there is none); None when somebody was faster."""
        ...


class VersionedLedger:
    """A ledger in such a store.

    Args:
        store: who keeps it.
        stale_seconds: for how long a holder may do nothing.
        patience_seconds: for how long somebody else may keep it.
        fresh_seconds: for how long one read answers for those who only look.

    """

    def __init__(
        self, store: Store, *, stale_seconds: float, patience_seconds: float, fresh_seconds: float = 0.0
    ) -> None:
        self._store = store
        self._stale_seconds, self._patience_seconds = stale_seconds, patience_seconds
        self._fresh_seconds = fresh_seconds
        self._one_asks = asyncio.Lock()
        self._seen: tuple[float, Record] | None = None

    async def read(self) -> Record:
        """What it holds, or held less than ``fresh_seconds`` ago; nothing where there is none."""
        async with self._one_asks:
            now = time.monotonic()
            if self._seen is None or now - self._seen[0] >= self._fresh_seconds:
                found = await self._store.get("reading the ledger")
                self._seen = now, Record() if found is None else found.record
            return self._seen[1]

    @asynccontextmanager
    async def held(self, holder: str | None) -> AsyncIterator[VersionedWriting]:
        """The document for us alone; it is made where there is none.

        Raises:
            LeaseLost: another run than ``holder`` may act; nothing was written.
            GaveUp: somebody else kept it for longer than ``patience_seconds``.
            Unreachable, Unauthorized, NotNow, Refused: its store.

        """
        writing = await self._taken(uuid4().hex)
        try:
            if holder is not None:
                require_lease(writing.record.memory, holder)
            yield writing
        finally:
            await writing.release()
            async with self._one_asks:  # behind a look that began before what was written
                self._seen = None

    async def _taken(self, token: str) -> VersionedWriting:
        tried, end = "holding the ledger", time.monotonic() + self._patience_seconds
        seen, since = "", time.monotonic()
        while True:
            found = await self._store.get(tried)
            mark = "" if found is None else found.holder
            if mark != seen:
                seen, since = mark, time.monotonic()
            if not mark or time.monotonic() - since >= self._stale_seconds:
                record = Record() if found is None else found.record
                taken = await _put(self._store, tried, found, record, token)
                if taken is not None:
                    return VersionedWriting(self._store, taken)
            if time.monotonic() > end:
                raise GaveUp(
                    "waiting for the ledger",
                    node=self._store.name,
                    seen=f"held by another process for {self._patience_seconds:g} s ({mark[:8]})",
                    todo="find the other update of this stack",
                )
            await asyncio.sleep(POLL_SECONDS)


class VersionedWriting:
    """The document while it is ours."""

    def __init__(self, store: Store, taken: Stored) -> None:
        """As it was taken."""
        self._store, self._taken = store, taken

    @property
    def record(self) -> Record:
        """What it holds now."""
        return self._taken.record

    async def write(self, values: Mapping[str, str | None] | None = None, *, share: int | None = None) -> None:
        """Write what is named, all of it at once.

        Raises:
            BadInput: a share that is not within 0..10000, or a name that not every store takes; nothing was written.
            NotNow: somebody has taken it over.

        """
        tried, name = "writing the ledger", self._store.name
        memory = dict(self.record.memory)
        for key, value in (values or {}).items():
            if not _NAME.fullmatch(key):
                raise BadInput("remembering", node="the ledger", seen=key, todo="give letters, digits, - _ . only")
            memory.pop(key, None)
            if value is not None:
                memory[key] = value
        if share is not None:
            require_parts(share)
        record = Record(self.record.share if share is None else share, memory)
        written = await _put(self._store, tried, self._taken, record, self._taken.holder)
        if written is None:
            todo = "let the other run finish; this one has written nothing more"
            raise NotNow(tried, node=name, seen="another process has taken it", todo=todo)
        self._taken = written

    async def release(self) -> None:
        """Let others take it; where that cannot be said they find out by themselves."""
        with suppress(UpgradeError):
            await self._store.put("leaving the ledger", self._taken, self.record, "")


async def _put(store: Store, tried: str, before: Stored | None, record: Record, holder: str) -> Stored | None:
    """As it was written; also where nobody answered to our own write, and it was found there when it was made again."""
    written = await store.put(tried, before, record, holder)
    if written is None:
        now = await store.get(tried)
        if now is not None and (now.record, now.holder) == (record, holder):
            return now
    return written
