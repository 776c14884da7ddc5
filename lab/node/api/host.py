"""What the management API of one process works on: the cluster, its accounts, faults and evacuations, and how each node sees the others.

The rule: everything here is asked and told; it starts nothing, and opens no port.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

from components.hocon.document import loads
from lab.node.api.access import Access, hash_secret, read_bootstrap
from lab.node.api.errors import ApiError, internal
from lab.node.api.faults import Board
from lab.node.api.heard import Heard
from lab.node.api.sampling import Sampler
from lab.node.archive.backup import numbers
from lab.node.broker.cluster import Cluster
from lab.node.broker.node import BrokerNode
from lab.node.kept.persistence import read
from lab.node.kept.records import DashboardUser
from lab.node.kept.store import Store, merged
from lab.node.kept.terms import Edition, Terms
from lab.node.moving.draining import Evacuations
from lab.node.moving.rebalance import Rebalances

WS_PORT = 8083
BASE_SINCE = (5, 8, 4)
"""No node before it reads ``base.hocon`` (emqx#14269)."""
NO_LIMIT = 10_000_000
_RESOURCES = ("/connectors", "/actions")
EMPTY_SECONDS = 0.5
"""How long these lists are empty, with 200, when a member has come back (D1_roll_plain_ce_5.8.8_5.8.9)."""
_TROUBLED = ("/clients", "/subscriptions", "/metrics", "/monitor_current")


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()


@dataclass(frozen=True)
class Settings:
    """What the command line says; ``network`` is ``127.a.b``, ``auto``, or the address of one node.

    ``boot_factor`` 0 starts at once, 1 with the recorded delays (docs/emqx/cluster.md#fresh-start), 0.1 ten times faster.
    ``seeds`` None are the life line's own nodes and those that run where it joins; without any its nodes wait for an invitation.
    ``import_rate`` is how many retained messages an import indexes a second (0: all at once), ``wall_seconds`` after
    how much silence the server closes a connection.  ``host`` is what stands in the node's name behind ``called`` where ``network`` is its
    address; ``config`` the roots of its ``emqx.conf``.
    """

    directory: Path
    name: str = "blue"
    nodes: int = 3
    edition: Edition = "ee"
    version: str = "5.8.11"
    network: str = "auto"
    proxy_protocol: bool = False
    websocket: bool = False
    max_sessions: int = 25
    boot_factor: float = 0.0
    import_rate: float = 0.0
    wall_seconds: float = 60.0
    cookie: str = "emqxsecretcookie"
    seeds: tuple[str, ...] | None = None
    host: str = ""
    called: str = "emqx"
    config: dict[str, Any] = field(default_factory=dict)


class Membership(Protocol):
    """Who may be a member: asked by the node that was called, for another one."""

    async def invite(self, here: str, name: str) -> None:
        """Let it join; raises ApiError with the recorded refusal."""

    async def force_leave(self, here: str, name: str) -> None:
        """Put it out; raises ApiError with the recorded refusal."""


def _listeners(settings: Settings) -> dict[str, Any]:
    """As `emqx.conf` would set them."""
    proxied = {"proxy_protocol": settings.proxy_protocol}
    websocket = {"default": {**proxied, "enable": True, "bind": f"0.0.0.0:{WS_PORT}"}}
    return {"tcp": {"default": proxied}, **({"ws": websocket} if settings.websocket else {})}


class _View:
    """A host as one node shows it: with the node's own release, and with tables of its own until it has joined (I_write_before_join)."""

    def __init__(self, host: Host, store: Store, terms: Terms) -> None:
        self._host, self.store = host, store
        self.version, self.edition = terms.version, terms.edition

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)


@dataclass
class Trouble:
    """A time in which the cluster answers 500 because ``node`` dies or joins; at the end of one that ``returns`` some lists are empty."""

    node: str
    joins: bool
    until: float
    returns: bool = False

    def empties(self, now: float) -> bool:
        """Whether lists of resources are empty now."""
        return self.returns and 0 < self.until - now <= EMPTY_SECONDS


class Host:
    """One cluster of one process, as far as its API knows it."""

    membership: Membership
    colony: Any = None
    """What a 4.x cluster has besides (`lab.node.v4.colony`); None in 5.x."""

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], prefix: str, store: Store | None = None
    ) -> None:
        """With these tables, or with what an earlier process left; nothing listens yet."""
        self.settings, self.network = settings, prefix
        self.name, self.edition, self.version = settings.name, settings.edition, settings.version
        self.clock = SystemClock()
        self.directory = settings.directory / "data"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.started = self.clock.now()
        self.store = read(self.directory / "store.json") if store is None else store
        self.store.lose_ram()
        self.read_accounts(environment)
        self._read_settings()
        self.cluster = Cluster(
            self.name,
            self.store,
            self.version,
            settings.edition,
            settings.max_sessions or None,
            self.clock.now,
            Random(),
        )
        self.access = Access(self.store)
        self.faults, self.heard = Board(self.clock), Heard()
        self.rebalances = Rebalances(self.cluster)
        self.evacuations = Evacuations(self.cluster, self.place, self.rebalances.busy)
        self.sampler = Sampler()
        self.alone: set[str] = set()
        self.mute: set[str] = set()
        self.lonely: dict[str, Store] = {}
        self.durable: dict[str, Any] = {}
        self.places: dict[str, Path] = {}
        self.invitations: dict[str, dict[str, str]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._troubles: list[Trouble] = []
        self.dirty = False

    def _read_settings(self) -> None:
        """What was asked for stands in ``emqx.conf``; ``base.hocon`` is a file beside it."""
        base = self.settings.directory / "etc" / "base.hocon"
        if base.exists() and numbers(self.version) >= BASE_SINCE:
            self.store.base = dict(loads(base.read_text(encoding="utf-8")))
            self.store.boot()
        if self.settings.proxy_protocol or self.settings.websocket:
            self.store.config_file["listeners"] = _listeners(self.settings)
            self.store.boot()
        if self.settings.config:
            self.store.config_file = merged(self.store.config_file, self.settings.config)
            self.store.boot()

    def read_accounts(self, environment: Mapping[str, str]) -> None:
        """Add the dashboard user and the API keys that a node starts with: it reads its file at each start (recording 13_config_priority_and_api_key_bootstrap)."""
        user = environment.get("EMQX_DASHBOARD__DEFAULT_USERNAME", "admin")
        if user not in self.store.dashboard_users:
            password = environment.get("EMQX_DASHBOARD__DEFAULT_PASSWORD", "public")
            role = "administrator" if self.edition == "ee" else None
            self.store.dashboard_users[user] = DashboardUser(user, hash_secret(password), role, "administrator")
        file = self.bootstrap_file = environment.get("EMQX_API_KEY__BOOTSTRAP_FILE", "")
        for line in read_bootstrap(self.store, Path(file), self.clock.now()) if file else ():
            self.log(f"msg: failed_to_load_bootstrap_file, line: {line}, reason: invalid_format")

    def trouble(self, node: str, *, joins: bool, seconds: float, returns: bool = False) -> None:
        """Begin a time of 500s."""
        self._troubles = [one for one in self._troubles if one.node != node]
        self._troubles.append(Trouble(node, joins, self.clock.now() + seconds, returns))

    def lists_no_resources(self, here: str) -> bool:
        """Whether ``here`` shows no connector and no action for a moment, and says 200."""
        return any(one.empties(self.clock.now()) for one in self._active() if one.node != here)

    def _active(self) -> Iterator[Trouble]:
        now = self.clock.now()
        return (one for one in self._troubles if one.until > now)

    def passing_trouble(self, here: str, path: str) -> None:
        """Raise the recorded 500 when the cluster stumbles over a member that dies or joins (docs/emqx/cluster.md#a-node-dies)."""
        if self.cluster.nodes[here].auth_phase == "open" and path.startswith("/authorization/sources"):
            raise ApiError(500, "", None)  # it has no rules yet, and says nothing of it (A1_static_join_ce_5.8.8_5.8.9)
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
            empties = one.empties(self.clock.now())
            if one.joins and not empties and path in _RESOURCES and self.store.effective(path[1:]):
                raise internal("{exception,badarg,[{ets,lookup,[emqx_resource_cache]}]}")

    def view(self, here: str) -> Host:
        """What the API of ``here`` works on: the cluster, or tables of its own while the node has not joined it."""
        seen: Any = _View(self, self.lonely.get(here, self.store), self.cluster.nodes[here].terms)
        found: Host = seen
        return found

    def place(self, name: str) -> Path:
        """The data directory of a node."""
        return self.places.get(name, self.directory / name)

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
        """False while a booting node answers 404 for everything but /status (docs/emqx/cluster.md#fresh-start)."""
        return name not in self.mute

    def licensed_sessions(self) -> int:
        """The number of the licence that holds; without a limit one that nobody reaches."""
        return self.cluster.licence.max_sessions or NO_LIMIT

    def memory(self) -> tuple[int, int]:
        """Total and used bytes of the machine."""
        page = os.sysconf("SC_PAGE_SIZE")
        return os.sysconf("SC_PHYS_PAGES") * page, (os.sysconf("SC_PHYS_PAGES") - os.sysconf("SC_AVPHYS_PAGES")) * page

    def max_files(self) -> int:
        """How many files this process may open."""
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    def background(self, task: asyncio.Task[None]) -> None:
        """Work that goes on after the answer."""
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def changed(self) -> None:
        """Tables may have changed: they are written within a second or two."""
        self.dirty = True

    def log(self, line: str) -> None:
        """One line on stderr."""
        print(line, file=sys.stderr, flush=True)
