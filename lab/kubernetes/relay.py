"""TCP from one socket to another, as an address of a Service leads to a pod.

The rule: what one side closes is closed to the other, and a connection that cannot be made is refused or reset, never kept open.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable
from typing import cast

from lab.kubernetes.network import NODE

Target = tuple[str, int]
CONNECT_SECONDS = 10.0
LINGER_NOT = struct.pack("ii", 1, 0)
OURS = (NODE, 0)
"""No two connections come from the same port, as no two clients do: Linux gives one twice where the other ends differ, if it is not asked beforehand."""
HIGH_BYTES = 256 * 1024


class Side(asyncio.Protocol):
    """One of two connections; what comes in goes out of ``other``."""

    other: Side | None = None
    transport: asyncio.Transport

    def __init__(self) -> None:
        """Alone; what comes before there is another one is kept."""
        self._early: list[bytes] = []
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it."""
        self.transport = cast("asyncio.Transport", transport)

    def join(self, other: Side) -> None:
        """Be a pair."""
        self.other, other.other = other, self
        for data in self._early:
            other.transport.write(data)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        """Hand it on."""
        if self.other is None:
            self._early.append(data)
        else:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Hand it on; the other direction stays."""
        self._ended = True
        other = self.other
        if other is not None and not other.transport.is_closing():
            with contextlib.suppress(OSError, RuntimeError):
                other.transport.write_eof()
            if other._ended:  # noqa: SLF001 - the same class: nothing comes from either side any more
                self.transport.close()
                other.transport.close()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """End the other one the same way."""
        other = self.other
        if other is None or other.transport.is_closing():
            return
        if error is None:
            other.transport.close()
        else:
            reset(other.transport)

    def pause_writing(self) -> None:
        """Let the other one wait."""
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the other one go on."""
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()


class _Front(Side):
    """A client's connection, which looks for its target."""

    def __init__(self, targets: Callable[[], list[Target]], tasks: set[asyncio.Task[None]]) -> None:
        super().__init__()
        self._targets, self._tasks = targets, tasks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        task = asyncio.get_running_loop().create_task(self._connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        targets = self._targets()
        random.shuffle(targets)
        for host, port in targets:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    _, back = await asyncio.get_running_loop().create_connection(Side, host, port, local_addr=OURS)
                if self.transport.is_closing():
                    back.transport.close()
                else:
                    self.join(back)
                    back.join(self)
                return
        reset(self.transport)


class Relay:
    """A listening socket whose connections go to one of the targets that there are when they come."""

    def __init__(self, door: socket.socket, targets: Callable[[], list[Target]]) -> None:
        """Nothing is accepted before `open`."""
        self._door, self._targets = door, targets
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Accept from now on."""
        self._door.setblocking(False)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Front(self._targets, self._tasks), sock=self._door, backlog=1024
        )

    def close(self) -> None:
        """Refuse from now on; the connections that are there stay."""
        if self._server is not None:
            self._server.close()
        self._door.close()


def reset(transport: asyncio.Transport) -> None:
    """End a connection with RST."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    transport.abort()
