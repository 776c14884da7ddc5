"""What HAProxy prints of its connections (``show sess``), as values; pure.

The rule: an answer is read line by line, each with its end, and nothing of it is kept. A line tells where a connection is, only its details tell which one it is. HAProxy gives a place in memory to the next connection as soon
as one ends, and its ``age`` is wrong in mode tcp (2.8.25: that of the clock), so what is to be closed is compared with its details first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from components.system.address import peer

LINE = r"(0x[0-9a-f]+): proto=\S+ src=(\S+):(\d+) fe=\S+ be=([\w.:-]+) "
DETAIL = r"^0x[0-9a-f]+: \[.*|^ +backend=.*"
"""What ``lines``, and what ``details`` of single connections, read of each line."""
_LINE = re.compile(LINE)
_HEAD = re.compile(r"0x[0-9a-f]+: \[")
_DETAILS = re.compile(
    r"(?P<place>0x[0-9a-f]+): \[.*? id=(?P<number>\d+) proto=\S+ source=(?P<host>\S+):(?P<port>\d+)$"
    r".*?^ +backend=(?P<backend>\S+) \(.*?\)(?: addr=(?P<own_host>\S+):(?P<own_port>\d+))?\n",
    re.MULTILINE | re.DOTALL,
)


class Line(NamedTuple):
    """A connection in the list: its place in memory, whose it is, and the backend."""

    place: str
    client: str
    backend: str


class Details(NamedTuple):
    """One connection: ``number`` counts the connections of its process, ``own`` is HAProxy's end of the connection to the node."""

    place: str
    number: int
    client: str
    own: str
    backend: str


def lines(shown: Iterable[str]) -> Iterator[Line]:
    """The connections of clients in ``show sess``."""
    for line in shown:
        if found := _LINE.match(line):
            place, host, port, backend = found.groups()
            yield Line(place, peer(host, port), backend)


def details(shown: Iterable[str]) -> Iterator[Details]:
    """The connections in ``show sess all``, or in several ``show sess 0x..``; one that is gone is left out."""
    for one in _each(shown):
        if found := _DETAILS.match(one):
            part = found.groupdict(default="")
            own = peer(part["own_host"], part["own_port"])
            client = peer(part["host"], part["port"])
            yield Details(part["place"], int(part["number"]), client, own, part["backend"])


def _each(shown: Iterable[str]) -> Iterator[str]:
    """The lines of one connection together."""
    one: list[str] = []
    for line in shown:
        if _HEAD.match(line):
            yield "".join(one)
            one = []
        one.append(line)
    yield "".join(one)
