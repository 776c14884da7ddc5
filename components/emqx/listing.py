"""Who is connected to a cluster, or to the nodes of one colour of it, and which sessions it keeps; page by page, however large the fleet.

The rule: what is kept of a client is one string, and a colour's clients are those of its running nodes: a node that is down has none. A
dialect says how its pages are asked for; what a row means is the same in all of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from components.emqx.answers import SessionFacts, SessionTotals
from components.emqx.clients import ConnectedClient, ConnectedClients, FleetSample, once
from components.system.address import peer

SMALL_PAGE = 2_000
"""For lists as long as the fleet: what a page needs while it is read must not grow with the fleet."""

EVERY_FIELD = "all"
"""``listener`` is shown and cannot be asked for alone (docs/emqx/balancer.md#websocket)."""
SESSION_FIELDS = "clientid,connected,expiry_interval,mqueue_len,inflight_cnt,disconnected_at"
_SAMPLE_FIELDS = "clientid,connected,expiry_interval,mqueue_len,inflight_cnt"
_ADDRESS_FIELDS = "clientid,connected,proto_ver,ip_address,port"
_VERSION_FIELDS = "clientid,connected,proto_ver"
_T = TypeVar("_T")


class Listing:
    """The lists of one cluster; a dialect fills in ``_pages`` and ``_lists``, and ``_page`` for a look at a part of them."""

    @abstractmethod
    def _pages(self, fields: str, hook: Callable[[dict[str, Any]], Any]) -> AsyncIterator[list[Any]]:
        """All clients page by page, each JSON object through ``hook``; ``fields`` are enough of a row."""

    @abstractmethod
    async def _lists(self) -> Sequence[Any]:
        """The lists that the clients of this colour are in: that of the cluster, or one for each running node."""

    @abstractmethod
    async def _page(self, which: Any, page: int, fields: str, limit: int) -> tuple[list[dict[str, Any]], int]:
        """One page of ``limit`` rows of one of them, and how long it is."""

    async def connected_pages(self) -> AsyncIterator[list[str]]:
        """The ids of all clients with a socket, page by page; an id may come twice, since pages shift while clients leave."""
        async for page in self._pages("clientid,connected", _connected_id):
            yield [row for row in page if isinstance(row, str)]

    async def connected_client_ids(
        self, wanted: Callable[[str], bool] = lambda _: True, *, mqtt5: Callable[[str], None] | None = None
    ) -> list[str]:
        """The ids of the clients with a socket that are ``wanted``, each once, sorted; all pages are read before it returns."""
        fields, hook = ("clientid,connected", _connected_id) if mqtt5 is None else (_VERSION_FIELDS, _telling(mqtt5))
        pages = self._pages(fields, hook)
        return once([one async for page in pages for one in page if isinstance(one, str) and wanted(one)])

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
        async for page in self._pages(SESSION_FIELDS, persistent):
            yield [row for row in page if isinstance(row, SessionFacts)]

    async def session_totals(self) -> SessionTotals:
        """How many sessions outlive their connection, and how many messages wait in them."""
        totals = SessionTotals(0, 0, 0)
        async for page in self.session_pages():
            totals = SessionTotals(*(one + more for one, more in zip(totals, _totals(page), strict=True)))
        return totals

    async def sample(self, most: int, *, websocket: bool = False) -> FleetSample:
        """About ``most`` sessions, from pages at equal distances over the whole list, so that every node is among them."""
        fields = EVERY_FIELD if websocket else _SAMPLE_FIELDS
        lists = await self._lists()
        firsts = [await self._page(which, 1, fields, SMALL_PAGE) for which in lists]
        rest = [
            (which, page)
            for which, (_, count) in zip(lists, firsts, strict=True)
            for page in range(2, -(-count // SMALL_PAGE) + 1)
        ]
        rows = [row for page, _ in firsts for row in page]
        for which, page in _spread(rest, max(1, most // SMALL_PAGE - len(lists))):
            rows += (await self._page(which, page, fields, SMALL_PAGE))[0]
        kept = [one for row in rows if (one := persistent(row)) is not None]
        return FleetSample(
            sessions=sum(count for _, count in firsts),
            looked_at=len(rows),
            connected_ids=tuple(row["clientid"] for row in rows if row.get("connected")),
            persistent=_totals(kept),
            websocket_ids=tuple(row["clientid"] for row in rows if websocket and _came_by_websocket(row)),
        )


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


def websocket_id(row: dict[str, Any]) -> Any:
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


def persistent(row: dict[str, Any]) -> Any:
    """A row as SessionFacts when its session persists, None when not; ``meta`` and the page itself as they are."""
    if "clientid" not in row:
        return row
    if (row.get("expiry_interval") or 0) <= 0:
        return None
    return SessionFacts(
        clientid=row["clientid"],
        connected=bool(row.get("connected")),
        mqueue_len=int(row.get("mqueue_len") or 0),
        inflight_cnt=int(row.get("inflight_cnt", row.get("inflight")) or 0),
        disconnected_at=row.get("disconnected_at"),
        expiry_seconds=int(row.get("expiry_interval") or 0),
    )
