"""One connection: bytes in, bytes out, deadlines; what the packets mean is decided in `packets`.

The rule: the channel owns the socket and nothing else.  It has a session as long as that session names it (`Session.tie`, `Session.untie`);
whoever takes the session away unties it first and then closes the channel, so that the loss of the socket means nothing any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from components.mqtt import (
    Decoder,
    Disconnect,
    MalformedPacket,
    Packet,
    PacketTooLarge,
    Property,
    Publish,
    Reason,
    encode,
)
from lab.node.broker.door import Door
from lab.node.broker.metrics import MESSAGES_SENT, SENT
from lab.node.broker.proxy import Header, parse
from lab.node.broker.session import Session
from lab.node.rules.scram import Exchange

_PROXY_SECONDS = 3.0
_STUCK_SECONDS = 15.0


class Channel(asyncio.Protocol):
    """A connection; `handle` is called for each packet that comes.

    Attributes:
        listener, node: where it came in.
        peer: (host, port) of the client, from the PROXY header when the listener wants one.
        common_name: that of its certificate, when a balancer in front says it.
        tied: the session that it was last tied to, which may have left it since: ask `session`.
        level: protocol level of the accepted or refused CONNECT.
        keep_alive: seconds of silence that are allowed (already times 1.5); 0 for no limit.
        max_packet: bytes that the client accepts in one packet.
        aliases: topic aliases of the client.
        exchange: an enhanced authentication that is not finished.

    """

    __slots__ = (
        "aliases", "backlog", "closed", "common_name", "decoder", "exchange", "handle", "head", "held", "keep_alive", "last_seen", "level", "listener",
        "max_packet", "node", "paused_at", "peer", "tied", "transport",
    )  # fmt: skip

    def __init__(self, listener: Door, handle: Callable[[Channel, Packet], None]) -> None:
        self.listener, self.node, self.handle = listener, listener.node, handle
        self.transport: asyncio.Transport | None = None
        self.decoder = Decoder(max_packet_size=self.node.cluster.limits.max_packet_size)
        self.head: bytes | None = b"" if listener.proxy_protocol else None
        self.peer = ("", 0)
        self.common_name: str | None = None
        self.tied: Session | None = None
        self.level = 4
        self.keep_alive = 0.0
        self.max_packet = 0
        self.aliases: dict[int, str] | None = None
        self.exchange: Exchange | None = None
        self.backlog: list[Packet] | None = None
        self.held = self.closed = False
        self.last_seen = 0.0
        self.paused_at: float | None = None

    @property
    def session(self) -> Session | None:
        """The session of the accepted client; None before, and after it was taken away."""
        session = self.tied
        return session if session is not None and session.channel is self else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; it has the idle time-out to send its CONNECT."""
        self.transport = cast("asyncio.Transport", transport)
        cluster = self.node.cluster
        if not self.listener.admit(self):
            self.closed = True
            transport.close()
            return
        self.peer = transport.get_extra_info("peername")[:2]
        self.last_seen = cluster.clock()
        cluster.agenda.add(self.last_seen + cluster.limits.idle_timeout, self._no_connect)
        if self.head is not None:
            cluster.agenda.add(self.last_seen + _PROXY_SECONDS, self._no_header)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self.closed:
            return
        self.node.metrics["bytes.received"] += len(data)
        self.last_seen = self.node.cluster.clock()
        if self.head is not None:
            self.head += data
            try:
                header = parse(self.head)
            except ValueError:
                self.close(None)
                return
            if header is None:
                return
            data, self.head = self.head[header.size :], None
            self.came_from(header)
        if self.session is not None:
            self.session.recv_oct += len(data)
        try:
            packets = self.decoder.feed(data)
        except PacketTooLarge:
            self.fail(Reason.PACKET_TOO_LARGE)
        except MalformedPacket:
            self.fail(Reason.MALFORMED_PACKET)
        else:
            self._run(packets)

    def came_from(self, header: Header) -> None:
        """What the balancer in front says of the client."""
        self.peer, self.common_name = header.peer or self.peer, header.common_name

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """The socket is gone, whoever closed it."""
        if not self.listener.dismiss(self):
            return
        if not self.closed and self.session is None:
            # recorded for a connection without CONNECT (G_metrics_by_kind_of_connect)
            self.node.metrics["packets.received"] += 1
            self.node.metrics["packets.disconnect.received"] += 1
        self.closed = True
        if self.session is not None:
            self.node.cluster.detach(self.session, will="delayed")

    def pause_writing(self) -> None:
        """The client does not read: it has EMQX's `send_timeout` to go on."""
        now = self.node.cluster.clock()
        self.paused_at = now
        self.node.cluster.agenda.add(now + _STUCK_SECONDS, lambda: self.abort() if self.paused_at == now else None)

    def resume_writing(self) -> None:
        """The client reads again."""
        self.paused_at = None

    def send(self, packet: Packet) -> None:
        """Send a packet."""
        self._write(packet, encode(packet, self.level))

    def send_message(self, packet: Publish, qos: int) -> bool:
        """Send a PUBLISH to the client; False when it is larger than the client accepts."""
        data = encode(packet, self.level)
        if self.max_packet and len(data) > self.max_packet:
            return False
        metrics, session = self.node.metrics, self.session
        metrics["messages.delivered"] += 1
        metrics["messages.sent"] += 1
        metrics[MESSAGES_SENT[qos]] += 1
        if session is not None:
            session.sent = session.sent or [0, 0, 0]
            session.sent[qos] += 1
        self._write(packet, data)
        return True

    def close(self, reason: int | None, server_reference: str = "") -> None:
        """Close with FIN; MQTT 5 gets a DISCONNECT first when there is a reason."""
        if self.closed:
            return
        if reason is not None and self.level == 5:
            self.send(Disconnect(reason, {Property.SERVER_REFERENCE: server_reference} if server_reference else {}))
        self.closed = True
        if self.transport is not None:
            self.transport.close()

    def fail(self, reason: int | None) -> None:
        """The client broke the protocol: it is closed as EMQX does, with a reason only when it had been accepted."""
        session = self.session
        if session is None:
            self.close(None)
            return
        self.node.cluster.detach(session, will="delayed")
        self.close(reason)

    def abort(self) -> None:
        """Reset the connection, as the death of the process does; what came and was not handled is lost."""
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    def watch_silence(self) -> None:
        """Close the connection once the client has been silent for longer than its keep-alive allows."""
        session, cluster = self.session, self.node.cluster
        if session is None or not self.keep_alive:
            return
        if cluster.clock() - self.last_seen >= self.keep_alive:
            self.fail(Reason.KEEP_ALIVE_TIMEOUT)
        else:
            cluster.agenda.add(self.last_seen + self.keep_alive, self.watch_silence)

    def hold(self, seconds: float, then: Callable[[], None]) -> None:
        """Handle nothing for a while, then call `then`; what comes meanwhile is kept and handled after it, in order."""
        self.held = True
        asyncio.get_running_loop().call_later(seconds, self._release, then)

    def _release(self, then: Callable[[], None]) -> None:
        self.held = False
        if not self.closed:
            then()
        packets, self.backlog = self.backlog or [], None
        self._run(packets)

    def _run(self, packets: list[Packet]) -> None:
        for index, packet in enumerate(packets):
            if self.closed:
                return
            if self.held:
                self.backlog = (self.backlog or []) + packets[index:]
                return
            self.handle(self, packet)

    def _write(self, packet: Packet, data: bytes) -> None:
        if self.closed or self.transport is None:
            return
        metrics = self.node.metrics
        metrics["packets.sent"] += 1
        metrics[SENT[type(packet)]] += 1
        metrics["bytes.sent"] += len(data)
        if self.session is not None:
            self.session.send_pkt += 1
            self.session.send_oct += len(data)
        self.transport.write(data)

    def _no_connect(self) -> None:
        if self.session is None and self.exchange is None and not self.held:
            self.close(None)

    def _no_header(self) -> None:
        if self.head is not None:
            self.close(None)
