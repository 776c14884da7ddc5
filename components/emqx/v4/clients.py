"""The clients of a 4.x cluster: page by page of all, or node by node; the sessions of clients that are offline are among them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from components.emqx.answers import Answer, SessionFacts, unix_seconds
from components.emqx.base import Scope
from components.emqx.known import known
from components.emqx.listing import SMALL_PAGE, Listing, persistent
from components.emqx.reading import read
from components.emqx.v4.calls import PAGE_TIMEOUT_SECONDS, Calls

AT_ONCE = 16
"""Kicks that wait for their answer at the same time: there is no kick of many."""
_NOT_THERE = frozenset({"not_found"})
"""Only 4.2 says that a client was not there (code 112); the others answer 0."""


class _Count(Answer):
    count: int


class _Stats(Answer):
    node: str
    stats: dict[str, int]


class _Clock(Answer):
    """One of ``GET /brokers``: local time without a zone, as all times of 4.x are."""

    datetime: str


_STATS = TypeAdapter(list[_Stats])
_CLOCKS = TypeAdapter(list[_Clock])
_ROWS = TypeAdapter(list[dict[str, Any]])
_COUNT = TypeAdapter(_Count)


class ClientLists(Listing):
    """The lists of one 4.x cluster; ``scope`` says whose. A row is always whole: 4.x knows no choice of fields."""

    http: Calls
    scope: Scope

    async def _pages(
        self,
        fields: str,  # noqa: ARG002
        hook: Callable[[dict[str, Any]], Any],
        **filters: str,
    ) -> AsyncIterator[list[Any]]:
        for path in await self._lists():
            async for page in self.http.pages(path, filters, hook=hook, limit=SMALL_PAGE):
                yield page

    async def _page(self, which: str, page: int, fields: str, limit: int) -> tuple[list[dict[str, Any]], int]:  # noqa: ARG002
        params = {"_page": page, "_limit": limit}
        answer = await self.http.ask("GET", which, params=params, timeout_seconds=PAGE_TIMEOUT_SECONDS)
        meta = read(_COUNT, answer.reply, answer.body.get("meta"))
        return read(_ROWS, answer.reply, answer.data), meta.count

    async def _lists(self) -> Sequence[str]:
        """The paths: one of all, or one for each node that runs; 404 is what 4.x says of a node that does not."""
        if self.scope == "cluster":
            return ["/clients"]
        running = await self.running()
        return [f"/nodes/{quote(name, safe='@')}/clients" for name in self.http.node_names if name in running]

    async def running(self) -> frozenset[str]:
        """The names of the nodes that run."""
        raise NotImplementedError

    async def mqtt5_clients(self) -> int:
        """The clients with a socket that speak MQTT 5; with a filter 4.x gives no count, so they are listed."""
        pages = self._pages("", _connected, proto_ver="5")
        return sum([sum(page) async for page in pages])

    async def retained_messages(self) -> int | None:
        """By ``GET /stats``; the table is the same on all nodes."""
        answer = await self.http.ask("GET", "/stats")
        counts = [row.stats.get("retained.count") for row in read(_STATS, answer.reply, answer.data)]
        return max((count for count in counts if count is not None), default=None)

    async def brokers_now(self, *, patience_seconds: float | None = None) -> float | None:
        """By ``datetime`` of ``GET /brokers``, read as our own zone, as the times of sessions are: only these two are ever compared."""
        answer = await known(self.http.ask("GET", "/brokers", patience_seconds=patience_seconds))
        clocks = [] if answer is None else read(_CLOCKS, answer.reply, answer.data)
        moments = [unix_seconds(one.datetime) for one in clocks]
        return max((moment for moment in moments if moment is not None), default=None)

    async def websocket_clients(self) -> frozenset[str] | None:
        """None: no row of 4.x tells by which listener a client came."""
        return None

    async def offline_sessions(self, most: int) -> list[SessionFacts]:
        """By ``conn_state=disconnected``, at most so many of each node."""
        found: list[SessionFacts] = []
        for path in await self._lists():
            params: dict[str, str | int] = {"conn_state": "disconnected", "_page": 1, "_limit": most}
            answer = await self.http.ask("GET", path, params=params, timeout_seconds=PAGE_TIMEOUT_SECONDS)
            rows: list[dict[str, Any]] = read(_ROWS, answer.reply, answer.data)
            found += [row for row in map(persistent, rows) if isinstance(row, SessionFacts) and not row.connected]
        return found

    async def offline_clients(self, node: str, *, patience_seconds: float | None = None) -> int:
        """How many of the ``connections`` of a node have no socket."""
        path, params = f"/nodes/{quote(node, safe='@')}/clients", {"conn_state": "disconnected"}
        pages = self.http.pages(path, params, hook=_nothing, patience_seconds=patience_seconds)
        return sum([len(page) async for page in pages])

    async def kick(self, ids: Sequence[str]) -> None:
        """End connections **and sessions** one by one, wherever they are; who is not there is ignored, safe to repeat."""
        for first in range(0, len(ids), AT_ONCE):
            ended = await asyncio.gather(*map(self._kick, ids[first : first + AT_ONCE]), return_exceptions=True)
            for failure in ended:
                if failure is not None:
                    raise failure

    async def _kick(self, client_id: str) -> None:
        path = f"/clients/{quote(client_id, safe='')}"
        await self.http.ask("DELETE", path, unless=_NOT_THERE, repeatable=True)


def _connected(row: dict[str, Any]) -> Any:
    """1 for a client with a socket that speaks MQTT 5, whatever an EMQX makes of the filters; the page itself as it is."""
    if "clientid" not in row:
        return row
    return int(bool(row.get("connected")) and row.get("proto_ver") == 5)


def _nothing(row: dict[str, Any]) -> Any:
    return None if "clientid" in row else row
