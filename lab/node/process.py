"""A managed cluster: the broker's nodes, an HTTP server for each, and everything the API needs that is not the broker's.

The rule: this is the only place that starts and stops things; handlers ask it, they never open or close anything.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from lab.node.api.access import Access, hash_secret, read_bootstrap
from lab.node.api.app import NodeApi
from lab.node.api.endpoints import tables
from lab.node.api.errors import ApiError, internal
from lab.node.api.sampling import Sampler
from lab.node.api.server import STOP_SECONDS, ApiServer
from lab.node.boot import boot_all
from lab.node.broker import BrokerNode
from lab.node.cluster import Cluster
from lab.node.draining import Evacuations
from lab.node.faults import Board
from lab.node.rebalance import Rebalances
from lab.node.records import DashboardUser
from lab.node.store import Store

API_PORT = 18083
DEATH_SECONDS, RETURN_SECONDS = 0.2, 2.0
"""How long the other nodes answer 500 when a member dies and when it comes back (two-cluster.md section H)."""
SAVE_SECONDS, LOOK_SECONDS = 1.0, 1.9
_TROUBLED = ("/clients", "/subscriptions", "/metrics", "/monitor_current")


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()


@dataclass(frozen=True)
class Settings:
    """What the command line says; ``network`` is ``127.a.b`` or ``auto``.

    ``boot_factor`` 0 starts at once, 1 with the recorded delays of section I, 0.1 ten times faster.
    ``import_rate`` is how many retained messages an import indexes a second (0: all at once), ``wall_seconds`` after
    how much silence the server closes a connection.
    """

    directory: Path
    name: str = "blue"
    nodes: int = 3
    edition: Literal["ee", "ce"] = "ee"
    version: str = "5.8.11"
    network: str = "auto"
    proxy_protocol: bool = False
    max_sessions: int = 25
    boot_factor: float = 0.0
    import_rate: float = 0.0
    wall_seconds: float = 60.0


class _Lonely:
    """A managed cluster with other tables: what is written to them is gone after the join (I_write_before_join)."""

    def __init__(self, managed: Managed, store: Store) -> None:
        self._managed, self.store = managed, store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._managed, name)


@dataclass
class Trouble:
    """A time in which the cluster answers 500 because ``node`` dies or joins."""

    node: str
    joins: bool
    until: float


class Managed:
    """One cluster of one process."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], prefix: str) -> None:
        """Load what an earlier process left; nothing listens yet."""
        self.settings, self.network = settings, prefix
        self.name, self.edition, self.version = settings.name, settings.edition, settings.version
        self.clock = SystemClock()
        self.directory = settings.directory / "data"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.started = self.clock.now()
        self.store = Store.load(self.directory / "store.json")
        self._accounts(environment)
        if settings.proxy_protocol:
            self.store.config_file["listeners"] = {"tcp": {"default": {"proxy_protocol": True}}}
            self.store.boot()
        self.cluster = Cluster(
            self.name,
            self.store,
            self.version,
            settings.edition,
            settings.max_sessions or None,
            self.clock.now,
            Random(),
        )
        self.access = Access(self.store, self.edition)
        self.faults = Board(self.clock)
        self.rebalances = Rebalances(self.cluster)
        self.evacuations = Evacuations(self.cluster, self.directory, self.rebalances.busy)
        self.sampler = Sampler()
        self.servers: dict[str, ApiServer] = {}
        self.alone: set[str] = set()
        self.mute: set[str] = set()
        self.lonely: dict[str, Store] = {}
        self._troubles: list[Trouble] = []
        self._tables = tables(self.edition)
        self._dirty = False
        self._keeper: asyncio.Task[None] | None = None
        for number in range(1, settings.nodes + 1):
            self.add_node(f"{prefix}.{number}")

    def _accounts(self, environment: Mapping[str, str]) -> None:
        user = environment.get("EMQX_DASHBOARD__DEFAULT_USERNAME", "admin")
        if user not in self.store.dashboard_users:
            password = environment.get("EMQX_DASHBOARD__DEFAULT_PASSWORD", "public")
            role = "administrator" if self.edition == "ee" else None
            self.store.dashboard_users[user] = DashboardUser(user, hash_secret(password), role, "administrator")
        file = self.bootstrap_file = environment.get("EMQX_API_KEY__BOOTSTRAP_FILE", "")
        for line in read_bootstrap(self.store, Path(file), self.clock.now()) if file else ():
            self.log(f"msg: failed_to_load_bootstrap_file, line: {line}, reason: invalid_format")

    def add_node(self, ip: str) -> BrokerNode:
        """One more node, stopped."""
        node = self.cluster.add_node(ip)
        api = NodeApi(self, node.name, *self._tables)
        self.servers[node.name] = ApiServer(api, ip, API_PORT, self.settings.wall_seconds)
        return node

    async def start(self) -> None:
        """Start all nodes; raises OSError when an address is taken, with everything closed again."""
        try:
            if self.settings.boot_factor:
                await boot_all(self, self.settings.boot_factor)
            else:
                for name in self.cluster.nodes:
                    await self.start_node(name)
        except OSError:
            await self.stop()
            raise
        self._keeper = asyncio.create_task(self._keep())

    async def start_node(self, name: str) -> None:
        """MQTT and HTTP of one node; an evacuation that it was in goes on."""
        node = self.cluster.nodes[name]
        self.evacuations.resume(name)
        await node.start()
        await self.servers[name].start()

    async def stop(self) -> None:
        """Orderly: HTTP first, then every client's connection, then the tables on disk."""
        if self._keeper is not None:
            self._keeper.cancel()
        for name in tuple(self.evacuations.running):
            self.evacuations.pause(name)
        for coordinator in tuple(self.rebalances.running):
            self.rebalances.stop(coordinator)
        await asyncio.gather(*(server.stop() for server in self.servers.values()))
        await self.cluster.stop()
        self.save()

    async def kill_node(self, name: str) -> None:
        """A node dies: sockets reset, sessions lost; the others stumble for a moment."""
        self.trouble(name, joins=False, seconds=DEATH_SECONDS + STOP_SECONDS)
        self.evacuations.pause(name)
        await self.servers[name].stop()
        await self.cluster.nodes[name].die()
        self.trouble(name, joins=False, seconds=DEATH_SECONDS)

    async def revive_node(self, name: str) -> None:
        """A dead node comes back: two seconds of 500 from everybody, then it is a member again."""
        self.trouble(name, joins=True, seconds=RETURN_SECONDS)
        await self.start_node(name)

    async def remove_node(self, name: str) -> None:
        """A node leaves the cluster for good."""
        self.evacuations.pause(name)
        await self.servers.pop(name).stop()
        await self.cluster.nodes[name].stop()
        self.cluster.remove_node(name)

    def trouble(self, node: str, *, joins: bool, seconds: float) -> None:
        """Begin a time of 500s."""
        self._troubles = [one for one in self._troubles if one.node != node]
        self._troubles.append(Trouble(node, joins, self.clock.now() + seconds))

    def _active(self) -> Iterator[Trouble]:
        now = self.clock.now()
        return (one for one in self._troubles if one.until > now)

    def passing_trouble(self, here: str, path: str) -> None:
        """Raise the recorded 500 when the cluster stumbles over a member that dies or joins (section H)."""
        for one in self._active():
            if one.node == here or here in self.alone:
                continue
            if path == "/clients/kickout/bulk":
                reason = "{'EXIT',{badarg,[{ets,lookup,[emqx_channel]}]}}" if one.joins else "nodedown"
                raise ApiError(500, "UNKNOWN_ERROR", reason)
            if path == f"/nodes/{one.node}" or path in _TROUBLED:
                if one.joins and path == "/subscriptions":
                    continue
                seen = "undefined" if one.joins else "{badrpc,nodedown}"
                raise internal(f"error, {{case_clause,[{{'{one.node}',{seen}}}]}}, []")

    def view(self, here: str) -> Managed:
        """What the API of ``here`` works on: the cluster, or tables of its own while the node has not joined it."""
        if here not in self.lonely:
            return self
        lonely: Any = _Lonely(self, self.lonely[here])
        found: Managed = lonely
        return found

    def visible(self, here: str) -> list[BrokerNode]:
        """The running members as ``here`` sees them: itself alone before it has joined."""
        if here in self.alone:
            return [self.cluster.nodes[here]]
        return [node for node in self.cluster.running_nodes() if node.name not in self.alone]

    def joining(self) -> set[str]:
        """Members that /nodes does not show for a moment."""
        return {one.node for one in self._active()}

    def stopped(self, here: str) -> list[str]:
        """Members that are known and do not run."""
        if here in self.alone:
            return []
        shown = self.joining()
        return [name for name, node in self.cluster.nodes.items() if node.state == "stopped" and name not in shown]

    def names(self) -> list[str]:
        """The names of the running nodes, in order."""
        return [node.name for node in self.cluster.running_nodes()]

    def serves_api(self, name: str) -> bool:
        """False while a booting node answers 404 for everything but /status (section I)."""
        return name not in self.mute

    def licensed_sessions(self) -> int:
        """The licence's number; without a limit one that nobody reaches."""
        return self.cluster.licence.max_sessions or 10_000_000

    def memory(self) -> tuple[int, int]:
        """Total and used bytes of the machine."""
        page = os.sysconf("SC_PAGE_SIZE")
        return os.sysconf("SC_PHYS_PAGES") * page, (os.sysconf("SC_PHYS_PAGES") - os.sysconf("SC_AVPHYS_PAGES")) * page

    def max_files(self) -> int:
        """How many files this process may open."""
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    def changed(self) -> None:
        """Tables may have changed: they are written within a second or two."""
        self._dirty = True

    def save(self) -> None:
        """Write the tables now."""
        self._dirty = False
        self.store.save(self.directory / "store.json")

    def log(self, line: str) -> None:
        """One line on stderr."""
        print(line, file=sys.stderr, flush=True)

    async def _keep(self) -> None:
        pause = SAVE_SECONDS
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            self.sampler.look(self.cluster, self.clock.now())
            if self._dirty:
                self.save()
            # Large tables are written less often, so that writing never takes more than a tenth of the time.
            pause = max(SAVE_SECONDS, 10 * (time.monotonic() - began))
