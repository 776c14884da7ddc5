"""One device on one socket: connects, subscribes once, publishes, answers; everything that ends a connection gets a name.

The states are the module constants below, in the order in which a connection goes through them::

    AWAY -> DIALLING -> CONNECTING -> SUBSCRIBING -> SERVING
      ^--------------------- any end ---------------------+

What a device does after an end, and whether it subscribes again, is its kind's (``kind``); here is what happens on the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from components.mqtt import (
    Connack,
    Connect,
    Decoder,
    Disconnect,
    MalformedPacket,
    Packet,
    Pingreq,
    Pingresp,
    Property,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    encode,
)
from lab.fleet.kind import Cause, End, Tries
from lab.fleet.ledger import LIMIT, Ledger

if TYPE_CHECKING:
    from lab.fleet.settings import FleetSettings, Spec

AWAY, DIALLING, CONNECTING, SUBSCRIBING, SERVING = range(5)
SUBSCRIBE_ID = 0xFFFF
"""Publishing uses the packet ids below this one."""


class Host(Protocol):
    """What a device tells the fleet; ``now`` is the fleet's clock, unix seconds."""

    settings: FleetSettings
    now: Callable[[], float]

    def connected(self, device: Device, *, session_present: bool, latency: float) -> None:
        """CONNACK 0."""

    def serving(self, device: Device) -> None:
        """Subscribed: all that the device does from here on counts."""

    def ended(self, device: Device, end: End) -> None:
        """The connection, or the try to make one, is over. The host dials again, or never."""

    def received(self, device: Device, sequence: int, order: str) -> None:
        """A message of its own came back."""


class Device(asyncio.Protocol):
    """The protocol of one device over all its connections."""

    __slots__ = (
        "_asked",
        "_awaits_ping",
        "_decoder",
        "_end",
        "_greeted",
        "_host",
        "_sent",
        "_since",
        "_subscribed",
        "_transport",
        "disconnects",
        "gone",
        "ledger",
        "lost_at",
        "silent",
        "spec",
        "state",
        "tries",
    )

    def __init__(self, spec: Spec, host: Host) -> None:
        self.spec, self._host = spec, host
        self.ledger = Ledger()
        self.state, self.tries = AWAY, Tries()
        self.disconnects = 0
        self.lost_at: float | None = None
        self.gone: str | None = None  # why it stays away for good
        self.silent = False  # connected, without a subscription
        self._greeted = self._subscribed = False
        self._transport: asyncio.Transport | None = None
        self._decoder = Decoder(spec.level)
        self._end: tuple[Cause, str, int] | None = None
        self._since = self._sent = self._asked = 0.0
        self._awaits_ping = False

    def dialling(self) -> None:
        """The fleet opens a connection now; the time to CONNACK counts from here."""
        self.state, self._since, self._end = DIALLING, self._host.now(), None

    def failed(self, reason: str) -> None:
        """There was no connection at all."""
        if self.state == DIALLING:
            self.state = AWAY
            self._host.ended(self, End(Cause.TCP, reason, live=False))

    def publish(self) -> int | None:
        """Send the next message; its sequence number, or None when away or when too many are not acknowledged."""
        if self.state != SERVING or len(self.ledger.unacknowledged) >= LIMIT:
            return None
        sequence = self.ledger.publish(self._host.now(), heard=not self.silent)
        packet_id = None
        if self.spec.qos:
            packet_id = 1 + sequence % (SUBSCRIBE_ID - 1)
            self.ledger.unacknowledged[packet_id] = sequence
        self._publish(packet_id, sequence, dup=False)
        return sequence

    def tick(self) -> None:
        """Once a second: keep the connection alive, give up on one that does not answer."""
        if self.state <= DIALLING:
            return
        now, settings = self._host.now(), self._host.settings
        if (self.state != SERVING or self._awaits_ping) and now - self._asked > settings.answer_timeout_seconds:
            self._close(Cause.GIVEN_UP, "no answer")
        elif settings.keep_alive_seconds and now - self._sent >= 0.75 * settings.keep_alive_seconds:
            self._awaits_ping = True
            self._ask(Pingreq())

    def leave(self) -> None:
        """End in order (the session of a persistent device stays)."""
        if self._transport is not None:
            if self.state >= SUBSCRIBING:
                self._send(Disconnect())
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT."""
        self._transport = cast("asyncio.Transport", transport)
        self._decoder = Decoder(self.spec.level)
        self._awaits_ping = False
        self.state = CONNECTING
        self._ask(_connect(self.spec, self._host.settings, first=not self._greeted))
        self._greeted = True

    def data_received(self, data: bytes) -> None:
        """Handle every packet that is complete."""
        try:
            for packet in self._decoder.feed(data):
                handle = _HANDLERS.get(type(packet))
                if handle is not None:
                    handle(self, packet)
        except MalformedPacket as error:
            self._close(Cause.GIVEN_UP, f"malformed: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Say why it ended, in the broker's words where it had any."""
        live = self.state >= SUBSCRIBING
        self.state, self._transport = AWAY, None
        unsaid = Cause.FIN if exc is None else Cause.RST
        cause, said, code = self._end or (unsaid, unsaid.value, 0)
        self._host.ended(self, End(cause, said, live, code))

    def _send(self, packet: Packet) -> None:
        if self._transport is not None:
            self._sent = self._host.now()
            self._transport.write(encode(packet, self.spec.level))

    def _ask(self, packet: Packet) -> None:
        """Send what wants an answer; an answer that is already late stays late."""
        if not self._awaits_ping or isinstance(packet, Connect):
            self._asked = self._host.now()
        self._send(packet)

    def _close(self, cause: Cause, said: str, code: int = 0) -> None:
        self._end = (cause, said, code)
        if self._transport is not None:
            self._transport.abort()

    def _publish(self, packet_id: int | None, sequence: int, *, dup: bool) -> None:
        payload = f"{self.spec.client_id} {sequence}".encode()
        self._send(Publish(self.spec.topic, payload, qos=self.spec.qos, dup=dup, packet_id=packet_id))

    def _on_connack(self, packet: Connack) -> None:
        if packet.reason:
            # "connack": the same number means something else in a 3.1.1 CONNACK than in MQTT 5, so both are kept apart
            self._close(Cause.CONNACK, f"connack {packet.reason:#04x}", packet.reason)
            return
        self.state = SUBSCRIBING
        self._host.connected(self, session_present=packet.session_present, latency=self._host.now() - self._since)
        if not packet.session_present:
            self._without_session()
        if self._subscribes(session_present=packet.session_present):
            self.silent = False
            self._ask(Subscribe(SUBSCRIBE_ID, (Subscription(self.spec.topic, qos=1),)))
            return
        if not packet.session_present:
            self.silent = True
            self.ledger.deafen()
        self._serve()

    def _subscribes(self, *, session_present: bool) -> bool:
        """An application that subscribes once in its life would never have worked with a session that ends with each connection."""
        habit = self.spec.kind.subscribes
        if habit == "once" and self.spec.persistent:
            return not self._subscribed
        return habit == "each connect" or not session_present

    def _without_session(self) -> None:
        forgets = self.spec.kind.forgets
        if forgets == "everybody" or (forgets == "clean" and not self.spec.persistent):
            self.ledger.forget()

    def _on_suback(self, packet: Suback) -> None:
        if packet.reasons[0] >= 0x80:
            self._close(Cause.GIVEN_UP, f"suback {packet.reasons[0]:#04x}")
        else:
            self._subscribed = True
            self._serve()

    def _serve(self) -> None:
        self.state = SERVING
        for packet_id, sequence in list(self.ledger.unacknowledged.items()):
            self._publish(packet_id, sequence, dup=True)
        self._host.serving(self)

    def _on_publish(self, packet: Publish) -> None:
        if packet.qos and packet.packet_id is not None:
            self._send(Puback(packet.packet_id))
        client_id, _, sequence = packet.payload.rpartition(b" ")
        if client_id.decode(errors="replace") == self.spec.client_id and sequence.isdigit():
            self._host.received(self, int(sequence), self.ledger.receive(int(sequence)))

    def _on_puback(self, packet: Puback) -> None:
        self.ledger.unacknowledged.pop(packet.packet_id, None)

    def _on_pingresp(self, _packet: Pingresp) -> None:
        self._awaits_ping = False

    def _on_disconnect(self, packet: Disconnect) -> None:
        self._end = (Cause.DISCONNECT, f"{packet.reason:#04x}", packet.reason)


_HANDLERS: Mapping[type, Callable[[Device, Any], None]] = {
    Connack: Device._on_connack,  # noqa: SLF001  its own table
    Suback: Device._on_suback,  # noqa: SLF001  the table is part of the class
    Publish: Device._on_publish,  # noqa: SLF001  the table is part of the class
    Puback: Device._on_puback,  # noqa: SLF001  the table is part of the class
    Pingresp: Device._on_pingresp,  # noqa: SLF001  the table is part of the class
    Disconnect: Device._on_disconnect,  # noqa: SLF001  the table is part of the class
}


def _connect(spec: Spec, settings: FleetSettings, *, first: bool) -> Connect:
    expires = spec.level == 5 and spec.persistent
    asks_once = spec.level in spec.kind.clean_once
    return Connect(
        client_id=spec.client_id,
        clean_start=not spec.persistent and (first or not asks_once),
        keep_alive=settings.keep_alive_seconds,
        username=settings.username,
        password=None if settings.password is None else settings.password.encode(),
        properties={Property.SESSION_EXPIRY: settings.expiry_seconds} if expires else {},
        level=spec.level,
    )
