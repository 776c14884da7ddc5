"""Who came by WebSocket is asked of the cluster, and of the balancer where the cluster does not tell: those move in the last step."""

from __future__ import annotations

import re
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from components.emqx.clients import ConnectedClient, ConnectedClients
from components.routers.haproxy import closing
from components.routers.haproxy.workers import Worker
from components.run.run import Run

pytestmark = pytest.mark.unit

SHOWN = [
    "0x1: proto=tcpv4 src=10.0.0.1:5001 fe=mqtt be=blue srv=a \n",
    "0x2: proto=tcpv4 src=10.0.0.2:5002 fe=mqtt_ws be=blue_ws srv=a \n",
    "0x3: proto=tcpv4 src=10.0.0.3:5003 fe=mqtt_ws be=green_ws srv=b \n",
]
ADDRESSES = ("10.0.0.1:5001", "10.0.0.2:5002", "10.0.0.3:5003")


async def reads(_worker: Worker, _commands: Any, parse: Any, *, only: str = "") -> Any:
    """No more of a line than what is meant, as a far end may do it."""
    return parse([found[0] for line in SHOWN if (found := re.search(only, line))])


async def find(backends: Collection[str]) -> list[str]:
    worker: Any = SimpleNamespace(admin="a", pid="1", connections=3)
    return sorted(await closing.find(reads, [worker], backends, ADDRESSES, "client"))


async def test_the_balancer_tells_its_connections_apart_by_their_backend() -> None:
    assert await find({"blue", "blue_ws"}) == ["10.0.0.1:5001", "10.0.0.2:5002"]
    assert await find({"blue_ws"}) == ["10.0.0.2:5002"]


class Told:
    """A cluster that lists addresses, and tells of WebSocket or does not."""

    def __init__(self, masked: frozenset[str] | None, *, proxied: bool) -> None:
        self.masked, self.handle = masked, SimpleNamespace(proxy_protocol=proxied)

    async def websocket_clients(self) -> frozenset[str] | None:
        return self.masked

    async def connected_clients(self) -> ConnectedClients:
        return ConnectedClients(ConnectedClient(f"dev-{number}", one) for number, one in enumerate(ADDRESSES))


class Balancer:
    """It carries WebSocket."""

    can = SimpleNamespace(late_clients=frozenset({"websocket"}))

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []

    async def find(self, _colour: str, addresses: Collection[str], *, seen_as: str, websocket_only: bool) -> Any:
        self.asked.append((seen_as, websocket_only))
        return {one: "place" for one in addresses if one == ADDRESSES[1]}


async def late(masked: frozenset[str] | None, parts: int, *, proxied: bool = True) -> tuple[frozenset[str], Balancer]:
    cluster: Any = Told(masked, proxied=proxied)
    router: Any = Balancer()
    nothing: Any = None
    run = Run({"blue": cluster}, router, nothing, "t", *([nothing] * 7))
    return await run.late("blue", parts), router


async def test_a_cluster_that_tells_is_believed() -> None:
    found, balancer = await late(frozenset({"dev-0"}), 5_000)
    assert (found, balancer.asked) == (frozenset({"dev-0"}), [])


@pytest.mark.parametrize(("proxied", "seen_as"), [(True, "client"), (False, "balancer")])
async def test_of_a_cluster_that_does_not_tell_the_balancer_says_who_stays(proxied: bool, seen_as: str) -> None:
    found, balancer = await late(None, 5_000, proxied=proxied)
    assert (found, balancer.asked) == (frozenset({"dev-1"}), [(seen_as, True)])


async def test_in_the_last_step_nobody_stays() -> None:
    found, balancer = await late(None, 10_000)
    assert (found, balancer.asked) == (frozenset(), [])
