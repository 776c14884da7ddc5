"""One TCP listener of one node: a socket on the node's own address, a channel for each connection."""

from __future__ import annotations

import asyncio

from lab.node.broker.channel import Channel
from lab.node.broker.door import Door
from lab.node.broker.packets import handle
from lab.node.network import bound

_BACKLOG = 4096
"""A whole fleet may connect in one moment; EMQX's 1024 would drop some of it on this one core."""


class Listener(Door):
    """A door with a socket."""

    _server: asyncio.Server | None = None

    def protocol(self) -> asyncio.Protocol:
        """One connection."""
        return Channel(self, handle)

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken or not ours.

        """
        sock = bound(self.node.ip, self.port, reuse=True)
        try:
            sock.setblocking(False)
            self.port = sock.getsockname()[1]
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self.protocol, sock=sock, backlog=_BACKLOG)
        except OSError:
            sock.close()
            raise

    async def close(self) -> None:
        """Stop listening; the connections that are there stay.

        The server is not waited for: on Python 3.12 and with uvloop that would wait for every client to leave.
        """
        self.closed = True
        if self._server is not None:
            self._server.close()
            self._server = None
            for _ in range(2):  # the loop closes the socket in its next round
                await asyncio.sleep(0)
