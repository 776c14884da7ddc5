"""The properties of MQTT 5, all from one table: id, type on the wire, packets that may carry it (OASIS MQTT 5 section 2.2.2.2).

Values in Python: integers, `str`, `bytes`; a user property is a tuple of (name, value) pairs in order, a subscription identifier a
tuple of integers (a PUBLISH may carry several).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

from components.mqtt.packets import NO_PROPERTIES, Properties
from components.mqtt.wire import MalformedPacket, Reader, binary, text, variable_length


class Property(IntEnum):
    """The property ids."""

    PAYLOAD_FORMAT = 0x01
    MESSAGE_EXPIRY = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_ID = 0x0B
    SESSION_EXPIRY = 0x11
    ASSIGNED_CLIENT_ID = 0x12
    SERVER_KEEP_ALIVE = 0x13
    AUTH_METHOD = 0x15
    AUTH_DATA = 0x16
    REQUEST_PROBLEM = 0x17
    WILL_DELAY = 0x18
    REQUEST_RESPONSE = 0x19
    RESPONSE_INFORMATION = 0x1A
    SERVER_REFERENCE = 0x1C
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER_PROPERTY = 0x26
    MAXIMUM_PACKET_SIZE = 0x27
    WILDCARD_AVAILABLE = 0x28
    SUBSCRIPTION_ID_AVAILABLE = 0x29
    SHARED_AVAILABLE = 0x2A


Read = Callable[[Reader], Any]
Write = Callable[[Any], bytes]


def _number(size: int) -> tuple[Read, Write]:
    return (lambda reader: reader.number(size)), (lambda value: int(value).to_bytes(size, "big"))


_BYTE, _TWO, _FOUR = _number(1), _number(2), _number(4)
_TEXT: tuple[Read, Write] = (Reader.text, text)
_BINARY: tuple[Read, Write] = (Reader.binary, binary)
_VARIABLE: tuple[Read, Write] = (Reader.variable_length, variable_length)
_PAIR: tuple[Read, Write] = (
    lambda reader: (reader.text(), reader.text()),
    lambda pair: text(pair[0]) + text(pair[1]),
)

_P = Property
_MESSAGE = {"publish", "will"}
_ANSWERS = {
    "connack", "puback", "pubrec", "pubrel", "pubcomp", "suback", "unsuback", "disconnect", "auth",
}  # fmt: skip
_EVERY = _ANSWERS | _MESSAGE | {"connect", "subscribe", "unsubscribe"}

TABLE: dict[int, tuple[Read, Write, frozenset[str]]] = {
    int(identifier): (*kind, frozenset(packets))
    for identifier, kind, packets in (
        (_P.PAYLOAD_FORMAT, _BYTE, _MESSAGE),
        (_P.MESSAGE_EXPIRY, _FOUR, _MESSAGE),
        (_P.CONTENT_TYPE, _TEXT, _MESSAGE),
        (_P.RESPONSE_TOPIC, _TEXT, _MESSAGE),
        (_P.CORRELATION_DATA, _BINARY, _MESSAGE),
        (_P.SUBSCRIPTION_ID, _VARIABLE, {"publish", "subscribe"}),
        (_P.SESSION_EXPIRY, _FOUR, {"connect", "connack", "disconnect"}),
        (_P.ASSIGNED_CLIENT_ID, _TEXT, {"connack"}),
        (_P.SERVER_KEEP_ALIVE, _TWO, {"connack"}),
        (_P.AUTH_METHOD, _TEXT, {"connect", "connack", "auth"}),
        (_P.AUTH_DATA, _BINARY, {"connect", "connack", "auth"}),
        (_P.REQUEST_PROBLEM, _BYTE, {"connect"}),
        (_P.WILL_DELAY, _FOUR, {"will"}),
        (_P.REQUEST_RESPONSE, _BYTE, {"connect"}),
        (_P.RESPONSE_INFORMATION, _TEXT, {"connack"}),
        (_P.SERVER_REFERENCE, _TEXT, {"connack", "disconnect"}),
        (_P.REASON_STRING, _TEXT, _ANSWERS),
        (_P.RECEIVE_MAXIMUM, _TWO, {"connect", "connack"}),
        (_P.TOPIC_ALIAS_MAXIMUM, _TWO, {"connect", "connack"}),
        (_P.TOPIC_ALIAS, _TWO, {"publish"}),
        (_P.MAXIMUM_QOS, _BYTE, {"connack"}),
        (_P.RETAIN_AVAILABLE, _BYTE, {"connack"}),
        (_P.USER_PROPERTY, _PAIR, _EVERY),
        (_P.MAXIMUM_PACKET_SIZE, _FOUR, {"connect", "connack"}),
        (_P.WILDCARD_AVAILABLE, _BYTE, {"connack"}),
        (_P.SUBSCRIPTION_ID_AVAILABLE, _BYTE, {"connack"}),
        (_P.SHARED_AVAILABLE, _BYTE, {"connack"}),
    )
}
_REPEATED = frozenset({int(_P.SUBSCRIPTION_ID), int(_P.USER_PROPERTY)})
_FLAGS = frozenset(identifier for identifier, row in TABLE.items() if row[0] is _BYTE[0])
_NOT_ZERO = frozenset({_P.SUBSCRIPTION_ID, _P.RECEIVE_MAXIMUM, _P.MAXIMUM_PACKET_SIZE, _P.TOPIC_ALIAS})


def read_properties(reader: Reader, packet: str) -> Properties:
    """The properties at the reader's position.

    Args:
        reader: stands on the property length.
        packet: lower-case name of the packet, or ``will``; it decides what is allowed.

    Raises:
        MalformedPacket: unknown, not allowed here, twice, zero where zero is an error, or cut off.

    """
    length = reader.variable_length()
    if not length:
        return NO_PROPERTIES
    inner = Reader(reader.take(length))
    found: dict[int, Any] = {}
    while inner.left:
        identifier = inner.variable_length()
        row = TABLE.get(identifier)
        if row is None or packet not in row[2]:
            raise MalformedPacket(f"property {identifier:#04x} is not allowed in {packet}")
        value = row[0](inner)
        if (identifier in _FLAGS and value > 1) or (identifier in _NOT_ZERO and not value):
            raise MalformedPacket(f"property {identifier:#04x} must not be {value}")
        if identifier in _REPEATED:
            found[identifier] = (*found.get(identifier, ()), value)
        elif identifier in found:
            raise MalformedPacket(f"property {identifier:#04x} stands twice in {packet}")
        else:
            found[identifier] = value
    return found


def write_properties(properties: Mapping[int, Any]) -> bytes:
    """Length and properties, in the order of the mapping."""
    if not properties:
        return b"\0"
    out = bytearray()
    for identifier, value in properties.items():
        write = TABLE[identifier][1]
        for one in value if identifier in _REPEATED else (value,):
            out.append(identifier)
            out += write(one)
    return variable_length(len(out)) + bytes(out)
