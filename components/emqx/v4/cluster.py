"""One EMQX 4.x cluster as the operations ask it; each method is one question or one act, and holds no policy."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
from pydantic import TypeAdapter

from components.cutover.evacuation import Evacuation
from components.cutover.versions import parse
from components.cutover.words import Edition
from components.emqx.account import Account
from components.emqx.answers import Answer, EvacuationFacts, LicenseFacts, NodeFacts
from components.emqx.base import PATIENCE_SECONDS, Scope
from components.emqx.context import Opened
from components.emqx.errors import NotNow, Refused
from components.emqx.evacuating import Evacuating, rates
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.reading import read
from components.emqx.v4 import account
from components.emqx.v4.bounds import Bounds
from components.emqx.v4.calls import Calls, is_started
from components.emqx.v4.clients import ClientLists
from components.emqx.v4.exports import DataExports
from components.emqx.v4.inventory import read_inventory
from components.emqx.v4.traits import has_evacuation, traits_of
from components.migration.inventory import Inventory
from components.migration.words import Shown
from components.system.address import port_of


class _Broker(Answer):
    node: str
    sysdescr: str = ""


class _Metrics(Answer):
    node: str
    metrics: dict[str, int]


class _Listener(Answer):
    """One of ``GET /nodes/NODE/listeners``; 4.2 has no identifier."""

    protocol: str
    listen_on: str
    identifier: str = ""


_BROKERS = TypeAdapter(list[_Broker])
_ROWS = TypeAdapter(list[dict[str, Any]])
_METRICS = TypeAdapter(list[_Metrics])
_LISTENERS = TypeAdapter(list[_Listener])
_EVACUATIONS = TypeAdapter(tuple[EvacuationFacts, ...])


class ClusterApi(ClientLists, Bounds, Evacuating, Opened):
    """One cluster; an async context manager that closes its connections. The promises are those of ``components.emqx.base.Cluster``.

    Errors as of the dialect of 5.x; a refusal inside a 200 is Rejected.

    Args:
        handle: the cluster; its API addresses are those of the management API (port 8081).
        credentials: id and secret of an application.
        scope: whose clients are listed and counted.
        transport: httpx's transport, for tests.
        timeout_seconds: bound of one attempt.
        patience_seconds: how long calls are repeated.

    """

    has_login = False

    def __init__(
        self,
        handle: ClusterHandle,
        credentials: Credentials,
        *,
        scope: Scope = "cluster",
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_seconds: float = 5.0,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.handle, self.scope = handle, scope
        self.version = parse(handle.version)
        self.line = traits_of(self.version)
        self.http = Calls(
            handle, credentials, transport=transport, timeout_seconds=timeout_seconds, patience_seconds=patience_seconds
        )
        self.exports = DataExports(self.http, self.line, handle.exports)
        self._edition: Edition | None = None

    def __repr__(self) -> str:
        """Say which cluster, and nothing that is secret."""
        return f"ClusterApi({self.handle.colour}, {len(self.handle.nodes)} nodes of 4.x)"

    async def login(self) -> None:
        """Nothing: the dashboard of 4.x gives no tokens."""

    # -- what the cluster is -------------------------------------------------------------------------------------

    async def nodes(self, *, node: str = "", patience_seconds: float | None = None) -> tuple[NodeFacts, ...]:
        """``GET /nodes``: the nodes that run; one that is stopped is missing.

        Before 4.4 a node does not tell sockets from sessions of clients that are offline: these are listed and taken off.
        """
        answer = await self.http.ask("GET", "/nodes", node=node, patience_seconds=patience_seconds)
        rows = read(_ROWS, answer.reply, answer.data)
        edition = await self._asked_edition(patience_seconds)
        for row in rows:
            row.update(edition=edition, node_status=str(row.get("node_status")).lower())
        counted = [row for row in rows if "live_connections" not in row and row.get("node") in self.node_names]
        offline = await asyncio.gather(
            *(self.offline_clients(str(row["node"]), patience_seconds=patience_seconds) for row in counted)
        )
        for row, count in zip(counted, offline, strict=True):
            row["live_connections"] = max(0, int(row.get("connections") or 0) - count)
        return read(TypeAdapter(tuple[NodeFacts, ...]), answer.reply, rows)

    async def running(self) -> frozenset[str]:
        """The names of the nodes that run."""
        answer = await self.http.ask("GET", "/brokers")
        return frozenset(one.node for one in read(_BROKERS, answer.reply, answer.data))

    async def live_connections(self, *, patience_seconds: float | None = None) -> dict[str, int]:
        """Sockets per declared node, by name; a node that is missing or stopped is missing here, never zero."""
        facts = await self.nodes(patience_seconds=patience_seconds)
        mine = (one for one in facts if one.name in self.node_names)
        return {one.name: one.live_connections for one in mine if one.live_connections is not None}

    async def cluster_members(self, node: str, *, patience_seconds: float | None = None) -> tuple[str, ...]:
        """The members that this node sees running, sorted; 4.x has no call for those that are stopped."""
        answer = await self.http.ask("GET", "/brokers", node=node, patience_seconds=patience_seconds)
        return tuple(sorted(one.node for one in read(_BROKERS, answer.reply, answer.data)))

    async def availability(self, node: str, *, patience_seconds: float | None = None) -> bool:
        """Whether the node takes clients: by the text of ``/status``, since 4.2 answers 200 while it starts; and while it is not evacuated."""
        if not await is_started(self.http, node, patience_seconds=patience_seconds):
            return False
        return node not in await self.evacuations(patience_seconds=patience_seconds)

    async def edition(self) -> Edition:
        """``ee`` or ``ce``: by what a node calls itself (``EMQX Enterprise`` stands on EMQX's documents only)."""
        return await self._asked_edition(None)

    async def _asked_edition(self, patience_seconds: float | None) -> Edition:
        if self._edition is None:
            answer = await self.http.ask("GET", "/brokers", patience_seconds=patience_seconds)
            brokers = read(_BROKERS, answer.reply, answer.data)
            if not brokers:
                raise NotNow("GET /brokers", node=answer.reply.node, seen="no node", todo="wait until a node runs")
            self._edition = "ee" if any("Enterprise" in one.sysdescr for one in brokers) else "ce"
        return self._edition

    async def license(self, *, patience_seconds: float | None = None) -> LicenseFacts | None:  # noqa: ARG002
        """None: no recording says how a 4.x Enterprise shows it, so it limits nothing here."""
        return None

    async def listeners(self) -> dict[int, str]:
        """The MQTT listeners of the first running node, by port: ``tcp:external``, on 4.2 ``tcp``."""
        answer = await self.http.ask("GET", "/listeners")
        rows = read(_ROWS, answer.reply, answer.data)
        found = read(_LISTENERS, answer.reply, rows[0].get("listeners") if rows else [])
        mqtt = [one for one in found if one.protocol.startswith("mqtt:")]
        # of a listener for WebSocket its port is the end of its protocol: mqtt:ws:8083
        named = ((port_of(one.listen_on), one.identifier or ":".join(one.protocol.split(":")[:2])) for one in mqtt)
        return {port: name.removeprefix("mqtt:") for port, name in named}

    async def metrics(self, *, patience_seconds: float | None = None) -> dict[str, int]:
        """Counters summed over the nodes of the scope."""
        answer = await self.http.ask("GET", "/metrics", patience_seconds=patience_seconds)
        sums: dict[str, int] = {}
        for row in read(_METRICS, answer.reply, answer.data):
            if self.scope == "cluster" or row.node in self.node_names:
                for name, number in row.metrics.items():
                    sums[name] = sums.get(name, 0) + number
        return sums

    async def configs_text(self, node: str) -> str | None:  # noqa: ARG002  -- no node shows it
        """None: 4.x does not show its configuration; the stack says where its files are."""
        return None

    async def shown(self) -> Shown | None:
        """Plugins that are active on every node, and where the first one listens."""
        rows = (await self.http.ask("GET", "/plugins")).data or []
        plugins: dict[str, bool] = {}
        for one in (plugin for row in rows for plugin in row.get("plugins", [])):
            name = str(one.get("name"))
            plugins[name] = plugins.get(name, True) and one.get("active") is True
        ports = [(name.partition(":")[0], port) for port, name in (await self.listeners()).items()]
        return Shown(plugins, {kind: frozenset(port for one, port in ports if one == kind) for kind, _ in ports})

    async def inventory(self, *, node: str = "") -> Inventory:
        """Everything that can be listed, as ``node`` (or any) has it."""
        return await read_inventory(self.http.at(node) if node else self.http, self.line)

    async def force_leave(self, node: str) -> None:
        """Refused: 4.x has no call for it, and a node that is forgotten comes back at its next start (docs/emqx/v4.md#cluster)."""
        todo = f"emqx_ctl cluster force-leave {node} on another node, and remove the data directory of {node} before it is ever started again"
        raise Refused("forgetting a node", node=node, seen="4.x has no call for it", todo=todo)

    async def invite(self, node: str) -> str:
        """Why not: 4.x has no call for it."""
        return f"4.x has no call for it: emqx_ctl cluster join on {node}"

    # -- evacuation: on EMQX's documents only ---------------------------------------------------------------------

    async def has_evacuation(self, *, patience_seconds: float | None = None) -> bool:
        """Whether nodes can be evacuated: Enterprise from 4.4.12 on."""
        return has_evacuation(self.version, await self._asked_edition(patience_seconds))

    async def evacuation_start(self, node: str, knobs: Evacuation, recipients: Sequence[str] = ()) -> bool:
        """Start to evacuate a node, with plain numbers; False when one runs there already."""
        body = {"wait_takeover": knobs.wait_takeover_seconds, **rates(knobs, recipients)}
        return await self._evacuation(node, "start", body, unless="already_started")

    async def evacuations(self, *, patience_seconds: float | None = None) -> dict[str, EvacuationFacts]:
        """The running evacuations of the declared nodes; empty where there are none."""
        status = await self._global_status(patience_seconds)
        said = status.get("evacuations") or []
        # the documents show both: a list, and an object by node
        rows = [{"node": name, **one} for name, one in said.items()] if isinstance(said, dict) else said
        facts = _EVACUATIONS.validate_python(rows)
        return {entry.node: entry for entry in facts if entry.node in self.node_names}

    async def evacuation_status(self) -> dict[str, Any]:
        """All that evacuates or rebalances."""
        return await self._global_status(None)

    async def _global_status(self, patience_seconds: float | None) -> dict[str, Any]:
        if not await self.has_evacuation(patience_seconds=patience_seconds):
            return {}
        reply = await self.http.call("GET", "/load_rebalance/global_status", patience_seconds=patience_seconds)
        body = reply.json()
        found = body.get("data", body) if isinstance(body, dict) else body
        return read(TypeAdapter(dict[str, Any]), reply, found)

    # -- accounts ------------------------------------------------------------------------------------------------

    def temporary_account(self, rules: Sequence[dict[str, str]]) -> AbstractAsyncContextManager[Account | None]:
        """An MQTT account with these ACL rules while the context lasts; None without emqx_auth_mnesia."""
        return account.temporary_account(self.http, self.line, rules)

    async def sweep(self) -> int:
        """Remove the temporary accounts that killed runs left behind; how many there were."""
        return await account.sweep(self.http, self.line)

    async def ask_authenticators(self, node: str) -> None:
        """NotNow while the node lacks an authentication plugin that another one has: until then it lets everybody in (docs/emqx/v4.md#start-and-stop)."""
        await account.ask_authenticators(self.http, node)

    async def lets_everybody_in(self, node: str) -> bool:  # noqa: ARG002  -- a setting decides, which no call shows
        """False, as nobody knows: without a plugin ``allow_anonymous`` of its files decides."""
        return False

    async def takes_any_client_id(self) -> bool:
        """Whether our account may connect with any client id: on 4.2 a login may be one."""
        return not self.line.by_login

    async def account_names(self) -> tuple[frozenset[str], frozenset[str]]:
        """Nobody: applications and dashboard users are not on this port."""
        return frozenset(), frozenset()
