"""A subscription's options, and one message on its way to one session because of them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from lab.node.kept.message import Message


class SubOptions(NamedTuple):
    """The options of one subscription, under the API's names (F_session_formats); `identifier` 0 means none."""

    qos: int = 0
    nl: int = 0
    rap: int = 0
    rh: int = 0
    identifier: int = 0


interned = lru_cache(maxsize=4096)(SubOptions)
"""Thousands of devices subscribe with the same options: they share one value."""


class Delivery(NamedTuple):
    """A message on its way to one session.

    Attributes:
        message: what was published.
        qos: delivery QoS.
        retain: the flag that the client will see.
        identifiers: subscription identifiers.
        inserted: nanoseconds since the epoch at which it came to this session (``inserted_at``).
        shared: the shared filter (``$share/g/t``) that it came through; empty for an ordinary subscription.

    """

    message: Message
    qos: int
    retain: bool
    identifiers: tuple[int, ...]
    inserted: int
    shared: str = ""


class Inflight:
    """A delivery that waits for PUBACK, PUBREC or PUBCOMP (`released`: PUBREL was sent)."""

    __slots__ = ("delivery", "released")

    def __init__(self, delivery: Delivery) -> None:
        self.delivery, self.released = delivery, False
