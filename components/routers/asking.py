"""How routers on AWS ask it: beside whatever else goes on, in errors of this house, and the same thing at most once in a while.

The rule: the number of calls must not grow with the clients, however often a run asks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from components.emqx.aws_told import told

T = TypeVar("T")


class Asking:
    """The half of a router that asks AWS; ``NODE`` is what it is called in errors."""

    NODE: ClassVar[str]

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self._seen: dict[str, tuple[float, Any]] = {}

    async def _fresh(self, what: str, tried: str, look: Callable[[], T], seconds: float) -> T:
        """The answer, of so many seconds ago at most."""
        seen = self._seen.get(what)
        if seen is None or time.monotonic() - seen[0] >= seconds:
            answer = await self._ask(tried, look)
            seen = self._seen[what] = time.monotonic(), answer
        found: T = seen[1]
        return found

    async def _ask(self, tried: str, call: Callable[[], T]) -> T:
        with told(tried, self.NODE):
            return await asyncio.to_thread(call)
