"""A time that passes when the test says so: whoever sleeps in it is woken in the order of the instants, however busy the machine is."""

from __future__ import annotations

import asyncio


class Passing:
    """A clock (call it) with a sleep of its own."""

    def __init__(self, now: float) -> None:
        """It stands still at ``now``, unix seconds."""
        self._now = now
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        """Unix seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Until so many seconds have passed."""
        woken = asyncio.get_running_loop().create_future()
        self._waiting.append((self._now + seconds, woken))
        await woken

    async def until(self, instant: float) -> None:
        """Let it pass, one sleeper after the other; each does what it has to before the next is woken."""
        while due := [one for one in self._waiting if one[0] <= instant]:
            first = min(due, key=lambda one: one[0])
            self._waiting.remove(first)
            self._now = max(self._now, first[0])
            if not first[1].done():
                first[1].set_result(None)
            for _ in range(5):
                await asyncio.sleep(0)
        self._now = instant
