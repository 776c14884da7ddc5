"""How many connections each server may have, so that a colour gets no more clients than it has room for; pure.

The rule: what a server has may stay, and what is left is divided evenly over the servers that take clients, since whoever finds none waits and is closed
without an answer, which a device survives (docs/emqx/clients.md#which-mover-is-safe). A server of HAProxy's has room for one at least: 0 is no bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from components.cutover.words import Colour
from components.routers.base import Bound

NO_BOUND = 0


class Door(NamedTuple):
    """A server of one process: where it is, how many connections it has, whether it takes clients, and its ``maxconn`` (0: none)."""

    replica: str
    server: str
    colour: Colour
    held: int
    up: bool
    most: int


def door(replica: str, colour: Colour, row: Mapping[str, str]) -> Door:
    """As a line of ``show stat`` has it; ``slim`` is a server's ``maxconn``."""
    name = f"{row['pxname']}/{row['svname']}"
    return Door(replica, name, colour, int(row["scur"]), row["status"].startswith("UP"), int(row["slim"] or NO_BOUND))


def commands(doors: Iterable[Door], bounds: Sequence[Bound], elsewhere: Mapping[Colour, int]) -> dict[str, list[str]]:
    """What each replica is told, only where it is something new; ``elsewhere`` are connections of processes that take nobody any more."""
    doors, wanted = list(doors), dict[Door, int]()
    for bound in bounds:
        others = sum(elsewhere.get(colour, 0) for colour in bound.colours)
        wanted |= _divided([one for one in doors if one.colour in bound.colours], bound.clients - others)
    told: dict[str, list[str]] = {}
    for one in doors:
        most = wanted.get(one, NO_BOUND)
        if most != one.most:
            told.setdefault(one.replica, []).append(f"set maxconn server {one.server} {most}")
    return told


def _divided(doors: Sequence[Door], clients: int) -> dict[Door, int]:
    most = {one: max(1, one.held) for one in doors}
    takes = [one for one in doors if one.up]
    free = max(0, clients - sum(most.values()))
    for number, one in enumerate(takes):
        most[one] += free // len(takes) + (number < free % len(takes))
    return most
