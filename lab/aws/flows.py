"""Connections through a Network Load Balancer: each goes to one target when it is made, and stays there.

The rule: a weight, a health or a listener that changes moves nobody; what ends a connection is one of its two sides, or the balancer when its time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from lab.kubernetes.relay import CONNECT_SECONDS, Side, reset
from lab.node.network import bound

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


@dataclass(frozen=True)
class Target:
    """Where a connection goes: ``group`` is the target group's ARN, ``id`` the target's in it."""

    group: str
    id: str
    host: str
    port: int
    proxy_protocol: bool


def header(source: tuple[str, int], target: tuple[str, int]) -> bytes:
    """PROXY protocol, version 2, for TCP over IPv4: who connected to whom."""
    addresses = b"".join(ipaddress.IPv4Address(host).packed for host, _ in (source, target))
    body = addresses + struct.pack("!HH", source[1], target[1])
    return SIGNATURE + b"\x21\x11" + struct.pack("!H", len(body)) + body


class Flow(Side):
    """A client's connection; ``target`` is None until it has one; ``ends`` is when the balancer will end it."""

    def __init__(self, door: Door) -> None:
        """Nobody is connected yet."""
        super().__init__()
        self._door = door
        self.target: Target | None = None
        self.ends: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look for a target."""
        super().connection_made(transport)
        self._door.flows.add(self)
        self._door.start(self._connect())

    def connection_lost(self, error: Exception | None) -> None:
        """The same on the other side."""
        self._door.flows.discard(self)
        super().connection_lost(error)

    async def _connect(self) -> None:
        target = self._door.choose()
        if target is None:
            reset(self.transport)
            return
        self.target = target
        source = self.transport.get_extra_info("peername")[:2]
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, back = await asyncio.get_running_loop().create_connection(Side, target.host, target.port)
        except (OSError, TimeoutError):
            reset(self.transport)
            return
        if self.transport.is_closing():
            back.transport.close()
            return
        if target.proxy_protocol:
            back.transport.write(header(source, self._door.address))
        self.join(back)
        back.join(self)

    def end(self) -> None:
        """With RST to both sides, as the balancer ends what it has kept too long."""
        for side in (self, self.other):
            if side is not None and not side.transport.is_closing():
                reset(side.transport)


@dataclass(eq=False)
class Door:
    """A listener's port; ``choose`` says where a new connection goes, None is nowhere."""

    address: tuple[str, int]
    choose: Callable[[], Target | None]
    context: ssl.SSLContext | None = None
    flows: set[Flow] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def open(self) -> None:
        """Accept from now on."""
        sock = bound(*self.address, reuse=True)
        sock.setblocking(False)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Flow(self), sock=sock, ssl=self.context, backlog=1024
        )

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Refuse from now on, and end what there is: a listener that is gone has no connections."""
        if self._server is not None:
            with contextlib.suppress(OSError):
                self._server.close()
        for flow in list(self.flows):
            flow.end()
