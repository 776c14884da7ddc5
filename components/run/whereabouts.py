"""Every error of a run says where the clients are; it asks briefly, and what gives no number, whatever the reason, is said to be unknown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

from components.cutover.cohort import share_percent
from components.cutover.words import COLOURS, Colour
from components.emqx.errors import UpgradeError
from components.run.measure import PATIENCE_SECONDS
from components.run.run import Run

T = TypeVar("T")
ASK_SECONDS = 1.5
"""A Ctrl-C has to end within three seconds, this included."""


@asynccontextmanager
async def telling_where(run: Run) -> AsyncIterator[None]:
    """Add share and live connections to an error that ends the block."""
    try:
        yield
    except UpgradeError as failure:
        failure.add(await whereabouts(run))
        raise


async def whereabouts(run: Run) -> str:
    """``green's share is 50 %; clients: 110 on blue, 90 on green``."""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            parts = await _or_unknown(run.router.share())
            counts = [f"{await _count(run, colour)} on {colour}" for colour in COLOURS if colour in run.clusters]
    except TimeoutError:
        return "where the clients are could not be asked in time"
    share = "unknown" if parts is None else f"{share_percent('green', parts):g} %"
    return f"green's share is {share}; clients: {', '.join(counts)}"


async def _count(run: Run, colour: Colour) -> str:
    live = await _or_unknown(run.clusters[colour].live_connections(patience_seconds=PATIENCE_SECONDS))
    return "unknown" if live is None else str(sum(live.values()))


async def _or_unknown(question: Awaitable[T]) -> T | None:
    """An error is being told already: another one beside it, also a refusal, must not take its place."""
    try:
        return await question
    except UpgradeError:
        return None
