"""A name server over UDP.

The rule: what is answered is whoever's who knows the names; what is no question is not answered at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import dns.exception


class _Server(asyncio.DatagramProtocol):
    def __init__(self, answered: Callable[[bytes], bytes]) -> None:
        self._answered = answered

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        try:
            answer = self._answered(data)
        except (dns.exception.DNSException, IndexError):
            return
        self._transport.sendto(answer, addr)


async def serve(answered: Callable[[bytes], bytes], host: str, port: int = 0) -> str:
    """Answer at this address from now on, at a free port where none is given; ``host:port``."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Server(answered), local_addr=(host, port))
    return "{}:{}".format(*transport.get_extra_info("sockname")[:2])
