"""One TCP listener of one node: a socket on the node's own address, a channel for each connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from lab.node.channel import Channel
from lab.node.limits import count
from lab.node.network import bound

if TYPE_CHECKING:
    from lab.node.broker import BrokerNode

_BACKLOG = 4096
"""A whole fleet may connect in one moment; EMQX's 1024 would drop some of it on this one core."""


class Listener:
    """A listener.

    Args:
        node: whose address it uses, whatever host `bind` names (behaviour.md section 0).
        listener_id: ``tcp:default``.
        config: its object of the `listeners` root; `bind`, `proxy_protocol`, `max_connections`, `enable_authn`, `mountpoint` count here.

    Attributes:
        port: as bound; after `open` also for `bind` on port 0.
        channels: the connections that came through it and are still there.

    """

    def __init__(self, node: BrokerNode, listener_id: str, config: dict[str, Any]) -> None:
        self.node, self.id = node, listener_id
        self.port = int(str(config.get("bind", "1883")).rpartition(":")[2])
        self.proxy_protocol = bool(config.get("proxy_protocol", False))
        self.enable_authn = config.get("enable_authn", True) is not False
        self.max_connections = count(config.get("max_connections", "infinity"))
        self.mountpoint = str(config.get("mountpoint", ""))
        self.channels: set[Channel] = set()
        self._server: asyncio.Server | None = None
        self._closed = False

    @property
    def current(self) -> int:
        """How many connections came through it and are still there."""
        return len(self.channels)

    def admit(self, channel: Channel) -> bool:
        """A connection came; False when it must go again: there are too many, or it was accepted as the listener closed."""
        if self._closed or len(self.channels) >= self.max_connections:
            return False
        self.channels.add(channel)
        return True

    def dismiss(self, channel: Channel) -> bool:
        """A connection is gone; False when it was not let in."""
        admitted = channel in self.channels
        self.channels.discard(channel)
        return admitted

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
            self._server = await loop.create_server(lambda: Channel(self), sock=sock, backlog=_BACKLOG)
        except OSError:
            sock.close()
            raise

    async def close(self) -> None:
        """Stop listening; the connections that are there stay.

        The server is not waited for: on Python 3.12 and with uvloop that would wait for every client to leave.
        """
        self._closed = True
        if self._server is not None:
            self._server.close()
            self._server = None
            for _ in range(2):  # the loop closes the socket in its next round
                await asyncio.sleep(0)
