"""The balancer's resource as the engine calls it, in front of lab clusters of one node, and clients whose cut connections stay cut."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from components.cutover.words import COLOURS, Colour
from components.emqx.models import BalancerHandle, Credentials
from components.ledger.registry import ledger_of
from components.local import balancer as balancing
from components.local import cluster as local
from components.resources.cluster_guard import ClusterGuardProvider
from components.resources.mqtt_balancer import MqttBalancerProvider
from components.routers.base import Router
from components.routers.haproxy import process
from components.routers.haproxy.runtime import ask
from components.routers.registry import router_of
from components.routers.share import set_share
from components.system.trusted import authorities
from tests.lab.balancer_bench import CONNACK, Connect
from tests.lab.devices import SECONDS
from tests.lab.local_bed import wanted

CREDENTIALS: dict[str, Credentials] = {
    colour: Credentials(api_key="key", api_secret="planted-secret") for colour in COLOURS
}


class Clusters:
    """Lab clusters of one node, by name; their colour is a matter of who declares them."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.handles = directory, dict[str, dict[str, Any]]()

    def serve(self, name: str) -> None:
        self.handles[name] = local.serve(wanted(self.directory / name), CREDENTIALS["blue"], lambda: None)["handle"]

    def of(self, name: str, colour: Colour) -> dict[str, Any]:
        return {**self.handles[name], "colour": colour}

    def fault(self, name: str, **fault: Any) -> None:
        ready = local.running(self.directory / name)
        assert ready is not None
        httpx.post(f"{ready['control']}/faults", json=fault, timeout=SECONDS, verify=authorities()).raise_for_status()

    def heal(self) -> None:
        for name in self.handles:
            ready = local.running(self.directory / name)
            if ready is None:
                self.serve(name)
            else:
                httpx.delete(f"{ready['control']}/faults", timeout=SECONDS, verify=authorities()).raise_for_status()

    def live(self, name: str) -> int:
        url = f"{self.handles[name]['nodes'][0]['api']}/api/v5/nodes"
        nodes = (
            httpx.get(url, auth=("key", "planted-secret"), timeout=SECONDS, verify=authorities())
            .raise_for_status()
            .json()
        )
        return sum(node["live_connections"] for node in nodes)


class Balancer:
    """The resource, with the state between the calls; ``colours`` are names of clusters."""

    def __init__(self, directory: Path, clusters: Clusters) -> None:
        self.directory, self.clusters, self.state = directory, clusters, dict[str, Any]()
        self.id = ""
        self.provider = MqttBalancerProvider()
        self.provider.credentials = CREDENTIALS

    def props(self, colours: dict[Colour, str], **changes: Any) -> dict[str, Any]:
        return {
            "name": "balancer",
            "live": "blue",
            "colours": list(colours),
            "clusters": {colour: self.clusters.of(name, colour) for colour, name in colours.items()},
            "editions": dict.fromkeys(colours, "ee"),
            "directory": str(self.directory),
            "max_connections": 500,
            "back_seconds": 1,
            "replicas": 1,
            "soak_seconds": 0,
            **changes,
        }

    def refusals(self, colours: dict[Colour, str], **changes: Any) -> list[str]:
        return [one.reason for one in self.provider.check(self.state, self.props(colours, **changes)).failures]

    def up(self, colours: dict[Colour, str], **changes: Any) -> bool:
        """Whether anything had to be done."""
        news = self.props(colours, **changes)
        assert self.refusals(colours, **changes) == []
        if not self.state:
            made: Any = self.provider.create(news)
            self.id = str(made.id)
        elif self.provider.diff(self.id, self.state, news).changes:
            made = self.provider.update(self.id, self.state, news)
        else:
            return False
        self.state = dict(made.outs or {})
        return True

    def delete(self) -> None:
        self.provider.delete(self.id, self.state)
        self.state = {}

    @property
    def handle(self) -> BalancerHandle:
        return balancing.handle_of(self.directory)

    @property
    def router(self) -> Router:
        return router_of(self.handle)

    def set_share(self, parts: int) -> None:
        asyncio.run(set_share(self.router, ledger_of(self.handle), parts, holder=None))

    def remember(self, values: Mapping[str, str | None]) -> None:
        async def write() -> None:
            async with ledger_of(self.handle).held(None) as writing:
                await writing.write(values)

        asyncio.run(write())

    def memory(self) -> dict[str, str]:
        return dict(asyncio.run(ledger_of(self.handle).read()).memory)

    def all_up(self) -> None:
        until(lambda: all(all(nodes.values()) for nodes in asyncio.run(self.router.health()).values()))

    def guard(self, colour: Colour, name: str, *, ours: bool = True) -> None:
        """What `destroy` does first."""
        provider = ClusterGuardProvider()
        provider.credentials = CREDENTIALS
        props = {
            "colour": colour,
            "cluster": self.clusters.of(name, colour),
            "balancer": self.handle.model_dump(),
            "ours": ours,
        }
        provider.delete("guard", {"name": f"{colour}-guard", **props})


class Clients:
    """Connections that are never made again, so that one that is cut stays cut."""

    def __init__(self, address: str, count: int) -> None:
        host, _, port = address.rpartition(":")
        self.sockets = [socket.create_connection((host, int(port)), SECONDS) for _ in range(count)]
        for number, one in enumerate(self.sockets):
            one.sendall(Connect(client_id=f"{id(self)}-{number}".encode(), keep_alive=0).packet())
            assert one.recv(4) == CONNACK
            one.setblocking(False)

    def cut(self) -> int:
        """How many have lost their connection."""
        return sum(map(_is_cut, self.sockets))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.sockets:
            one.close()


def _is_cut(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def clients_of(replica: Path) -> int:
    answer = ask(str(replica / process.ADMIN), "show stat mqtt 1 -1", 2.0)
    names, row = (line.removeprefix("# ").split(",") for line in answer.splitlines()[:2])
    return int(dict(zip(names, row, strict=True))["scur"])
