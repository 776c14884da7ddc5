"""Devices that look a name up before they connect: each has a resolver of its own, which keeps an answer for its TTL and asks anew after that.

The rule: a name that has no address is a connection that fails, and no answer is kept of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

import dns.asyncquery
import dns.exception
import dns.message

ASK_SECONDS = 5.0


class Resolver:
    """Of all devices of a process, by their number; ``now`` only goes on."""

    def __init__(self, host: str, port: int, now: Callable[[], float] = time.monotonic) -> None:
        """Ask the name server there."""
        self._server, self._now = (host, port), now
        self._kept: dict[int, tuple[float, tuple[str, ...]]] = {}

    async def address(self, number: int, name: str, tried: int) -> str:
        """The one that a device takes which has tried so many in vain.

        Raises:
            OSError: the name has none, or nobody answers.

        """
        until, addresses = self._kept.get(number, (0.0, ()))
        if not addresses or self._now() >= until:
            ttl, addresses = await self._asked(name)
            self._kept[number] = self._now() + ttl, addresses
        return addresses[tried % len(addresses)]

    async def _asked(self, name: str) -> tuple[int, tuple[str, ...]]:
        host, port = self._server
        try:
            answer = await dns.asyncquery.udp(dns.message.make_query(name, "A"), host, ASK_SECONDS, port)
            found = cast("dns.message.QueryMessage", answer).resolve_chaining()
        except dns.exception.DNSException as failure:
            raise OSError(f"{name} was not resolved: {failure}") from None
        if not found.answer:
            raise OSError(f"{name} has no address")
        return found.minimum_ttl, tuple(one.to_text() for one in found.answer)
