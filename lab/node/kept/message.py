"""A message as the broker keeps it, in queues, as retained or delayed; it never changes once it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

_SEQUENCE = count(1)


@dataclass(slots=True, frozen=True)
class Message:
    """One application message.

    Attributes:
        topic: without wildcards.
        payload: raw bytes.
        qos: as published, 0 to 2.
        retain: as published.
        sender: client id of the publisher; ``http_api`` and ``emqx_sys`` as EMQX names them.
        username: of the publisher, empty when there is none.
        at: unix seconds at which the broker took it.
        id: 32 hexadecimal digits, as in the API (``msgid``).
        properties: MQTT 5 properties by property id (`components.mqtt.properties.Property`).

    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    sender: str = ""
    username: str = ""
    at: float = 0.0
    id: str = ""
    properties: Mapping[int, Any] = field(default_factory=dict)

    def expires_at(self) -> float | None:
        """Unix seconds after which the message must not be delivered; None when it never expires (property 0x02)."""
        seconds = self.properties.get(0x02)
        return None if seconds is None else self.at + float(seconds)


def message_id(at: float) -> str:
    """A fresh id in EMQX's form: microseconds, then a number that makes it unique (04_setup_resources: 32 hex digits)."""
    return f"{int(at * 1e6):016X}{next(_SEQUENCE):016X}"
