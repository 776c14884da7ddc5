"""The way to HAProxy's admin sockets: one command, one answer; what the answer means is the router's business.

The rule: a way may cut each line of an answer to what a pattern matches, and leave out the others, so whoever gives one reads nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

from components.routers.haproxy.runtime import read

T = TypeVar("T")


class Way(Protocol):
    """How the sockets of a replica are reached."""

    async def read(
        self,
        place: str,
        command: str,
        timeout_seconds: float,
        take: Callable[[Iterable[str]], T],
        *,
        closing: bool = False,
        only: str = "",
    ) -> T:
        """What ``take`` makes of the lines that answer one line of commands (``runtime.read``).

        Raises:
            Unreachable: no answer in time.

        """
        ...

    async def there(self, place: str) -> bool:
        """Whether a replica has this socket at all, as far as that can be told without asking it."""
        ...


class Sockets:
    """Straight to them, on this machine or in its network."""

    async def read(
        self,
        place: str,
        command: str,
        timeout_seconds: float,
        take: Callable[[Iterable[str]], T],
        *,
        closing: bool = False,
        only: str = "",  # noqa: ARG002  -- all lines are at hand
    ) -> T:
        """Connect, ask, and read as it comes."""
        return await asyncio.to_thread(read, place, command, timeout_seconds, take, closing=closing)

    async def there(self, place: str) -> bool:
        """Whether there is such a file."""
        return await asyncio.to_thread(Path(place).exists)


SOCKETS = Sockets()
