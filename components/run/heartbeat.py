"""Says that a link works whenever it has been silent for two seconds, so that a CI log never looks hung."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from components.run.run import Run

BEAT_SECONDS = 2.0


@asynccontextmanager
async def heartbeat(run: Run, name: str) -> AsyncIterator[Run]:
    """The same run, which says that it works whenever it has been silent for two seconds."""
    began = spoke = run.clock.now()

    def progress(line: str) -> None:
        nonlocal spoke
        spoke = run.clock.now()
        run.progress(line)

    async def beat() -> None:
        while True:
            await run.clock.sleep(BEAT_SECONDS - (run.clock.now() - spoke))
            if run.clock.now() - spoke >= BEAT_SECONDS:
                progress(f"{name}: working for {run.clock.now() - began:.0f} s")

    beating = asyncio.create_task(beat())
    try:
        yield replace(run, progress=progress)
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
