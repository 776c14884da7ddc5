"""Clusters and balancer at `[::1]`: probes, latency, health checks, PROXY protocol, the claim of an address and the guard work as on IPv4."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from components.cutover.words import Colour
from components.emqx.errors import Refused
from components.emqx.models import BalancerHandle, ClusterHandle, Node
from components.emqx.probes import Prober
from components.ledger.files import FilesLedger
from components.routers.haproxy import process
from components.routers.haproxy.claim import claimed
from components.routers.haproxy.configuration import HaproxySettings, Side, render
from components.routers.haproxy.frontends import Bind
from components.routers.haproxy.router import HaproxyRouter
from components.routers.haproxy.runtime import ask
from components.routers.share import set_share
from components.run import latency
from components.run.latency import connect_milliseconds
from components.system.ports import listens
from lab.fleet.cli import _addresses
from tests.lab.balancer_bench import CONNACK, PACKETS, PROXY_V2, shut
from tests.lab.local_bed import free_port

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

LOCALHOST = socket.inet_pton(socket.AF_INET6, "::1")


class Six:
    """A broker and its API at [::1], on ports of their own; it writes down the PROXY header, then answers CONNACK."""

    def __init__(self, colour: Colour, *, proxied: bool) -> None:
        self.colour, self.proxied = colour, proxied
        self.heads: list[bytes] = []
        self.clients = 0
        self.handle: ClusterHandle

    async def mqtt(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            if self.proxied:
                head = await reader.readexactly(16)
                self.heads.append(head + await reader.readexactly(int.from_bytes(head[14:16], "big")))
            first = await reader.readexactly(2)
            if first == b"\x10\x02":
                return
            await reader.readexactly(first[1])
            self.clients += 1
            writer.write(CONNACK)
            await reader.read()

    async def api(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()


@asynccontextmanager
async def six(colour: Colour, *, proxied: bool = False) -> AsyncIterator[Six]:
    broker = Six(colour, proxied=proxied)
    async with (
        await asyncio.start_server(broker.mqtt, "::1", 0) as mqtt,
        await asyncio.start_server(broker.api, "::1", 0) as api,
    ):
        ports = [one.sockets[0].getsockname()[1] for one in (mqtt, api)]
        node = Node(name=f"emqx@{colour}.ip6", api=f"http://[::1]:{ports[1]}", mqtt=f"[::1]:{ports[0]}")
        broker.handle = ClusterHandle(colour=colour, nodes=(node,), version="5.8.9", proxy_protocol=proxied)
        yield broker
        await shut(mqtt, api)


def free() -> str:
    return f"[::1]:{free_port('::1')}"


@pytest.mark.parametrize("proxied", [False, True])
async def test_the_latency_of_a_node_is_measured(proxied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "PROBE_SECONDS", 60.0)
    async with six("green", proxied=proxied) as green:
        found = await connect_milliseconds(green.handle)
        assert found is not None
        assert found < latency.PROBE_SECONDS * 1000, "answered, not timed out"


@pytest.mark.parametrize("proxied", [False, True])
async def test_a_probe_gets_in(proxied: bool) -> None:
    async with six("green", proxied=proxied) as green:
        answer = await Prober(green.handle.nodes[0], proxy_protocol=proxied).connects(4, None, None)
        assert answer.accepted, answer
        for head in green.heads:
            assert head[:16] == PROXY_V2 + b"\x21\x21" + (36).to_bytes(2, "big"), "TCP over IPv6"
            assert head[16:48] == LOCALHOST * 2


async def test_the_guard_sees_an_open_port() -> None:
    async with six("green") as green:
        assert await listens(green.handle.nodes[0].mqtt)
    assert not await listens(free())


async def test_an_address_that_is_taken_is_refused() -> None:
    place = free()
    with claimed((place,), 0.0):
        pass
    with socket.create_server(("::1", int(place.rpartition(":")[2])), family=socket.AF_INET6):
        for one in (place, f"[::]:{place.rpartition(':')[2]}"):
            with pytest.raises(Refused, match="somebody listens there already"), claimed((one,), 0.0):
                pytest.fail("claimed")


async def test_a_balancer_listens_checks_and_moves_on_ipv6(tmp_path: Path) -> None:
    listen, admin = free(), free()
    async with AsyncExitStack() as stack:
        blue = await stack.enter_async_context(six("blue", proxied=True))
        green = await stack.enter_async_context(six("green"))
        sides = tuple(Side(cluster=one.handle, edition="ce") for one in (blue, green))
        text = render(HaproxySettings(binds=(Bind(address=listen),), sides=sides, admin=(admin,)))
        assert "resolvers" not in text, "an address is no name"
        stack.callback(process.stop, tmp_path)
        await asyncio.to_thread(process.bring, tmp_path, text)
        router = HaproxyRouter(BalancerHandle(mqtt=listen, admin=(admin,), maps=str(tmp_path)))
        assert "Name: HAProxy" in await asyncio.to_thread(ask, admin, "show info", 2.0)
        async with asyncio.timeout(60):
            while not all(up for nodes in (await router.health()).values() for up in nodes.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await router.health() == {"blue": {"emqx@blue.ip6": True}, "green": {"emqx@green.ip6": True}}
        await set_share(router, FilesLedger(tmp_path), 5000, holder=None)
        for packet in PACKETS:
            reader, writer = await asyncio.open_connection(*_addresses(listen)[0])
            writer.write(packet)
            assert await reader.readexactly(4) == CONNACK
            writer.close()
        assert blue.clients + green.clients == len(PACKETS)
        assert min(blue.clients, green.clients) > 0
        assert {head[16:32] for head in blue.heads} == {LOCALHOST}, "the device's own address"


async def test_every_address_is_both_kinds(tmp_path: Path) -> None:
    async with six("blue") as blue:
        port = free().rpartition(":")[2]
        side = Side(cluster=blue.handle, edition="ce")
        await asyncio.to_thread(
            process.bring, tmp_path, render(HaproxySettings(binds=(Bind(address=f"[::]:{port}"),), sides=(side,)))
        )
        try:
            for host in ("::1", "127.0.0.1"):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(PACKETS[0])
                assert await reader.readexactly(4) == CONNACK
                writer.close()
        finally:
            process.stop(tmp_path)
