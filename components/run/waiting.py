"""The one bounded wait; it asks the run before each look, and when it gives up it says what it last saw."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from components.emqx.errors import GaveUp, Retryable
from components.run.orders import Still
from components.run.run import Run

T = TypeVar("T")


async def until(
    run: Run,
    look: Callable[[], Awaitable[tuple[T | None, str]]],
    *,
    tried: str,
    node: str,
    todo: str,
    limit_seconds: float,
    every_seconds: float = 0.25,
    still: Still | None = None,
) -> T:
    """What ``look`` found, as soon as it finds something.

    ``look`` answers ``(found or None, what was seen)``; a Retryable error counts as something seen, any other error ends
    the wait. A hold, for which ``still`` is stopped, uses up nothing of ``limit_seconds``.

    Raises:
        GaveUp: after ``limit_seconds``, with what was last seen.
        Stopped, LeaseLost: when the run must not go on.

    """
    end = run.clock.now() + limit_seconds
    seen = "nothing yet"
    while True:
        end += await run.checkpoint(still)
        try:
            found, seen = await look()
        except Retryable as passing:
            found, seen = None, str(passing)
        if found is not None:
            return found
        if run.clock.now() >= end:
            raise GaveUp(tried, node=node, seen=f"after {limit_seconds:g} s, last: {seen}", todo=todo)
        await run.clock.sleep(every_seconds)
