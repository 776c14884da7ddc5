"""Who is connected to a cluster, or to the nodes of one colour of it, and which sessions it keeps; page by page, however large the fleet.

The rule: what is kept of a client is one string, and a colour's clients are those of its running nodes: a node that is down has none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from components.emqx.answers import Answer, SessionFacts, SessionTotals
from components.emqx.base import Scope
from components.emqx.clients import ConnectedClient, ConnectedClients, FleetSample, once
from components.emqx.known import known
from components.emqx.reading import read_model
from components.emqx.v5.calls import PAGE_TIMEOUT_SECONDS, Calls
from components.system.address import peer

SMALL_PAGE = 2_000
"""For lists as long as the fleet: what a page needs while it is read must not grow with the fleet."""

_EVERY_FIELD = "all"
"""``listener`` is shown and cannot be asked for alone (docs/emqx/balancer.md#websocket)."""
_SAMPLE_FIELDS = "clientid,connected,expiry_interval,mqueue_len,inflight_cnt"
_SESSION_FIELDS = "clientid,connected,expiry_interval,mqueue_len,inflight_cnt,disconnected_at"
_ADDRESS_FIELDS = "clientid,connected,proto_ver,ip_address,port"
_VERSION_FIELDS = "clientid,connected,proto_ver"
_T = TypeVar("_T")


class _Meta(Answer):
    count: int


class _Page(Answer):
    """A page that says how long its list is."""

    data: list[dict[str, Any]]
    meta: _Meta


class _Counted(Answer):
    """A list of which only the length is wanted (docs/emqx/inventory.md#calls)."""

    meta: _Meta


class Listing:
    """The lists of one cluster; ``scope`` says whose."""

    http: Calls
    scope: Scope

    async def live_connections(self, *, patience_seconds: float | None = None) -> dict[str, int]:
        """Sockets per declared node that runs, by name."""
        raise NotImplementedError

    async def _pages(self, fields: str, hook: Callable[[dict[str, Any]], Any]) -> AsyncIterator[list[Any]]:
        for params in await self._lists():
            async for page in self.http.pages("/clients", {**params, "fields": fields}, hook=hook, limit=SMALL_PAGE):
                yield page

    async def connected_pages(self) -> AsyncIterator[list[str]]:
        """The ids of all clients with a socket, page by page; an id may come twice, since pages shift while clients leave."""
        async for page in self._pages("clientid,connected", _connected_id):
            yield [row for row in page if isinstance(row, str)]

    async def mqtt5_clients(self) -> int:
        """The clients with a socket that speak MQTT 5; an exact filter has a count (docs/emqx/inventory.md#calls)."""
        asked: dict[str, str | int] = {"conn_state": "connected", "proto_ver": "5", "limit": 1}
        found = [await self.http.call("GET", "/clients", params={**asked, **more}) for more in await self._lists()]
        return sum(read_model(_Counted, reply).meta.count for reply in found)

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

    async def connected_client_ids(
        self, wanted: Callable[[str], bool] = lambda _: True, *, mqtt5: Callable[[str], None] | None = None
    ) -> list[str]:
        """The ids of the clients with a socket that are ``wanted``, each once, sorted; all pages are read before it returns."""
        fields, hook = ("clientid,connected", _connected_id) if mqtt5 is None else (_VERSION_FIELDS, _telling(mqtt5))
        pages = self._pages(fields, hook)
        return once([one async for page in pages for one in page if isinstance(one, str) and wanted(one)])

    async def websocket_clients(self) -> frozenset[str]:
        """The ids of the clients with a socket that came by WebSocket; costs whole rows of all clients."""
        pages = self._pages(_EVERY_FIELD, _websocket_id)
        return frozenset([one async for page in pages for one in page if isinstance(one, str)])

    async def connected_clients(
        self, wanted: Callable[[str], bool] = lambda _: True, *, mqtt5: Callable[[str], None] | None = None
    ) -> ConnectedClients:
        """As ``connected_client_ids``, with the address that each comes from (docs/emqx/moving.md#close-at-the-balancer); of an id that comes twice the later one."""
        hook = _placed(mqtt5 or (lambda _: None))
        found = ConnectedClients()
        async for page in self._pages(_ADDRESS_FIELDS, hook):
            for row in page:
                if isinstance(row, ConnectedClient) and wanted(row.client_id):
                    found.add(*row)
        found.settle()
        return found

    async def session_pages(self) -> AsyncIterator[list[SessionFacts]]:
        """The sessions that outlive their connection (``expiry_interval > 0``), connected or not, page by page."""
        async for page in self._pages(_SESSION_FIELDS, _persistent):
            yield [row for row in page if isinstance(row, SessionFacts)]

    async def offline_sessions(self, most: int) -> list[SessionFacts]:
        """By ``conn_state=disconnected`` (docs/emqx/inventory.md#calls); a disconnected client of a session that ended is no session."""
        found: list[SessionFacts] = []
        for params in await self._lists():
            asked: dict[str, str | int] = {
                **params,
                "conn_state": "disconnected",
                "fields": _SESSION_FIELDS,
                "page": 1,
                "limit": most,
            }
            reply = await self.http.call("GET", "/clients", params=asked, timeout_seconds=PAGE_TIMEOUT_SECONDS)
            rows = map(_persistent, read_model(_Page, reply).data)
            found += [row for row in rows if isinstance(row, SessionFacts) and not row.connected]
        return found

    async def session_totals(self) -> SessionTotals:
        """How many sessions outlive their connection, and how many messages wait in them."""
        totals = SessionTotals(0, 0, 0)
        async for page in self.session_pages():
            totals = SessionTotals(*(one + more for one, more in zip(totals, _totals(page), strict=True)))
        return totals

    async def sample(self, most: int, *, websocket: bool = False) -> FleetSample:
        """About ``most`` sessions, from pages at equal distances over the whole list, so that every node is among them."""
        fields = _EVERY_FIELD if websocket else _SAMPLE_FIELDS
        lists = [{**params, "fields": fields} for params in await self._lists()]
        firsts = [await self._page(params, 1) for params in lists]
        rest = [
            (params, page)
            for params, (_, count) in zip(lists, firsts, strict=True)
            for page in range(2, -(-count // SMALL_PAGE) + 1)
        ]
        rows = [row for page, _ in firsts for row in page]
        for params, page in _spread(rest, max(1, most // SMALL_PAGE - len(lists))):
            rows += (await self._page(params, page))[0]
        kept = [one for row in rows if (one := _persistent(row)) is not None]
        return FleetSample(
            sessions=sum(count for _, count in firsts),
            looked_at=len(rows),
            connected_ids=tuple(row["clientid"] for row in rows if row.get("connected")),
            persistent=_totals(kept),
            websocket_ids=tuple(row["clientid"] for row in rows if websocket and _came_by_websocket(row)),
        )

    async def _page(self, params: Mapping[str, str], page: int) -> tuple[list[dict[str, Any]], int]:
        """One page, and how long the list is."""
        asked: dict[str, str | int] = {**params, "page": page, "limit": SMALL_PAGE}
        reply = await self.http.call("GET", "/clients", params=asked, timeout_seconds=PAGE_TIMEOUT_SECONDS)
        found = read_model(_Page, reply)
        return found.data, found.meta.count

    async def _lists(self) -> list[dict[str, str]]:
        """What to ask for: all of the cluster, or node by node; one that is down has no clients and is not asked."""
        if self.scope == "cluster":
            return [{}]
        return [{"node": node} for node in await self.live_connections()]


def _spread(some: Sequence[_T], most: int) -> list[_T]:
    """At most so many of them, at equal distances."""
    if len(some) <= most:
        return list(some)
    return [some[(2 * index + 1) * len(some) // (2 * most)] for index in range(most)]


def _totals(some: Iterable[SessionFacts]) -> SessionTotals:
    totals = SessionTotals(0, 0, 0)
    for one in some:
        totals = SessionTotals(
            totals.connected + one.connected,
            totals.offline + (not one.connected),
            totals.queued_messages + one.mqueue_len + one.inflight_cnt,
        )
    return totals


def _address(row: dict[str, Any]) -> Any:
    """The address of a client with a socket; the page itself is what has no client id."""
    if "clientid" not in row:
        return row
    here, there = row.get("ip_address"), row.get("port")
    return peer(str(here), int(there)) if row.get("connected") and here and there else None


def _connected_id(row: dict[str, Any]) -> Any:
    """A row as its id when it has a socket, None when not; ``meta`` and the page itself as they are."""
    if "clientid" not in row:
        return row
    return row["clientid"] if row.get("connected") else None


def _websocket_id(row: dict[str, Any]) -> Any:
    """The same of those that came by WebSocket."""
    if "clientid" not in row:
        return row
    return row["clientid"] if _came_by_websocket(row) else None


def _came_by_websocket(row: Mapping[str, Any]) -> bool:
    return bool(row.get("connected")) and str(row.get("listener")).startswith(("ws:", "wss:"))


def _telling(mqtt5: Callable[[str], None]) -> Callable[[dict[str, Any]], Any]:
    """The same, and tell who speaks MQTT 5."""

    def hook(row: dict[str, Any]) -> Any:
        if row.get("connected") and row.get("proto_ver") == 5:
            mqtt5(row["clientid"])
        return _connected_id(row)

    return hook


def _placed(mqtt5: Callable[[str], None]) -> Callable[[dict[str, Any]], Any]:
    """A row as its id and address when it has a socket, and tell who speaks MQTT 5; ``meta`` and the page itself as they are."""
    tell = _telling(mqtt5)

    def hook(row: dict[str, Any]) -> Any:
        one = tell(row)
        return ConnectedClient(one, _address(row) or "") if isinstance(one, str) else one

    return hook


def _persistent(row: dict[str, Any]) -> Any:
    """A row as SessionFacts when its session persists, None when not; ``meta`` and the page itself as they are."""
    if "clientid" not in row:
        return row
    if (row.get("expiry_interval") or 0) <= 0:
        return None
    return SessionFacts(
        clientid=row["clientid"],
        connected=bool(row.get("connected")),
        mqueue_len=int(row.get("mqueue_len") or 0),
        inflight_cnt=int(row.get("inflight_cnt") or 0),
        disconnected_at=row.get("disconnected_at"),
        expiry_seconds=int(row.get("expiry_interval") or 0),
    )
