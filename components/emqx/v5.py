"""What the operations ask of an EMQX 5.x cluster, typed; each method is one question or one act, and holds no policy."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from components.cutover.words import Edition
from components.emqx.answers import (
    EDITIONS,
    EvacuationFacts,
    LicenseFacts,
    NodeFacts,
    SessionFacts,
    SessionTotals,
    StatusFacts,
    connected_id,
    persistent,
)
from components.emqx.client import EmqxHttp, code_and_message, judged
from components.emqx.dialect import DIALECTS, Dialect
from components.emqx.errors import NotNow
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.paging import has_next
from components.emqx.reading import read, read_model

PAGE = 10_000
"""The largest page; above it EMQX answers 400 (docs/emqx/api.md#paging)."""

SMALL_PAGE = 2_000
"""For lists as long as the fleet: what a page needs while it is read must not grow with the fleet."""

_PAGE_TIMEOUT_SECONDS = 30.0
_SESSION_FIELDS = "clientid,connected,expiry_interval,mqueue_len,inflight_cnt,disconnected_at"
_NODES = TypeAdapter(tuple[NodeFacts, ...])
_EVACUATIONS = TypeAdapter(tuple[EvacuationFacts, ...])
_METRICS = TypeAdapter(dict[str, int])
_NAMES = TypeAdapter(list[str])
_ROWS = TypeAdapter(list[Any])


class ClusterApi:
    """One cluster; an async context manager that closes its connections.

    All methods raise the errors of ``components.emqx.errors`` and nothing else: Unreachable and NotNow after
    ``patience_seconds`` of repeating (reads, kicks, evacuation calls), Unauthorized, Rejected, BadInput at once,
    GaveUp for a list that does not end.
    A cluster-wide question is asked of any node that answers; one with ``node`` of that node only.

    Args:
        handle: the cluster.
        credentials: its API key, and a dashboard login for what API keys may not see.
        transport: httpx's transport, for tests.
        timeout_seconds: bound of one attempt.
        patience_seconds: how long calls are repeated; 500 is normal for 2 s around a join, and 10 s must not end a move
            (docs/emqx/cluster.md#a-node-dies).
        now: unix seconds, for the age of the dashboard token.

    """

    def __init__(
        self,
        handle: ClusterHandle,
        credentials: Credentials,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_seconds: float = 5.0,
        patience_seconds: float = 15.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.handle = handle
        self.http = EmqxHttp(
            handle,
            credentials,
            transport=transport,
            timeout_seconds=timeout_seconds,
            patience_seconds=patience_seconds,
            now=now,
        )
        self._dialect: Dialect | None = None

    def __repr__(self) -> str:
        """Say which cluster, and nothing that is secret."""
        return f"ClusterApi({self.handle.colour}, {len(self.handle.nodes)} nodes)"

    async def __aenter__(self) -> Self:
        """Use as a context, so that the connections are closed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self.http.close()

    @property
    def node_names(self) -> tuple[str, ...]:
        """The declared nodes, in the handle's order."""
        return tuple(node.name for node in self.handle.nodes)

    # -- what the cluster is -------------------------------------------------------------------------------------

    async def nodes(self, *, node: str = "", patience_seconds: float | None = None) -> tuple[NodeFacts, ...]:
        """``GET /nodes``: live numbers; a stopped node is there without numbers, a dead one may be missing."""
        reply = await self.http.call("GET", "/nodes", node=node, patience_seconds=patience_seconds)
        return read(_NODES, reply, reply.json())

    async def live_connections(self, *, patience_seconds: float | None = None) -> dict[str, int]:
        """Sockets per declared node, by name; a node that is missing or stopped is missing here, never zero."""
        facts = await self.nodes(patience_seconds=patience_seconds)
        declared = set(self.node_names)
        return {f.name: f.live_connections for f in facts if f.name in declared and f.live_connections is not None}

    async def cluster_members(self, node: str, *, patience_seconds: float | None = None) -> tuple[str, ...]:
        """The members that this node sees, sorted; while it boots it sees only itself (docs/emqx/cluster.md#fresh-start)."""
        reply = await self.http.call("GET", "/cluster", node=node, patience_seconds=patience_seconds)
        body = reply.json()
        names: list[str] = read(_NAMES, reply, body.get("nodes") if isinstance(body, dict) else None)
        return tuple(sorted(names))

    async def status(self, node: str, *, patience_seconds: float | None = None) -> StatusFacts:
        """What one node says of itself; it does not tell about evacuation."""
        params = {"format": "json"}
        reply = await self.http.call("GET", "/status", node=node, params=params, patience_seconds=patience_seconds)
        return read_model(StatusFacts, reply)

    async def availability(self, node: str, *, patience_seconds: float | None = None) -> bool:
        """Whether the node takes clients: False from the start of an evacuation until its stop.

        Open source has no such call; there it is whether the node says it is running (docs/emqx/balancer.md#health-checks).
        """
        dialect = await self.dialect()
        if not dialect.has_evacuation:
            return (await self.status(node, patience_seconds=patience_seconds)).running
        reply = await self.http.call(
            "GET", dialect.availability, node=node, accept=frozenset({503}), patience_seconds=patience_seconds
        )
        return reply.status == 200

    async def dialect(self, *, patience_seconds: float | None = None) -> Dialect:
        """How this cluster's edition speaks; asked once, of any running node."""
        if self._dialect is None:
            nodes = await self.nodes(patience_seconds=patience_seconds)
            editions = {EDITIONS.get(facts.edition or "") for facts in nodes if facts.running}
            edition = next(iter(editions)) if len(editions) == 1 else None
            if edition is None:
                raise NotNow(
                    "GET /nodes",
                    node=self.handle.colour,
                    seen=f"no single known edition among the running nodes ({len(editions)} kinds)",
                    todo="wait until all nodes run; all must be of one edition, Enterprise or open source",
                )
            self._dialect = DIALECTS[edition]
        return self._dialect

    async def edition(self) -> Edition:
        """``ee`` or ``ce``."""
        return (await self.dialect()).edition

    async def has_evacuation(self, *, patience_seconds: float | None = None) -> bool:
        """Whether the edition can evacuate nodes."""
        return (await self.dialect(patience_seconds=patience_seconds)).has_evacuation

    async def license(self, *, patience_seconds: float | None = None) -> LicenseFacts | None:
        """The licence, or None in the open source edition, which has none."""
        if not (await self.dialect(patience_seconds=patience_seconds)).has_license:
            return None
        return read_model(LicenseFacts, await self.http.call("GET", "/license", patience_seconds=patience_seconds))

    async def metrics(self, *, patience_seconds: float | None = None) -> dict[str, int]:
        """Counters summed over the nodes; they start at 0 after a node's restart (docs/emqx/counters.md#health-during-a-move)."""
        reply = await self.http.call("GET", "/metrics", params={"aggregate": "true"}, patience_seconds=patience_seconds)
        return read(_METRICS, reply, reply.json())

    async def configs_text(self, node: str) -> str:
        """The effective configuration as HOCON, **secrets in clear text** (docs/emqx/config.md#the-effective-configuration): never keep it."""
        reply = await self.http.call(
            "GET", "/configs", node=node, headers={"Accept": "text/plain"}, timeout_seconds=_PAGE_TIMEOUT_SECONDS
        )
        return reply.body.decode("utf-8", errors="replace")

    # -- clients and sessions ------------------------------------------------------------------------------------

    async def pages(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        bearer: bool = False,
        limit: int = PAGE,
        hook: Callable[[dict[str, Any]], Any] | None = None,
    ) -> AsyncIterator[list[Any]]:
        """The pages of a list, as large as EMQX allows unless told otherwise; ``hook`` turns each JSON object into something smaller.

        The last page may be empty; GaveUp when the list does not end (``components.emqx.paging``).
        """
        page = 0
        more = True
        while more:
            page += 1
            asked = {**(params or {}), "page": page, "limit": limit}
            reply = await self.http.call(
                "GET", path, params=asked, bearer=bearer, timeout_seconds=_PAGE_TIMEOUT_SECONDS
            )
            body = reply.json(hook)
            rows = read(_ROWS, reply, body.get("data") if isinstance(body, dict) else None)
            yield rows
            more = has_next(reply, body, rows, page=page, limit=limit)

    async def connected_pages(self) -> AsyncIterator[list[str]]:
        """The ids of all clients with a socket, page by page; an id may come twice, since pages shift while clients leave.

        The pages are small, so that what is kept of a fleet does not grow with it.
        """
        fields = {"fields": "clientid,connected"}
        async for page in self.pages("/clients", fields, hook=connected_id, limit=SMALL_PAGE):
            yield [row for row in page if isinstance(row, str)]

    async def connected_client_ids(self, wanted: Callable[[str], bool] = lambda _: True) -> list[str]:
        """The ids of the clients with a socket that are ``wanted``, each once, sorted; all pages are read before it returns.

        Nothing but one string is kept of a client.
        """
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
        async for page in self.pages("/clients", {"fields": _SESSION_FIELDS}, hook=persistent, limit=SMALL_PAGE):
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

    async def kick(self, ids: Sequence[str]) -> None:
        """End the connections **and sessions** of these clients on all nodes; unknown ids are ignored, safe to repeat."""
        if ids:
            await self.http.call("POST", "/clients/kickout/bulk", body=list(ids), repeatable=True)

    # -- evacuation ----------------------------------------------------------------------------------------------

    async def evacuation_start(self, node: str, body: Mapping[str, Any]) -> bool:
        """Start to evacuate a node; False when one runs there already (by whom and how: ``evacuations()``).

        ``body`` as EMQX takes it: ``wait_health_check``, ``wait_takeover`` (integer seconds), ``conn_evict_rate``,
        ``sess_evict_rate``, ``migrate_to``. Other refusals are Rejected.
        """
        return await self._evacuation(node, "start", dict(body), unless="already_started")

    async def evacuation_stop(self, node: str) -> bool:
        """Open the node again; False when no evacuation ran there."""
        return await self._evacuation(node, "stop", None, unless="not_started")

    async def evacuations(self, *, patience_seconds: float | None = None) -> dict[str, EvacuationFacts]:
        """The running evacuations by node; a node that is not evacuating, or stopped, is missing. Empty in CE."""
        if not await self.has_evacuation(patience_seconds=patience_seconds):
            return {}
        reply = await self.http.call("GET", "/load_rebalance/global_status", patience_seconds=patience_seconds)
        body = reply.json()
        facts = read(_EVACUATIONS, reply, body.get("evacuations") if isinstance(body, dict) else None)
        return {entry.node: entry for entry in facts}

    async def _evacuation(self, node: str, act: str, body: dict[str, Any] | None, *, unless: str) -> bool:
        # Any node passes it on, and one that is gone is a clear 404 instead of a time-out.
        path = f"/load_rebalance/{quote(node, safe='@')}/evacuation/{act}"
        reply = await self.http.call("POST", path, body=body, accept=frozenset({400}), repeatable=True)
        if reply.status == 400 and code_and_message(reply.body)[1].endswith(unless):
            return False
        judged(reply)
        return True
