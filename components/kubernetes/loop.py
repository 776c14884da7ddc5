"""One event loop in a thread of its own, on which all talk with API servers runs, whichever thread or loop asks.

The rule: connections and forwards outlive the question that opened them, since every link of a run asks from a loop of its own; they end with the process, or
by ``close``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_lock = threading.Lock()
_running: list[tuple[asyncio.AbstractEventLoop, threading.Thread]] = []
_endings: list[Callable[[], Awaitable[None]]] = []


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        if not _running:
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="kubernetes", daemon=True)
            thread.start()
            _running.append((loop, thread))
        return _running[0][0]


async def there(work: Coroutine[Any, Any, T]) -> T:
    """The result of work on that loop."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, _loop()))


def wait(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """The same for who has no loop; TimeoutError after so long."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result(seconds)
    finally:
        future.cancel()


def at_end(ending: Callable[[], Awaitable[None]]) -> None:
    """What ``close`` has to wait for."""
    _endings.append(ending)


def close() -> None:
    """End the loop with everything that is open on it; the next question begins anew."""
    with _lock:
        endings, running = [*_endings], [*_running]
        _endings.clear()
        _running.clear()
    for loop, thread in running:
        asyncio.run_coroutine_threadsafe(_ended(endings), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _ended(endings: list[Callable[[], Awaitable[None]]]) -> None:
    for ending in endings:
        await ending()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
