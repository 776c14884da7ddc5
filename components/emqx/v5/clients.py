"""The clients of a 5.x cluster: which calls give the lists, and what 5.x counts and dates by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import TypeAdapter

from components.emqx.answers import Answer, SessionFacts
from components.emqx.base import Scope
from components.emqx.known import known
from components.emqx.listing import EVERY_FIELD, SESSION_FIELDS, SMALL_PAGE, Listing, persistent, websocket_id
from components.emqx.reading import read, read_model
from components.emqx.v5.calls import PAGE_TIMEOUT_SECONDS, Calls

_STATS = TypeAdapter(dict[str, int])


class _Meta(Answer):
    count: int


class _Page(Answer):
    """A page that says how long its list is."""

    data: list[dict[str, Any]]
    meta: _Meta


class _Counted(Answer):
    """A list of which only the length is wanted (docs/emqx/inventory.md#calls)."""

    meta: _Meta


class ClientLists(Listing):
    """The lists of one 5.x cluster; ``scope`` says whose."""

    http: Calls
    scope: Scope

    async def live_connections(self, *, patience_seconds: float | None = None) -> dict[str, int]:
        """Sockets per declared node that runs, by name."""
        raise NotImplementedError

    async def _pages(self, fields: str, hook: Callable[[dict[str, Any]], Any]) -> AsyncIterator[list[Any]]:
        for params in await self._lists():
            async for page in self.http.pages("/clients", {**params, "fields": fields}, hook=hook, limit=SMALL_PAGE):
                yield page

    async def mqtt5_clients(self) -> int:
        """The clients with a socket that speak MQTT 5; an exact filter has a count (docs/emqx/inventory.md#calls)."""
        asked: dict[str, str | int] = {"conn_state": "connected", "proto_ver": "5", "limit": 1}
        found = [await self.http.call("GET", "/clients", params={**asked, **more}) for more in await self._lists()]
        return sum(read_model(_Counted, reply).meta.count for reply in found)

    async def retained_messages(self) -> int | None:
        """By ``GET /stats`` (recording 02)."""
        reply = await self.http.call("GET", "/stats", params={"aggregate": "true"})
        return read(_STATS, reply, reply.json()).get("retained.count")

    async def brokers_now(self, *, patience_seconds: float | None = None) -> float | None:
        """Unix seconds, in whole ones, from the ``date`` that each answer carries (recording A_reorder)."""
        asked = (known(self._now(node, patience_seconds)) for node in self.http.node_names)
        found = await asyncio.gather(*asked)
        return max((moment for moment in found if moment is not None), default=None)

    async def _now(self, node: str, patience_seconds: float | None) -> float | None:
        reply = await self.http.call("GET", "/nodes", node=node, patience_seconds=patience_seconds)
        try:
            return parsedate_to_datetime(reply.date).timestamp()
        except ValueError:
            return None

    async def websocket_clients(self) -> frozenset[str]:
        """The ids of the clients with a socket that came by WebSocket; costs whole rows of all clients."""
        pages = self._pages(EVERY_FIELD, websocket_id)
        return frozenset([one async for page in pages for one in page if isinstance(one, str)])

    async def offline_sessions(self, most: int) -> list[SessionFacts]:
        """By ``conn_state=disconnected`` (docs/emqx/inventory.md#calls); a disconnected client of a session that ended is no session."""
        found: list[SessionFacts] = []
        for params in await self._lists():
            asked: dict[str, str | int] = {
                **params,
                "conn_state": "disconnected",
                "fields": SESSION_FIELDS,
                "page": 1,
                "limit": most,
            }
            reply = await self.http.call("GET", "/clients", params=asked, timeout_seconds=PAGE_TIMEOUT_SECONDS)
            rows = map(persistent, read_model(_Page, reply).data)
            found += [row for row in rows if isinstance(row, SessionFacts) and not row.connected]
        return found

    async def _page(
        self, which: Mapping[str, str], page: int, fields: str, limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        """One page, and how long the list is."""
        asked: dict[str, str | int] = {**which, "fields": fields, "page": page, "limit": limit}
        reply = await self.http.call("GET", "/clients", params=asked, timeout_seconds=PAGE_TIMEOUT_SECONDS)
        found = read_model(_Page, reply)
        return found.data, found.meta.count

    async def _lists(self) -> list[dict[str, str]]:
        """What to ask for: all of the cluster, or node by node; one that is down has no clients and is not asked."""
        if self.scope == "cluster":
            return [{}]
        return [{"node": node} for node in await self.live_connections()]
