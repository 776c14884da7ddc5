"""What the listeners of a 5.x cluster let in, node by node.

The rule: a listener is one that the handle names by its port; a limit that cannot be read is none that we know of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from pydantic import TypeAdapter

from components.emqx.answers import ListenerFacts, ListenerLimits
from components.emqx.clients import Door
from components.emqx.models import Node
from components.emqx.reading import read, read_model
from components.emqx.v5.calls import Calls
from components.system.address import parsed, port_of

_LISTENERS = TypeAdapter(tuple[ListenerFacts, ...])
_RATE = re.compile(r"([0-9.]+)/([0-9.]*)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


async def listeners(calls: Calls) -> tuple[ListenerFacts, ...]:
    """``GET /listeners`` (recordings 02 and 06), those for MQTT that are on."""
    reply = await calls.call("GET", "/listeners")
    rows = read(_LISTENERS, reply, reply.json())
    return tuple(row for row in rows if row.enable and row.type in {"tcp", "ssl", "ws", "wss"})


async def doors(calls: Calls, nodes: Iterable[Node]) -> dict[str, Door]:
    """What each node lets in by the listeners that its handle names."""
    rows = {port_of(row.bind): row for row in await listeners(calls)}
    found: dict[str, Door] = {}
    rates: dict[str, float | None] = {}
    for node in nodes:
        ports = [parsed(place).port for place in (node.mqtt, node.ws) if place is not None]
        mine = [rows[port] for port in ports if port in rows]
        for row in mine:
            if row.id not in rates:
                rates[row.id] = await _rate(calls, row.id)
        found[node.name] = Door(_sum(row.most(node.name) for row in mine), _sum(rates[row.id] for row in mine))
    return found


async def _rate(calls: Calls, listener: str) -> float | None:
    """``max_conn_rate`` of ``GET /listeners/ID`` (recording 02), which holds on each node: ``infinity``, ``1000/s``, ``500/10s``."""
    limits = read_model(ListenerLimits, await calls.call("GET", f"/listeners/{quote(listener, safe=':')}"))
    return rate_of(limits.max_conn_rate)


def rate_of(text: object) -> float | None:
    """Connections a second; None without a limit, and of what is none."""
    found = _RATE.fullmatch(str(text).replace(" ", ""))
    if found is None:
        return None
    count, every = float(found[1]), float(found[2] or 1) * _SECONDS[found[3]]
    return count / every if every else None


def _sum(limits: Iterable[float | None]) -> float | None:
    known: list[float] = []
    for limit in limits:
        if limit is None:
            return None
        known.append(limit)
    return sum(known) if known else None


def by_port(rows: Iterable[ListenerFacts]) -> Mapping[int, str]:
    """The ids of listeners by their port; ``bind`` is ``0.0.0.0:1883``, ``:1883`` or ``1883``."""
    return {port_of(row.bind): row.id for row in rows}
