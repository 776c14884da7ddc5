"""Who is connected to a cluster, or to the nodes of one colour of it, and which sessions it keeps; page by page, however large the fleet.

The rule: what is kept of a client is one string, and a colour's clients are those of its running nodes: a node that is down has none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from components.emqx.answers import SessionFacts, SessionTotals
from components.emqx.base import Scope
from components.emqx.v5.calls import Calls

SMALL_PAGE = 2_000
"""For lists as long as the fleet: what a page needs while it is read must not grow with the fleet."""

_SESSION_FIELDS = "clientid,connected,expiry_interval,mqueue_len,inflight_cnt,disconnected_at"


class Listing:
    """The lists of one cluster; ``scope`` says whose."""

    http: Calls
    scope: Scope

    async def live_connections(self, *, patience_seconds: float | None = None) -> dict[str, int]:
        """Sockets per declared node that runs, by name."""
        raise NotImplementedError

    async def _pages(self, fields: str, hook: Callable[[dict[str, Any]], Any]) -> AsyncIterator[list[Any]]:
        # The list of a node that is down would be a 500.
        nodes = ("",) if self.scope == "cluster" else tuple(await self.live_connections())
        for node in nodes:
            only = {"node": node} if node else {}
            async for page in self.http.pages("/clients", {"fields": fields, **only}, hook=hook, limit=SMALL_PAGE):
                yield page

    async def connected_pages(self) -> AsyncIterator[list[str]]:
        """The ids of all clients with a socket, page by page; an id may come twice, since pages shift while clients leave."""
        async for page in self._pages("clientid,connected", _connected_id):
            yield [row for row in page if isinstance(row, str)]

    async def connected_client_ids(self, wanted: Callable[[str], bool] = lambda _: True) -> list[str]:
        """The ids of the clients with a socket that are ``wanted``, each once, sorted; all pages are read before it returns."""
        ids = [one async for page in self.connected_pages() for one in page if wanted(one)]
        ids.sort()
        # in place: a second table of the fleet would be the larger part of what this needs
        kept = 0
        for one in ids:
            if kept == 0 or one != ids[kept - 1]:
                ids[kept] = one
                kept += 1
        del ids[kept:]
        return ids

    async def session_pages(self) -> AsyncIterator[list[SessionFacts]]:
        """The sessions that outlive their connection (``expiry_interval > 0``), connected or not, page by page."""
        async for page in self._pages(_SESSION_FIELDS, _persistent):
            yield [row for row in page if isinstance(row, SessionFacts)]

    async def session_totals(self) -> SessionTotals:
        """How many sessions outlive their connection, and how many messages wait in them."""
        totals = SessionTotals(0, 0, 0)
        async for page in self.session_pages():
            totals = SessionTotals(
                totals.connected + sum(one.connected for one in page),
                totals.offline + sum(not one.connected for one in page),
                totals.queued_messages + sum(one.mqueue_len + one.inflight_cnt for one in page),
            )
        return totals


def _connected_id(row: dict[str, Any]) -> Any:
    """A row as its id when it has a socket, None when not; ``meta`` and the page itself as they are."""
    if "clientid" not in row:
        return row
    return row["clientid"] if row.get("connected") else None


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
    )
