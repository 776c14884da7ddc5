"""One run of the chain: what it acts on and whether it still may; every act is preceded by ``checkpoint``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from components.cutover.words import Colour
from components.emqx.base import Cluster
from components.emqx.models import ClusterHandle
from components.ledger.base import require_lease
from components.routers.base import Router


class Clock(Protocol):
    """Time as an argument."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let others run for so long."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Let others run for so long."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True)
class Run:
    """What the links of one run share.

    ``record(event, **facts)`` appends to the journal, ``progress(line)`` shows a line in the update's output (never
    repeated at the end), ``interrupted()`` raises Stopped after Ctrl-C or when the engine is gone, ``connect_milliseconds(handle)``
    is how long a cluster takes to accept a client.
    """

    clusters: Mapping[Colour, Cluster]
    router: Router
    token: str
    record: Callable[..., None]
    progress: Callable[[str], None]
    interrupted: Callable[[], None]
    clock: Clock
    connect_milliseconds: Callable[[ClusterHandle], Awaitable[float | None]]

    async def checkpoint(self) -> None:
        """Raise Stopped or LeaseLost when this run must not act any more."""
        self.interrupted()
        require_lease(await self.router.memory(), self.token)

    async def act(self, event: str, **facts: Any) -> None:
        """A checkpoint, then the fact in the journal."""
        await self.checkpoint()
        self.record(event, **facts)
