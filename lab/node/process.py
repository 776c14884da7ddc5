"""A managed cluster: the broker's nodes, an HTTP server for each, and everything the API needs that is not the broker's.

The rule: this is the only place that starts and stops things; handlers ask it, they never open or close anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.system.address import Address, port_of
from lab.node.api.app import NodeApi
from lab.node.api.endpoints import tables
from lab.node.api.host import Host, Settings
from lab.node.api.server import STOP_SECONDS, ApiServer
from lab.node.boot import Boot, Delays
from lab.node.broker.node import BrokerNode
from lab.node.kept.persistence import write
from lab.node.kept.terms import Terms
from lab.node.network import LOOPBACK_6, free_port

API_PORT = 18083
DEATH_SECONDS, RETURN_SECONDS = 0.2, 2.0
"""How long the other nodes answer 500 when a member dies and when it comes back (docs/emqx/cluster.md#a-node-dies)."""
STOPPING_SECONDS = 0.5
"""The same for a member that stops in order (D1_roll_plain_ce_5.8.8_5.8.9: up to 1.2 s, poll interval included)."""
SAVE_SECONDS = 1.0


@dataclass(frozen=True)
class Lodging:
    """Where the nodes of one life line are: the line's ``name``, their ``network``, what they start with, and their ``data`` directory."""

    name: str
    network: str
    terms: Terms
    data: Path

    @classmethod
    def of(cls, settings: Settings, network: str) -> Lodging:
        """That of a life line which asked for this."""
        return cls(settings.name, network, Terms(settings.version, settings.edition), settings.directory / "data")


class Managed(Host):
    """One cluster of one process, with its servers."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], prefix: str) -> None:
        """Load what an earlier process left; nothing listens yet."""
        super().__init__(settings, environment, prefix)
        self.servers: dict[str, ApiServer] = {}
        self.lodgings = {prefix: Lodging.of(settings, prefix)}
        self._saved_in = {self.directory}
        self._keeper: asyncio.Task[None] | None = None
        if prefix == LOOPBACK_6:
            self._listen_on("tcp", free_port(prefix))
            if settings.websocket:
                self._listen_on("ws", free_port(prefix))
            self.add_node(prefix)
            return
        for number in range(1, settings.nodes + 1):
            self.add_node(f"{prefix}.{number}")

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
            if kind in listeners:
                found[field] = str(Address(node.ip, port_of(listeners[kind]["default"]["bind"])))
        return found

    def of(self, network: str) -> dict[str, dict[str, str]]:
        """The nodes of a life line by name, with their addresses."""
        return {
            name: self.addresses(name) for name, node in self.cluster.nodes.items() if network_of(node.ip) == network
        }

    async def lodge(self, lodging: Lodging, count: int) -> None:
        """The nodes of one more life line join, or come back; raises OSError when an address is taken."""
        self.lodgings[lodging.network] = lodging
        self._saved_in.add(lodging.data)
        for number in range(1, count + 1):
            ip = f"{lodging.network}.{number}"
            if f"emqx@{ip}" not in self.cluster.nodes:
                self.add_node(ip)
        for name in self.of(lodging.network):
            if self.cluster.nodes[name].state == "stopped":
                await self.revive_node(name)

    async def leave(self, network: str, *, dead: bool) -> None:
        """The life line of these nodes is gone: they die with it, or stop in order; members they stay."""
        self._saved_in.discard(self.lodgings[network].data)
        for name in self.of(network):
            await (self.kill_node(name) if dead else self.stop_node(name))

    def add_node(self, ip: str) -> BrokerNode:
        """One more node, stopped; it belongs to the life line of its network."""
        lodging = self.lodgings[network_of(ip)]
        node = self.cluster.add_node(ip, lodging.terms)
        self.places[node.name] = lodging.data / node.name
        api = NodeApi(self, node.name, tables)
        port = free_port(ip) if ip == LOOPBACK_6 else API_PORT
        self.servers[node.name] = ApiServer(api, ip, port, self.settings.wall_seconds)
        return node

    async def start(self) -> None:
        """Start all nodes; raises OSError when an address is taken, with everything closed again."""
        try:
            if self.settings.boot_factor:
                await Boot(self, self.servers, Delays().scaled(self.settings.boot_factor)).all()
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

    async def kill_node(self, name: str, busy: int | None = None, cut: int | None = None) -> None:
        """A node dies: sockets reset, sessions lost; the others stumble for a moment (`busy`, `cut`: see `BrokerNode.die`)."""
        self.trouble(name, joins=False, seconds=DEATH_SECONDS + STOP_SECONDS)
        self.evacuations.pause(name)
        await self.servers[name].stop()
        await self.cluster.nodes[name].die(busy, cut)
        self.trouble(name, joins=False, seconds=DEATH_SECONDS)

    async def stop_node(self, name: str) -> None:
        """A node stops in order (SIGTERM): it stays a member that does not run, until it is forced out."""
        self.trouble(name, joins=False, seconds=STOPPING_SECONDS + STOP_SECONDS)
        self.evacuations.pause(name)
        await self.servers[name].stop()
        await self.cluster.nodes[name].stop()
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
        """Write the tables now."""
        self.dirty = False
        for directory in self._saved_in:
            write(self.store, directory / "store.json")

    async def _keep(self) -> None:
        pause = SAVE_SECONDS
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            self.sampler.look(self.cluster, self.clock.now())
            if self.dirty:
                self.save()
            # Large tables are written less often, so that writing never takes more than a tenth of the time.
            pause = max(SAVE_SECONDS, 10 * (time.monotonic() - began))


def network_of(ip: str) -> str:
    """The network of a node's address: 127.a.b, or IPv6's loopback itself."""
    return ip if ip == LOOPBACK_6 else ip.rpartition(".")[0]
