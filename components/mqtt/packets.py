"""The control packets as frozen values; a field means the same at every protocol level and defaults to what 3.1.1 lacks.

`level` is the protocol level: 3 (MQTT 3.1), 4 (3.1.1) or 5.  Reason codes are plain integers as they stand on the wire, so
that a code that nobody knows yet survives a round trip; `components.mqtt.reasons.Reason` names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

Properties: TypeAlias = Mapping[int, Any]
"""Property id -> value; see `components.mqtt.properties` for the type of each."""


class _Empty(dict[int, Any]):
    """The one empty mapping; hashable, because a dataclass takes no default that could change."""

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]  # equal maps hash alike, which dict cannot
        return 0

    def __setitem__(self, key: int, value: Any) -> NoReturn:
        raise TypeError("a packet without properties stays without")


NO_PROPERTIES: Properties = _Empty()


@dataclass(frozen=True, slots=True)
class Will:
    """The message that the server publishes when the connection is lost."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Connect:
    """CONNECT; `keep_alive` in seconds, `bridge` is the high bit of the level that mosquitto's bridges set (0x83, 0x84).

    A level that is none of 3, 4, 5 is decoded no further: the other fields have their defaults, the server refuses it.
    """

    client_id: str = ""
    clean_start: bool = True
    keep_alive: int = 60
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: Properties = NO_PROPERTIES
    level: int = 4
    bridge: bool = False


@dataclass(frozen=True, slots=True)
class Connack:
    """CONNACK; `reason` is the return code (0 to 5) at level 3 and 4."""

    reason: int = 0
    session_present: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Publish:
    """PUBLISH; `packet_id` is None at QoS 0."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int | None = None
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Puback:
    """PUBACK, the end of QoS 1."""

    packet_id: int
    reason: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Pubrec:
    """PUBREC, the first answer of QoS 2."""

    packet_id: int
    reason: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Pubrel:
    """PUBREL, the release of QoS 2."""

    packet_id: int
    reason: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Pubcomp:
    """PUBCOMP, the end of QoS 2."""

    packet_id: int
    reason: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Subscription:
    """One filter of a SUBSCRIBE with its options (`retain_handling` 0 to 2)."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe:
    """SUBSCRIBE."""

    packet_id: int
    subscriptions: tuple[Subscription, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Suback:
    """SUBACK, one reason for each filter."""

    packet_id: int
    reasons: tuple[int, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """UNSUBSCRIBE."""

    packet_id: int
    topic_filters: tuple[str, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Unsuback:
    """UNSUBACK; it carries no reasons at level 3 and 4."""

    packet_id: int
    reasons: tuple[int, ...] = ()
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Pingreq:
    """PINGREQ."""


@dataclass(frozen=True, slots=True)
class Pingresp:
    """PINGRESP."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """DISCONNECT; at level 3 and 4 only a client sends it, without reason."""

    reason: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH, level 5 only."""

    reason: int = 0
    properties: Properties = NO_PROPERTIES


Packet: TypeAlias = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
    | Auth
)
