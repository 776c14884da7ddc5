"""MQTT in WebSocket: the upgrade as EMQX takes it, frames in, frames out; between them the same channel as for a bare connection.

The rule: a message's borders mean nothing, as in EMQX: an MQTT packet may span several, and several may share one.  What EMQX asks of the
upgrade is read in its source (docs/emqx/balancer.md#websocket); there is no recording of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    Request,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from lab.node.broker.channel import Channel
from lab.node.broker.door import Door
from lab.node.broker.listener import Listener
from lab.node.broker.packets import handle
from lab.node.broker.proxy import parse

SUBPROTOCOLS = frozenset({"mqtt", "mqtt-v3", "mqtt-v3.1.1", "mqtt-v5"})
_NORMAL, _NOT_TEXT = 1000, 1003


class WebSocketListener(Listener):
    """A listener whose clients come by WebSocket."""

    def protocol(self) -> asyncio.Protocol:
        """One connection."""
        return Upgraded(self, self.path)


class Frames:
    """The transport of a channel: what it writes becomes a binary message."""

    def __init__(self, transport: asyncio.Transport, connection: WSConnection) -> None:
        self._transport, self._connection = transport, connection

    def get_extra_info(self, name: str) -> Any:
        """Of the socket."""
        return self._transport.get_extra_info(name)

    def write(self, data: bytes) -> None:
        """Send a message, unless the client has left."""
        self.send(BytesMessage(data))

    def send(self, event: Event) -> None:
        """Send an event where it still can be one."""
        try:
            self._transport.write(self._connection.send(event))
        except LocalProtocolError:
            return

    def close(self) -> None:
        """Say so, then FIN."""
        self.send(CloseConnection(_NORMAL))
        self._transport.close()

    def abort(self) -> None:
        """Reset."""
        self._transport.abort()


class Upgraded(asyncio.Protocol):
    """One connection: a PROXY header where the listener wants one, the upgrade, and then its channel's bytes."""

    def __init__(self, listener: Door, path: str) -> None:
        self.channel = Channel(listener, handle)
        self.head, self.channel.head = self.channel.head, None
        self.path = path
        self.connection = WSConnection(ConnectionType.SERVER)
        self.frames: Frames | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there; its channel's idle time runs."""
        self.frames = Frames(cast("asyncio.Transport", transport), self.connection)
        self.channel.connection_made(cast("asyncio.Transport", self.frames))

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self.frames is None or self.channel.closed:
            return
        if self.head is not None:
            self.head += data
            try:
                header = parse(self.head)
            except ValueError:
                self.frames.abort()
                return
            if header is None:
                return
            data, self.head = self.head[header.size :], None
            self.channel.came_from(header)
        if data:  # the header may come alone, and nothing is the end of the stream to the library
            self._read(data, self.frames)

    def _read(self, data: bytes, frames: Frames) -> None:
        try:
            self.connection.receive_data(data)
            for event in self.connection.events():
                if self.channel.closed:
                    return
                self._take(event, frames)
        except RemoteProtocolError:
            self.channel.close(None)

    def _take(self, event: Event, frames: Frames) -> None:
        if isinstance(event, Request):
            for answer in _answers(event, self.path):
                frames.send(answer)
                if isinstance(answer, RejectConnection):
                    self.channel.close(None)
        elif isinstance(event, BytesMessage):
            self.channel.data_received(bytes(event.data))
        elif isinstance(event, Ping):
            frames.send(event.response())
        elif isinstance(event, Message):
            frames.send(CloseConnection(_NOT_TEXT))
            self.channel.close(None)
        elif isinstance(event, CloseConnection):
            frames.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self.channel.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        self.channel.pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        self.channel.resume_writing()


def _answers(request: Request, path: str) -> Iterator[Event]:
    if request.target.partition("?")[0] != path:
        yield RejectConnection(status_code=404)
        return
    known = [one for one in request.subprotocols if one in SUBPROTOCOLS]
    yield AcceptConnection(subprotocol=known[0]) if known else RejectConnection(status_code=400)
