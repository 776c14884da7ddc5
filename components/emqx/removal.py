"""Removing what a probe made, also when the run is cancelled; the rule: the removal's own failure never hides an earlier one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from components.emqx.errors import Refused, UpgradeError

CANCELLED_SECONDS = 1.5
"""What a cancelled run has for it, because Ctrl-C must end soon; the next run sweeps."""


@asynccontextmanager
async def surely(colour: str, name: str, remove: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Await ``remove()`` at the end of the context, whatever happened in it; ``name`` is the MQTT user that it removes.

    Raises:
        Refused: it could not be removed.

    """
    failure: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failure = error
        raise
    finally:
        await _end(colour, name, remove, failure)


async def _end(colour: str, name: str, remove: Callable[[], Awaitable[None]], failure: BaseException | None) -> None:
    removal = asyncio.ensure_future(remove())
    cancelled = isinstance(failure, asyncio.CancelledError)
    while not removal.done():
        try:
            await asyncio.wait({removal}, timeout=CANCELLED_SECONDS if cancelled else None)
        except asyncio.CancelledError:
            cancelled = True
        else:
            if not removal.done():
                removal.cancel()
    error = None if removal.cancelled() else removal.exception()
    if cancelled:
        raise asyncio.CancelledError
    if error is not None and failure is None:
        seen = error.seen if isinstance(error, UpgradeError) else type(error).__name__
        todo = f"remove the MQTT user {name} and its rules; the next run does it too"
        raise Refused("removing the probe's account", node=colour, seen=seen, todo=todo) from None
