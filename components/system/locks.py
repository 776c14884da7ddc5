"""A lock on a file that stays; it falls with the process that holds it, and nobody waits for it without a bound."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

POLL_SECONDS = 0.02


@contextmanager
def held(
    path: Path, limit_seconds: float, otherwise: Exception, interrupted: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Hold the lock on this file, which is made when it is missing.

    Args:
        path: a file of nobody else's, in a directory that is there.
        limit_seconds: for how long somebody else may keep it.
        otherwise: what is raised then.
        interrupted: raises when the waiting must end.

    """
    with _opened(path) as stream:
        for _ in _tries(stream, limit_seconds, otherwise):
            interrupted()
            time.sleep(POLL_SECONDS)
        yield


@asynccontextmanager
async def held_meanwhile(path: Path, limit_seconds: float, otherwise: Exception) -> AsyncIterator[None]:
    """The same, letting other coroutines run while it waits; two of them in one process exclude each other too."""
    with _opened(path) as stream:
        for _ in _tries(stream, limit_seconds, otherwise):
            await asyncio.sleep(POLL_SECONDS)
        yield


def _opened(path: Path) -> IO[bytes]:
    path.touch(mode=0o600)
    return path.open("rb")


def _tries(stream: IO[bytes], limit_seconds: float, otherwise: Exception) -> Iterator[None]:
    end = time.monotonic() + limit_seconds
    while not _taken(stream.fileno()):
        if time.monotonic() >= end:
            raise otherwise
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
