"""A managed cluster: the broker's nodes, an HTTP server for each, and everything the API needs that is not the broker's.

The rule: this is the only place that starts and stops things; handlers ask it, they never open or close anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.system.address import Address, port_of
from lab.node.api.app import NodeApi
from lab.node.api.endpoints import tables
from lab.node.api.host import Host, Settings
from lab.node.api.server import STOP_SECONDS, ApiServer
from lab.node.boot import Boot, Delays
from lab.node.broker.member import AuthPhase
from lab.node.broker.node import BrokerNode
from lab.node.kept.persistence import pieces, write_all
from lab.node.kept.store import Store
from lab.node.kept.terms import Terms
from lab.node.network import LOOPBACK_6, free_port, single
from lab.node.v4.app import OldApi
from lab.node.v4.colony import Colony
from lab.node.v4.line import line_of
from lab.node.v4.server import OldServer

API_PORT = 18083
DEATH_SECONDS, RETURN_SECONDS = 0.2, 2.0
"""How long the other nodes answer 500 when a member dies and when it comes back (docs/emqx/cluster.md#a-node-dies)."""
STOPPING_SECONDS = 0.5
"""The same for a member that stops in order (D1_roll_plain_ce_5.8.8_5.8.9: up to 1.2 s, poll interval included)."""
SAVE_SECONDS = 1.0
FILE = "store.json"


@dataclass(frozen=True)
class Seat:
    """What a node takes along wherever it goes: name, address, data directory, what it starts with, and its HTTP server."""

    name: str
    ip: str
    place: Path
    terms: Terms
    server: ApiServer


@dataclass(frozen=True)
class Lodging:
    """Where the nodes of one life line are: their ``network``, and what was asked for them."""

    network: str
    settings: Settings
    seeds: tuple[str, ...] = ()

    @property
    def terms(self) -> Terms:
        """What they start with; without seeds of its own a node looks for those of its life line, and for whom it was told to join."""
        asked = self.settings
        mine = tuple(self.spots)
        seeds = (*self.seeds, *mine) if asked.seeds is None else asked.seeds
        return Terms(asked.version, asked.edition, asked.max_sessions or None, asked.cookie, seeds=seeds)

    @property
    def spots(self) -> dict[str, str]:
        """The nodes that were asked for: name -> address."""
        asked = self.settings
        if single(self.network):
            return {f"{asked.called}@{asked.host or self.network}": self.network} if asked.nodes else {}
        ips = [f"{self.network}.{number}" for number in range(1, asked.nodes + 1)]
        return {f"emqx@{ip}": ip for ip in ips}

    @property
    def data(self) -> Path:
        """The directory of their data."""
        return self.settings.directory / "data"

    def seat(self, ip: str, name: str = "") -> Seat:
        """A new node's."""
        api: Any = None
        name = name or f"emqx@{ip}"
        port = free_port(ip) if ip == LOOPBACK_6 else API_PORT
        server: ApiServer
        if line_of(self.settings.version) is None:
            server = ApiServer(NodeApi(api, name, tables), ip, port, self.settings.wall_seconds)
        else:
            server = OldServer(OldApi(api, name), ip, self.settings.wall_seconds)
        return Seat(name, ip, self.data / name, self.terms, server)


class Managed(Host):
    """One cluster of one process, with its servers; ``since`` says which of several has run without a break for longest (the lowest).

    ``whole``: its tables are also those that its life lines begin with.
    """

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], prefix: str, store: Store | None = None
    ) -> None:
        """With these tables, or with what an earlier process left; nothing listens yet."""
        super().__init__(settings, environment, prefix, store)
        self.servers: dict[str, ApiServer] = {}
        self.lodging = Lodging(prefix, settings)
        self.whole, self.since, self._saves = store is None, 0, 0
        self._keeper: asyncio.Task[None] | None = None
        line = line_of(settings.version)
        if line is not None:
            self.colony = Colony(self, line, environment)
        if prefix == LOOPBACK_6:
            self._listen_on("tcp", free_port(prefix))
            if settings.websocket:
                self._listen_on("ws", free_port(prefix))
        for name, ip in self.lodging.spots.items():
            self.take(self.lodging.seat(ip, name))

    def _listen_on(self, kind: str, port: int) -> None:
        """Another port than EMQX's own, as `emqx.conf` would set it."""
        listeners = self.store.config_file.setdefault("listeners", {}).setdefault(kind, {})
        listeners.setdefault("default", {})["bind"] = f"0.0.0.0:{port}"
        self.store.boot()

    def addresses(self, name: str) -> dict[str, str]:
        """Where a node is, as `components.emqx.models.Node` has it."""
        node, listeners = self.cluster.nodes[name], self.store.effective("listeners")
        found = {"name": name, "api": f"http://{Address(node.ip, self.servers[name].port)}"}
        for field, kind in (("mqtt", "tcp"), ("ws", "ws")):
            opened = [one for one in listeners.get(kind, {}).values() if one.get("enable", True)]
            if opened:
                found[field] = str(Address(node.ip, port_of(opened[0]["bind"])))
        return found

    def add_node(self, ip: str) -> BrokerNode:
        """One more node, stopped, with the cluster's own terms."""
        return self.take(self.lodging.seat(ip))

    def take(self, seat: Seat) -> BrokerNode:
        """A node that does not run is one of this cluster from now on."""
        self.cluster.nodes.pop(seat.name, None)
        node = self.cluster.add_node(seat.ip, seat.terms, seat.name)
        self._place(seat)
        return node

    def _place(self, seat: Seat) -> None:
        self.places[seat.name], self.servers[seat.name], seat.server.api.managed = seat.place, seat.server, self

    def move(self, seat: Seat) -> None:
        """A node that does not run has another address, or another disk."""
        self.cluster.nodes[seat.name].ip = seat.ip
        self._place(seat)

    def give_up(self, name: str) -> Seat:
        """The other way round."""
        node = self.cluster.nodes[name]
        self.cluster.remove_node(name)
        return Seat(name, node.ip, self.places.pop(name), node.terms, self.servers.pop(name))

    async def start(self, phase: AuthPhase = "ready") -> None:
        """Start all nodes; raises OSError when an address is taken, with everything closed again."""
        try:
            if self.colony is not None:
                await asyncio.gather(*(self.start_node(name) for name in self.servers))
            elif self.settings.boot_factor:
                await Boot(self, self.servers, Delays().scaled(self.settings.boot_factor)).all()
            else:
                for name in self.servers:
                    await self.start_node(name, phase)
        except OSError:
            await self.stop()
            raise
        self._keeper = asyncio.create_task(self._keep())

    async def start_node(self, name: str, phase: AuthPhase = "ready") -> None:
        """MQTT and HTTP of one node; an evacuation that it was in goes on."""
        node = self.cluster.nodes[name]
        self.evacuations.resume(name)
        if self.colony is not None:
            await self.colony.boot(name, self.servers[name])
            return
        await node.start(phase)
        await self.servers[name].start()

    async def close_node(self, name: str) -> None:
        """A node closes everything, and goes elsewhere."""
        self.evacuations.pause(name)
        await self.servers[name].stop()
        await self.cluster.nodes[name].stop()

    async def stop(self) -> None:
        """Orderly: HTTP first, then every client's connection, then the tables on disk."""
        for task in (*self._background, *([self._keeper] if self._keeper else [])):
            task.cancel()
        for name in tuple(self.evacuations.running):
            self.evacuations.pause(name)
        for coordinator in tuple(self.rebalances.running):
            self.rebalances.stop(coordinator)
        await asyncio.gather(*(server.stop() for server in self.servers.values()))
        paths = self._paths()
        await self.cluster.stop()
        write_all(pieces(self.store), paths)

    async def kill_node(self, name: str, busy: int | None = None, cut: int | None = None) -> None:
        """A node dies: sockets reset, sessions lost; the others stumble for a moment (`busy`, `cut`: see `BrokerNode.die`)."""
        self.trouble(name, joins=False, seconds=DEATH_SECONDS + STOP_SECONDS)
        self.evacuations.pause(name)
        await self.servers[name].stop()
        await self.cluster.nodes[name].die(busy, cut, resets=self.colony is None)
        self.trouble(name, joins=False, seconds=DEATH_SECONDS)

    async def stop_node(self, name: str) -> None:
        """A node stops in order (SIGTERM): it stays a member that does not run, until it is forced out."""
        self.trouble(name, joins=False, seconds=STOPPING_SECONDS + STOP_SECONDS)
        await self.close_node(name)
        self.trouble(name, joins=False, seconds=STOPPING_SECONDS)

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

    def save(self) -> None:
        """Write the tables now: a copy for every node that runs, and one for its life line, whose nodes begin with it when none runs."""
        self.dirty, self._saves = False, self._saves + 1
        write_all(pieces(self.store), self._paths())

    async def _save_slowly(self) -> None:
        """As `save`, with everybody else's turn after each piece; what was written at one stroke meanwhile is newer."""
        self.dirty, before = False, self._saves
        lines = []
        for line in pieces(self.store):
            lines.append(line)
            await asyncio.sleep(0)
        if self._saves == before:
            write_all(lines, self._paths())

    def _paths(self) -> list[Path]:
        places = [self.place(node.name) for node in self.cluster.running_nodes()]
        if self.whole:
            places += sorted({place.parent for place in places})
        return [place / FILE for place in places]

    async def _keep(self) -> None:
        pause = SAVE_SECONDS
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            self.sampler.look(self.cluster, self.clock.now())
            if self.dirty:
                try:
                    await self._save_slowly()
                except OSError as error:  # a disk is full: the node goes on, as EMQX does
                    self.log(f"msg: failed_to_write, file: {error.filename}, reason: {error.strerror}")
            # Large tables are written less often, so that writing never takes more than a tenth of the time.
            pause = max(SAVE_SECONDS, 10 * (time.monotonic() - began))


def network_of(ip: str, known: Container[str]) -> str:
    """The network of a node's address among those that are known: 127.a.b, or an address that is a network by itself."""
    return ip.rpartition(".")[0] if ip.startswith("127.") and ip not in known else ip
