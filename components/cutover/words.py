"""The domain's words as types; every other module uses these and no synonyms."""

from __future__ import annotations

from typing import Literal

Colour = Literal["blue", "green"]
COLOURS: tuple[Colour, Colour] = ("blue", "green")
PARTS = 10_000
"""A share is kept as parts of ten thousand, always green's, so that 100 % blue is 0 (docs/emqx/balancer.md#the-share-by-hash)."""

Direction = Literal["forward", "back", "nothing"]
Mover = Literal["close", "kick", "evacuation"]
Edition = Literal["ee", "ce"]
Carried = Literal["mqtt", "mqtts", "ws", "wss"]
"""What carries MQTT to a balancer: a bare connection, TLS that ends there, WebSocket, WebSocket in TLS that ends there."""
TLS: frozenset[Carried] = frozenset({"mqtts", "wss"})
WEBSOCKET: frozenset[Carried] = frozenset({"ws", "wss"})


def other(colour: Colour) -> Colour:
    """The colour that is not this one."""
    return "green" if colour == "blue" else "blue"
