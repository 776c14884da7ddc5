"""One EMQX 5.x cluster as the operations ask it; each method is one question or one act, and holds no policy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from components.cutover.versions import parse
from components.cutover.words import Edition
from components.emqx.account import Account
from components.emqx.answers import LicenseFacts, NodeFacts, StatusFacts
from components.emqx.base import PATIENCE_SECONDS, Scope
from components.emqx.client import code_and_message, judged
from components.emqx.clients import Door
from components.emqx.context import Opened
from components.emqx.errors import NotNow
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.reading import read, read_model
from components.emqx.v5 import account, doors
from components.emqx.v5.calls import PAGE_TIMEOUT_SECONDS, Calls
from components.emqx.v5.inventory import read_inventory
from components.emqx.v5.moving import Moving
from components.emqx.v5.restore import DataExports
from components.emqx.v5.storage import Storage
from components.emqx.v5.traits import EDITIONS, EXPORTS_SINCE, EditionTraits
from components.migration.inventory import Inventory
from components.migration.words import Shown

_NODES = TypeAdapter(tuple[NodeFacts, ...])
_METRICS = TypeAdapter(dict[str, int])
_METRICS_BY_NODE = TypeAdapter(list[dict[str, int | str]])
_NAMES = TypeAdapter(list[str])


class ClusterApi(Moving, Opened):
    """One cluster; an async context manager that closes its connections. The promises are those of ``components.emqx.base.Cluster``.

    Unreachable and NotNow come after ``patience_seconds`` of repeating (reads, kicks, evacuation calls), Unauthorized, Rejected,
    BadInput at once, GaveUp for a list that does not end.
    A cluster-wide question is asked of any node that answers; one with ``node`` of that node only.

    Args:
        handle: the cluster.
        credentials: its API key, and a dashboard login for what API keys may not see.
        scope: whose clients are listed and counted; kicks are by client id and reach every node.
        transport: httpx's transport, for tests.
        timeout_seconds: bound of one attempt.
        patience_seconds: how long calls are repeated.
        now: unix seconds, for the age of the dashboard token.

    """

    def __init__(
        self,
        handle: ClusterHandle,
        credentials: Credentials,
        *,
        scope: Scope = "cluster",
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_seconds: float = 5.0,
        patience_seconds: float = PATIENCE_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.handle, self.scope = handle, scope
        self.http = Calls(
            handle,
            credentials,
            transport=transport,
            timeout_seconds=timeout_seconds,
            patience_seconds=patience_seconds,
            now=now,
        )
        self.exports = DataExports(self.http, self.traits) if parse(handle.version).line >= EXPORTS_SINCE else None
        self.storage = Storage(self.http)
        self._traits: EditionTraits | None = None

    def __repr__(self) -> str:
        """Say which cluster, and nothing that is secret."""
        return f"ClusterApi({self.handle.colour}, {len(self.handle.nodes)} nodes)"

    @property
    def has_login(self) -> bool:
        """Whether a dashboard login is configured."""
        return self.http.has_login

    async def login(self) -> None:
        """Get a new dashboard token."""
        await self.http.login()

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
        if not await self.has_evacuation():
            return (await self.status(node, patience_seconds=patience_seconds)).running
        path, refused = "/load_rebalance/availability_check", frozenset({503})
        reply = await self.http.call("GET", path, node=node, accept=refused, patience_seconds=patience_seconds)
        return reply.status == 200

    async def traits(self, *, patience_seconds: float | None = None) -> EditionTraits:
        """What this cluster's edition can do; asked once, of any running node."""
        if self._traits is None:
            nodes = await self.nodes(patience_seconds=patience_seconds)
            whole = self.scope == "cluster"  # a colour of a cluster that is halfway between two has one all the same
            editions = {facts.edition for facts in nodes if facts.running and (whole or facts.name in self.node_names)}
            if editions == EDITIONS.keys():
                return EDITIONS["ce"]  # halfway through a roll: together they can do what open source can
            edition = next(iter(editions)) if len(editions) == 1 else None
            if edition is None:
                raise NotNow(
                    "GET /nodes",
                    node=self.handle.colour,
                    seen=f"no single known edition among the running nodes ({len(editions)} kinds)",
                    todo="wait until all nodes run; all must be of one edition, Enterprise or open source",
                )
            self._traits = EDITIONS[edition]
        return self._traits

    async def edition(self) -> Edition:
        """``ee`` or ``ce``."""
        return (await self.traits()).edition

    async def license(self, *, patience_seconds: float | None = None) -> LicenseFacts | None:
        """The licence, or None in the open source edition, which has none."""
        if not (await self.traits(patience_seconds=patience_seconds)).has_license:
            return None
        return read_model(LicenseFacts, await self.http.call("GET", "/license", patience_seconds=patience_seconds))

    async def listeners(self) -> dict[int, str]:
        """The listeners that are on, by port."""
        return dict(doors.by_port(await doors.listeners(self.http)))

    async def doors(self) -> dict[str, Door]:
        """What each declared node lets in by the listeners that the handle names."""
        return await doors.doors(self.http, self.handle.nodes)

    async def metrics(self, *, patience_seconds: float | None = None) -> dict[str, int]:
        """Counters summed over the nodes; they start at 0 after a node's restart (docs/emqx/counters.md#health-during-a-move)."""
        whole = self.scope == "cluster"
        params = {"aggregate": "true"} if whole else {}
        reply = await self.http.call("GET", "/metrics", params=params, patience_seconds=patience_seconds)
        if whole:
            return read(_METRICS, reply, reply.json())
        sums: dict[str, int] = {}
        for row in read(_METRICS_BY_NODE, reply, reply.json()):
            if row.get("node") in self.node_names:
                for name, number in row.items():
                    if isinstance(number, int):
                        sums[name] = sums.get(name, 0) + number
        return sums

    async def configs_text(self, node: str) -> str | None:
        """The effective configuration as HOCON, **secrets in clear text** (docs/emqx/config.md#the-effective-configuration): never keep it."""
        reply = await self.http.call(
            "GET", "/configs", node=node, headers={"Accept": "text/plain"}, timeout_seconds=PAGE_TIMEOUT_SECONDS
        )
        return reply.body.decode("utf-8", errors="replace")

    async def shown(self) -> Shown | None:
        """None: ``configs_text`` is all of it."""
        return None

    async def inventory(self, *, node: str = "") -> Inventory:
        """Everything that can be listed, as ``node`` (or any) has it; seconds at 50,000 users and retained messages."""
        return await read_inventory(self.http.at(node) if node else self.http)

    async def force_leave(self, node: str) -> None:
        """Make the cluster forget a node that has ended; forgotten already is fine."""
        path = f"/cluster/{quote(node, safe='@')}/force_leave"
        gone = frozenset({400, 404})
        reply = await self.http.call("DELETE", path, accept=gone, repeatable=True, timeout_seconds=PAGE_TIMEOUT_SECONDS)
        if reply.status == 400 and not code_and_message(reply.body)[1].endswith("node_not_in_cluster"):
            judged(reply)

    async def invite(self, node: str) -> str:
        """``PUT /cluster/NODE/invite`` answers when it has joined, after 3 to 5 s (recording A2_invite_join_ce_5.8.8_5.8.9)."""
        path, refused = f"/cluster/{quote(node, safe='@')}/invite", frozenset({400})
        reply = await self.http.call("PUT", path, body={}, accept=refused, timeout_seconds=PAGE_TIMEOUT_SECONDS)
        why = code_and_message(reply.body)[1] if reply.status == 400 else ""
        return "" if why.startswith("{already_in_cluster") else why

    async def kick(self, ids: Sequence[str]) -> None:
        """End the connections **and sessions** of these clients on all nodes; unknown ids are ignored, safe to repeat."""
        if ids:
            await self.http.call("POST", "/clients/kickout/bulk", body=list(ids), repeatable=True)

    # -- accounts ------------------------------------------------------------------------------------------------

    def temporary_account(self, rules: Sequence[dict[str, str]]) -> AbstractAsyncContextManager[Account | None]:
        """An MQTT account with these ACL rules while the context lasts; None without a built-in authenticator."""
        return account.temporary_account(self.http, rules)

    async def sweep(self) -> int:
        """Remove the temporary accounts that killed runs left behind; how many there were."""
        return await account.sweep(self.http)

    async def ask_authenticators(self, node: str) -> None:
        """Ask each built-in authenticator of the node for a user."""
        await account.ask_authenticators(self.http, node)

    async def lets_everybody_in(self, node: str) -> bool:
        """Whether the node has no authenticator at all."""
        return not await account.authenticators(self.http, node=node)

    async def takes_any_client_id(self) -> bool:
        """Whether our accounts, or everybody, may connect with any client id."""
        return await account.any_client_id(self.http)

    async def account_names(self) -> tuple[frozenset[str], frozenset[str]]:
        """The API keys and the dashboard users that exist, by name."""
        return await account.account_names(self.http)
