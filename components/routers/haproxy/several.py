"""A HAProxy that comes and goes as pods or instances: each question goes to the replicas that there are at that moment.

The rule: who the replicas are is the heir's to say; what they are asked stands here once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

from components.cutover.words import Colour
from components.routers.base import Mark, SeenAs, Server
from components.routers.haproxy.router import HaproxyRouter

T = TypeVar("T")


class Several:
    """The questions of a ``Router``."""

    async def _asked(self, ask: Callable[[HaproxyRouter], Awaitable[T]]) -> T:
        """What ``ask`` makes of the router over those that there are."""
        raise NotImplementedError

    async def health(self) -> Mapping[Colour, Mapping[str, bool]]:
        """As each of them says that takes clients."""
        return await self._asked(lambda router: router.health())

    async def connections(self) -> Mapping[Colour, int]:
        """Of all of them, also of those that are leaving."""
        return await self._asked(lambda router: router.connections())

    async def servers(self) -> Mapping[Colour, Mapping[str, Server]]:
        """Of all of them; the state is that of those that take clients."""
        return await self._asked(lambda router: router.servers())

    async def mark(self) -> Mark:
        """How many connections each process has had until now."""
        return await self._asked(lambda router: router.mark())

    async def find(
        self, colour: Colour, addresses: Collection[str], *, seen_as: SeenAs = "client", websocket_only: bool = False
    ) -> dict[str, str]:
        """Where the connections with these addresses are, on whichever of them."""
        return await self._asked(
            lambda router: router.find(colour, addresses, seen_as=seen_as, websocket_only=websocket_only)
        )

    async def close(
        self, colour: Colour, found: Mapping[str, str], *, seen_as: SeenAs = "client", mark: Mark | None = None
    ) -> frozenset[str]:
        """End connections that were found."""
        return await self._asked(lambda router: router.close(colour, found, seen_as=seen_as, mark=mark))
