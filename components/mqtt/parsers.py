"""One parser for each packet type: (reader on its body, flags of the first byte, level) -> packet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from components.mqtt.packets import (
    NO_PROPERTIES,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Properties,
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
    Will,
)
from components.mqtt.properties import read_properties
from components.mqtt.wire import MalformedPacket, Reader

Parser = Callable[[Reader, int, int], Packet]
_A = TypeVar("_A", Puback, Pubrec, Pubrel, Pubcomp)
_NAMES = {3: "MQIsdp", 4: "MQTT", 5: "MQTT"}


def _flags(name: str, flags: int, wanted: int = 0) -> None:
    if flags != wanted:
        raise MalformedPacket(f"{name} with flags {flags:#x}")


def _packet_id(reader: Reader) -> int:
    value = reader.number(2)
    if not value:
        raise MalformedPacket("packet id 0")
    return value


def _properties(reader: Reader, packet: str, level: int) -> Properties:
    return read_properties(reader, packet) if level == 5 else NO_PROPERTIES


def _connect(reader: Reader, flags: int, _level: int) -> Connect:
    _flags("CONNECT", flags)
    name, byte = reader.text(), reader.byte()
    level, bridge = byte & 0x7F, byte >= 0x80
    if name not in {"MQTT", "MQIsdp"}:
        raise MalformedPacket(f"protocol name {name[:20]!r}")
    if _NAMES.get(level) != name or (bridge and level == 5):
        reader.rest()
        return Connect(level=byte if bridge else level)
    options = reader.byte()
    if options & 0x01:
        raise MalformedPacket("the reserved flag of CONNECT is set")
    keep_alive = reader.number(2)
    properties = _properties(reader, "connect", level)
    client_id = reader.text()
    will = _will(reader, options, level)
    username = reader.text() if options & 0x80 else None
    password = reader.binary() if options & 0x40 else None
    return Connect(client_id, bool(options & 0x02), keep_alive, username, password, will, properties, level, bridge)


def _will(reader: Reader, options: int, level: int) -> Will | None:
    qos, retain = options >> 3 & 0x03, bool(options & 0x20)
    if not options & 0x04:
        if qos or retain:
            raise MalformedPacket("will options without a will")
        return None
    if qos > 2:
        raise MalformedPacket("will QoS 3")
    properties = _properties(reader, "will", level)
    return Will(reader.text(), reader.binary(), qos, retain, properties)


def _connack(reader: Reader, flags: int, level: int) -> Connack:
    _flags("CONNACK", flags)
    acknowledge, reason = reader.byte(), reader.byte()
    if acknowledge > 1:
        raise MalformedPacket("reserved flags of CONNACK are set")
    # a server that refuses a level that it does not know answers in the oldest form (EMQX: 20 02 00 01)
    properties = _properties(reader, "connack", level) if reader.left else NO_PROPERTIES
    return Connack(reason, bool(acknowledge), properties)


def _publish(reader: Reader, flags: int, level: int) -> Publish:
    qos = flags >> 1 & 0x03
    if qos > 2 or (flags & 0x08 and not qos):
        raise MalformedPacket(f"PUBLISH with flags {flags:#x}")
    topic = reader.text()
    packet_id = _packet_id(reader) if qos else None
    properties = _properties(reader, "publish", level)
    return Publish(topic, reader.rest(), qos, bool(flags & 0x01), bool(flags & 0x08), packet_id, properties)


def _acknowledgement(kind: type[_A], name: str, wanted: int = 0) -> Parser:
    def parse(reader: Reader, flags: int, level: int) -> _A:
        _flags(name, flags, wanted)
        packet_id, reason, properties = _packet_id(reader), 0, NO_PROPERTIES
        if level == 5 and reader.left:
            reason = reader.byte()
            if reader.left:
                properties = read_properties(reader, name)
        return kind(packet_id, reason, properties)

    return parse


def _subscribe(reader: Reader, flags: int, level: int) -> Subscribe:
    _flags("SUBSCRIBE", flags, 2)
    packet_id, properties = _packet_id(reader), _properties(reader, "subscribe", level)
    rows: list[Subscription] = []
    while reader.left:
        topic_filter, options = reader.text(), reader.byte()
        handling = options >> 4
        if options & 0x03 == 3 or handling > 2 or (level < 5 and options > 2):
            raise MalformedPacket(f"subscription options {options:#x}")
        rows.append(Subscription(topic_filter, options & 0x03, bool(options & 0x04), bool(options & 0x08), handling))
    if not rows:
        raise MalformedPacket("SUBSCRIBE without a filter")
    return Subscribe(packet_id, tuple(rows), properties)


def _unsubscribe(reader: Reader, flags: int, level: int) -> Unsubscribe:
    _flags("UNSUBSCRIBE", flags, 2)
    packet_id, properties = _packet_id(reader), _properties(reader, "unsubscribe", level)
    filters: list[str] = []
    while reader.left:
        filters.append(reader.text())
    if not filters:
        raise MalformedPacket("UNSUBSCRIBE without a filter")
    return Unsubscribe(packet_id, tuple(filters), properties)


def _suback(reader: Reader, flags: int, level: int) -> Suback:
    _flags("SUBACK", flags)
    packet_id, properties = _packet_id(reader), _properties(reader, "suback", level)
    return Suback(packet_id, tuple(reader.rest()), properties)


def _unsuback(reader: Reader, flags: int, level: int) -> Unsuback:
    _flags("UNSUBACK", flags)
    packet_id, properties = _packet_id(reader), _properties(reader, "unsuback", level)
    return Unsuback(packet_id, tuple(reader.rest()) if level == 5 else (), properties)


def _pingreq(_reader: Reader, flags: int, _level: int) -> Pingreq:
    _flags("PINGREQ", flags)
    return Pingreq()


def _pingresp(_reader: Reader, flags: int, _level: int) -> Pingresp:
    _flags("PINGRESP", flags)
    return Pingresp()


def _reason(reader: Reader, packet: str) -> tuple[int, Properties]:
    if not reader.left:
        return 0, NO_PROPERTIES
    reason = reader.byte()
    return reason, read_properties(reader, packet) if reader.left else NO_PROPERTIES


def _disconnect(reader: Reader, flags: int, level: int) -> Disconnect:
    _flags("DISCONNECT", flags)
    return Disconnect(*_reason(reader, "disconnect")) if level == 5 else Disconnect()


def _auth(reader: Reader, flags: int, level: int) -> Auth:
    _flags("AUTH", flags)
    if level < 5:
        raise MalformedPacket("AUTH exists in MQTT 5 only")
    return Auth(*_reason(reader, "auth"))


PARSERS: dict[int, tuple[str, Parser]] = {
    1: ("connect", _connect),
    2: ("connack", _connack),
    3: ("publish", _publish),
    4: ("puback", _acknowledgement(Puback, "puback")),
    5: ("pubrec", _acknowledgement(Pubrec, "pubrec")),
    6: ("pubrel", _acknowledgement(Pubrel, "pubrel", 2)),
    7: ("pubcomp", _acknowledgement(Pubcomp, "pubcomp")),
    8: ("subscribe", _subscribe),
    9: ("suback", _suback),
    10: ("unsubscribe", _unsubscribe),
    11: ("unsuback", _unsuback),
    12: ("pingreq", _pingreq),
    13: ("pingresp", _pingresp),
    14: ("disconnect", _disconnect),
    15: ("auth", _auth),
}
"""Packet type -> its name in lower case and its parser."""
