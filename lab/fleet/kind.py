"""One kind of MQTT client: what it does when a connection ends, how long it waits, and when it stays away for good.

The rule: pure; each figure of a kind is one that was recorded (docs/emqx/clients.md), and chance is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

MQTT_3_1_1, MQTT_5 = 4, 5


class Cause(StrEnum):
    """What ended a connection, or a try to make one."""

    FIN = "FIN"
    RST = "RST"
    DISCONNECT = "DISCONNECT"
    CONNACK = "CONNACK"
    """A CONNACK that is no success; the server closes after it."""
    TCP = "TCP"
    """There was no connection at all: refused, or no answer."""
    GIVEN_UP = "given up"
    """The client itself closed: no answer to a packet, or one that it cannot read."""


class End(NamedTuple):
    """One end: ``live`` when there had been a CONNACK of success, ``code`` of the DISCONNECT or CONNACK, ``said`` as the log names it."""

    cause: Cause
    said: str
    live: bool
    code: int = 0


class Tries(NamedTuple):
    """Tries that failed since a device was last connected, and those of them since a server last answered at all."""

    failed: int = 0
    unanswered: int = 0


class Decision(NamedTuple):
    """What follows from an end: the tries so far, and seconds until the next one; None: it stays away for good."""

    tries: Tries
    wait_seconds: float | None


@dataclass(frozen=True)
class Kind:
    """A client library, used as its documents say; times are seconds.

    ``library`` (its beginning) and ``version`` are its rows of docs/emqx/clients.md#who-comes-back. ``first`` are the bounds of the wait after a connection that was
    accepted, ``then`` are the waits after the first, second ... failed try (the last one for all further ones), ``refused_then``
    those after a refused CONNECT where they are others; each is multiplied by a random number between the bounds of ``spread``.
    It stays away after an end by one of ``ends``, a CONNACK of one of ``ends_at``, or ``most_tries`` without any answer.

    ``subscribes``: at each connect, only where no session is present, or once in its life (an application without a connect callback,
    with a library that does not subscribe by itself). ``clean_once`` are the levels at which only the first CONNECT of a device
    without a session asks for a clean start. ``forgets``: whose QoS 1 messages without acknowledgement are not sent again where the
    session is gone.
    """

    name: str
    library: str
    version: str
    levels: tuple[int, ...] = (MQTT_5, MQTT_3_1_1)
    first: tuple[float, float] = (1.0, 1.0)
    then: tuple[float, ...] = (1.0,)
    refused_then: tuple[float, ...] = ()
    spread: tuple[float, float] = (1.0, 1.0)
    ends: frozenset[Cause] = frozenset()
    ends_at: frozenset[int] = frozenset()
    most_tries: int | None = None
    subscribes: Literal["each connect", "no session", "once"] = "each connect"
    clean_once: tuple[int, ...] = ()
    forgets: Literal["nobody", "clean", "everybody"] = "nobody"

    @property
    def mean_first_seconds(self) -> float:
        """How long a device of this kind waits on average after a connection that was accepted."""
        return sum(self.first) / 2


def decide(kind: Kind, tries: Tries, end: End, chance: float) -> Decision:
    """What a device of this kind does after an end.

    A connection that is closed before its CONNACK counts as a try without answer, since no library was recorded to tell them apart.

    Args:
        kind: of the device.
        tries: before this end.
        end: what happened.
        chance: a random number of 0 to 1.

    """
    if end.live:
        wait = None if end.cause in kind.ends else _between(kind.first, chance)
        return Decision(Tries(), wait)
    refused = end.cause is Cause.CONNACK
    tries = Tries(tries.failed + 1, 0 if refused else tries.unanswered + 1)
    if _gives_up(kind, tries, end):
        return Decision(tries, None)
    waits = kind.refused_then if refused and kind.refused_then else kind.then
    return Decision(tries, waits[min(tries.failed, len(waits)) - 1] * _between(kind.spread, chance))


def _gives_up(kind: Kind, tries: Tries, end: End) -> bool:
    if end.cause is Cause.CONNACK:
        return end.code in kind.ends_at
    return end.cause in kind.ends or (kind.most_tries is not None and tries.unanswered >= kind.most_tries)


def _between(bounds: tuple[float, float], chance: float) -> float:
    low, high = bounds
    return low + (high - low) * chance
