"""Packets to bytes; acknowledgements of MQTT 5 are written in full, as EMQX does (`e0 02 98 00`, `40 04 00 02 00 00`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
)
from components.mqtt.properties import write_properties
from components.mqtt.wire import MalformedPacket, binary, text, variable_length

_MAX_LENGTH = 268_435_455


def encode(packet: Packet, level: int = 4) -> bytes:
    """The bytes of a packet at a protocol level (3, 4 or 5; a CONNECT carries its own).

    Raises:
        MalformedPacket: a string, a payload or the whole does not fit, or the packet does not exist at this level.

    """
    first, body = _WRITERS[type(packet)](packet, level)
    if len(body) > _MAX_LENGTH:
        raise MalformedPacket(f"{len(body)} bytes do not fit a packet")
    return bytes((first,)) + variable_length(len(body)) + body


def _connect(packet: Connect, _level: int) -> tuple[int, bytes]:
    level, will = packet.level, packet.will
    flags = packet.clean_start << 1
    if will is not None:
        flags |= 0x04 | will.qos << 3 | will.retain << 5
    flags |= (packet.password is not None) << 6 | (packet.username is not None) << 7
    out = bytearray(text("MQIsdp" if level == 3 else "MQTT"))
    out += bytes((level | packet.bridge << 7, flags)) + packet.keep_alive.to_bytes(2, "big")
    if level == 5:
        out += write_properties(packet.properties)
    out += text(packet.client_id)
    if will is not None:
        out += (write_properties(will.properties) if level == 5 else b"") + text(will.topic) + binary(will.payload)
    if packet.username is not None:
        out += text(packet.username)
    if packet.password is not None:
        out += binary(packet.password)
    return 0x10, bytes(out)


def _connack(packet: Connack, level: int) -> tuple[int, bytes]:
    head = bytes((packet.session_present, packet.reason))
    return 0x20, head + write_properties(packet.properties) if level == 5 else head


def _publish(packet: Publish, level: int) -> tuple[int, bytes]:
    body = text(packet.topic)
    if packet.qos:
        if not packet.packet_id:
            raise MalformedPacket("a PUBLISH with QoS needs a packet id")
        body += packet.packet_id.to_bytes(2, "big")
    if level == 5:
        body += write_properties(packet.properties)
    return 0x30 | packet.dup << 3 | packet.qos << 1 | packet.retain, body + packet.payload


def _acknowledgement(first: int) -> Callable[[Any, int], tuple[int, bytes]]:
    def write(packet: Puback | Pubrec | Pubrel | Pubcomp, level: int) -> tuple[int, bytes]:
        body = packet.packet_id.to_bytes(2, "big")
        if level == 5:
            body += bytes((packet.reason,)) + write_properties(packet.properties)
        return first, body

    return write


def _options(one: Subscription, level: int) -> int:
    if level < 5:
        return one.qos
    return one.qos | one.no_local << 2 | one.retain_as_published << 3 | one.retain_handling << 4


def _subscribe(packet: Subscribe, level: int) -> tuple[int, bytes]:
    if not packet.subscriptions:
        raise MalformedPacket("a SUBSCRIBE needs a filter")
    rows = (text(one.topic_filter) + bytes((_options(one, level),)) for one in packet.subscriptions)
    return 0x82, _head(packet, level) + b"".join(rows)


def _unsubscribe(packet: Unsubscribe, level: int) -> tuple[int, bytes]:
    if not packet.topic_filters:
        raise MalformedPacket("an UNSUBSCRIBE needs a filter")
    return 0xA2, _head(packet, level) + b"".join(text(one) for one in packet.topic_filters)


def _suback(packet: Suback, level: int) -> tuple[int, bytes]:
    return 0x90, _head(packet, level) + bytes(packet.reasons)


def _unsuback(packet: Unsuback, level: int) -> tuple[int, bytes]:
    return 0xB0, _head(packet, level) + (bytes(packet.reasons) if level == 5 else b"")


def _head(packet: Subscribe | Unsubscribe | Suback | Unsuback, level: int) -> bytes:
    head = packet.packet_id.to_bytes(2, "big")
    return head + write_properties(packet.properties) if level == 5 else head


def _empty(first: int) -> Callable[[Any, int], tuple[int, bytes]]:
    return lambda _packet, _level: (first, b"")


def _disconnect(packet: Disconnect, level: int) -> tuple[int, bytes]:
    return 0xE0, bytes((packet.reason,)) + write_properties(packet.properties) if level == 5 else b""


def _auth(packet: Auth, level: int) -> tuple[int, bytes]:
    if level < 5:
        raise MalformedPacket("AUTH exists in MQTT 5 only")
    return 0xF0, bytes((packet.reason,)) + write_properties(packet.properties)


_WRITERS: dict[type[Any], Callable[[Any, int], tuple[int, bytes]]] = {
    Connect: _connect,
    Connack: _connack,
    Publish: _publish,
    Puback: _acknowledgement(0x40),
    Pubrec: _acknowledgement(0x50),
    Pubrel: _acknowledgement(0x62),
    Pubcomp: _acknowledgement(0x70),
    Subscribe: _subscribe,
    Suback: _suback,
    Unsubscribe: _unsubscribe,
    Unsuback: _unsuback,
    Pingreq: _empty(0xC0),
    Pingresp: _empty(0xD0),
    Disconnect: _disconnect,
    Auth: _auth,
}
