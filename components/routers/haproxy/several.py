"""A HAProxy that comes and goes as pods or instances: each question goes to the replicas that there are at that moment.

The rule: who the replicas are is the heir's to say; what they are asked stands here once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

from components.cutover.words import Colour
from components.emqx.errors import Refused
from components.ledger.base import require_parts
from components.routers.base import Mark, SeenAs, Server, ServerState
from components.routers.haproxy.router import HaproxyRouter

T = TypeVar("T")


class Several:
    """The questions of a ``Router``."""

    async def _asked(self, ask: Callable[[HaproxyRouter], Awaitable[T]]) -> T:
        """What ``ask`` makes of the router over those that there are."""
        raise NotImplementedError

    async def _ordered(self, act: Callable[[HaproxyRouter], Awaitable[None]]) -> None:
        """Act on each of them that runs."""
        raise NotImplementedError

    async def _remembered(self) -> int | None:
        """Green's share as the ledger has it."""
        raise NotImplementedError

    async def share(self) -> int:
        """Green's share in parts of 10,000; one of them with another one than the ledger's gets the ledger's first."""
        try:
            return await self._asked(lambda router: router.share())
        except Refused:
            wanted = await self._remembered()
            if wanted is None:
                raise
            await self.set_share(wanted)
            return wanted

    async def set_share(self, parts: int) -> None:
        """Set green's share on every one that runs, and read it back."""
        require_parts(parts)
        await self._ordered(lambda router: router.set_share(parts))

    async def set_server(self, colour: Colour, node: str, state: ServerState) -> None:
        """Set a node's state on every one that runs, and read it back."""
        await self._ordered(lambda router: router.set_server(colour, node, state))

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
