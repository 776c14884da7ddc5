"""HAProxy between a raw client and brokers that only write down what reached them; every byte is the one that was sent."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.cutover.words import COLOURS, Colour, Edition
from components.emqx.models import BalancerHandle, Node
from components.ledger.files import FilesLedger
from components.routers.haproxy import process
from components.routers.haproxy.configuration import HaproxySettings, Side, render
from components.routers.haproxy.frontends import Bind
from components.routers.haproxy.router import HaproxyRouter
from components.routers.haproxy.runtime import ask
from components.routers.haproxy.servers import NONE_OUT, Out
from components.routers.share import set_share
from tests.handles import cluster_at, node_at

CONNACK = bytes.fromhex("20020000")
PROXY_V2 = bytes.fromhex("0d0a0d0a000d0a515549540a")
PATHS: dict[Edition, str] = {"ee": "/api/v5/load_rebalance/availability_check", "ce": "/status"}

_Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


def loopback() -> str:
    """An address that nobody else uses, with all its ports."""
    parts = random.SystemRandom()
    return f"127.{parts.randint(16, 250)}.{parts.randint(0, 255)}.{parts.randint(1, 254)}"


async def shut(*servers: asyncio.Server) -> None:
    """Close what listens once what it has accepted is known: asyncio loses a connection whose server closes between the two."""
    loop = asyncio.get_running_loop()
    for listening in (one for server in servers for one in server.sockets):
        loop.remove_reader(listening.fileno())
    for _ in range(3):  # it is known within as many turns
        await asyncio.sleep(0)
    for server in servers:
        server.close()


@dataclass
class Broker:
    """A node: takes a whole first packet, writes it down, answers CONNACK, then echoes."""

    colour: Colour
    edition: Edition = "ee"
    proxied: bool = False
    healthy: bool = True
    address: str = field(default_factory=loopback)
    packets: list[bytes] = field(default_factory=list)
    peers: list[tuple[str, int]] = field(default_factory=list)
    checks: set[str] = field(default_factory=set)
    servers: list[asyncio.Server] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    tasks: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def node(self) -> Node:
        return node_at(self.address)

    async def serve(self) -> None:
        self.servers = [
            await asyncio.start_server(self._each(self._mqtt), self.address, 1883, backlog=4096, limit=2**20),
            await asyncio.start_server(self._each(self._api), self.address, 18083),
        ]

    def _each(self, serve: _Serve) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        """Known from the moment when it is there, so that ``close`` misses none."""

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.writers.append(writer)
            self.tasks.append(asyncio.ensure_future(serve(reader, writer)))

        return begin

    async def close(self) -> None:
        await shut(*self.servers)
        for writer in self.writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _mqtt(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            if self.proxied:
                self.peers.append(await _proxy_header(reader))
            self.packets.append(await _packet(reader))
            writer.write(CONNACK)
            while data := await reader.read(65536):
                writer.write(data)

    async def _api(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ")[1].decode()
            self.checks.add(path)
            ok = self.healthy and path == PATHS[self.edition]
            writer.write(f"HTTP/1.1 {200 if ok else 503} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
            await writer.drain()


async def _proxy_header(reader: asyncio.StreamReader) -> tuple[str, int]:
    head = await reader.readexactly(16)
    assert head[:12] == PROXY_V2
    assert head[12:14] == b"\x21\x11", "version 2, PROXY, TCP over IPv4"
    rest = await reader.readexactly(int.from_bytes(head[14:16], "big"))
    return ".".join(map(str, rest[:4])), int.from_bytes(rest[8:10], "big")


async def _packet(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(2)
    while head[-1] & 0x80:
        head += await reader.readexactly(1)
    left = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(head[1:]))
    return head + await reader.readexactly(left)


@dataclass
class Bench:
    """One HAProxy (or several replicas) with its brokers."""

    directories: list[Path]
    address: str
    brokers: list[Broker]
    router: HaproxyRouter
    ledger: FilesLedger
    settings: HaproxySettings

    async def set_share(self, parts: int, holder: str | None = None) -> None:
        """As a run does it."""
        await set_share(self.router, self.ledger, parts, holder=holder)

    def of(self, colour: Colour) -> list[Broker]:
        return [broker for broker in self.brokers if broker.colour == colour]

    def got(self, colour: Colour) -> list[bytes]:
        return [packet for broker in self.of(colour) for packet in broker.packets]

    def forget(self) -> None:
        for broker in self.brokers:
            broker.packets.clear()

    async def until(self, wanted: Callable[[dict[Colour, dict[str, bool]]], bool], seconds: float = 60.0) -> None:
        health: dict[Colour, dict[str, bool]] = {}
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            health = {colour: dict(nodes) for colour, nodes in (await self.router.health()).items()}
            if wanted(health):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"waited {seconds} s, last saw {health}")

    def status(self, broker: Broker) -> str:
        """HAProxy's own word: ``UP``, ``UP 1/2``, ``DOWN 1/2``, ``DOWN``."""
        answer = ask(str(self.directories[0] / process.ADMIN), "show stat -1 4 -1", 2.0)
        rows = [line.split(",") for line in answer.splitlines() if broker.address in line]
        return rows[0][17]

    async def down(self, broker: Broker) -> None:
        """Its health check fails; wait until HAProxy has it down (``UP 1/2`` still gets clients)."""
        broker.healthy = False
        await self.until(lambda _: self.status(broker) == "DOWN")

    async def all_up(self) -> None:
        await self.until(lambda health: all(up for nodes in health.values() for up in nodes.values()))


def settings_of(address: str, brokers: list[Broker], *, maps: str = ".") -> HaproxySettings:
    present = [colour for colour in COLOURS if any(broker.colour == colour for broker in brokers)]
    return HaproxySettings(
        binds=(Bind(address=f"{address}:1883"),),
        sides=tuple(_side(colour, [broker for broker in brokers if broker.colour == colour]) for colour in present),
        maps=maps,
        back_seconds=1,
    )


def _side(colour: Colour, brokers: list[Broker]) -> Side:
    addresses = (broker.address for broker in brokers)
    handle = cluster_at(*addresses, colour=colour, proxy_protocol=brokers[0].proxied)
    return Side(cluster=handle, edition=brokers[0].edition)


@contextlib.asynccontextmanager
async def bench(directory: Path, *brokers: Broker, replicas: int = 1) -> AsyncIterator[Bench]:
    """HAProxy in front of these brokers, all of them fully up; everything is gone afterwards."""
    for broker in brokers:
        await broker.serve()
    address = loopback()
    one = replicas == 1
    places = [directory] if one else [directory / f"replica-{number}" for number in range(replicas)]
    settings = settings_of(address, list(brokers), maps="." if one else "..")
    handle = BalancerHandle(
        mqtt=f"{address}:1883", admin=tuple(str(place / process.ADMIN) for place in places), maps=str(directory)
    )
    running = Bench(places, address, list(brokers), HaproxyRouter(handle), FilesLedger(directory), settings)
    try:
        for place in places:
            await asyncio.to_thread(process.write, place, render(settings), map_directory=directory)
            await asyncio.to_thread(process.start, place, beside=place != places[0])
        await running.all_up()
        yield running
    finally:
        for place in places:
            await asyncio.to_thread(process.stop, place)
        for broker in running.brokers:
            await broker.close()


async def change(bench: Bench, *brokers: Broker, out: Out = NONE_OUT) -> None:
    """Reload HAProxy with these brokers instead; ``out`` begin out of service."""
    for broker in brokers:
        if not broker.servers:
            await broker.serve()
    bench.brokers = list(brokers)
    bench.settings = replace_sides(bench.settings, list(brokers))
    for place in bench.directories:
        await asyncio.to_thread(process.write, place, render(bench.settings))
        await asyncio.to_thread(process.reload, place, out=out)


def replace_sides(settings: HaproxySettings, brokers: list[Broker]) -> HaproxySettings:
    return settings.model_copy(update={"sides": settings_of("127.0.0.1", brokers).sides})


@dataclass(frozen=True)
class Connect:
    """A CONNECT packet, right or wrong."""

    client_id: bytes = b"device-0001"
    level: int = 4
    flags: int = 0x02
    keep_alive: int = 60
    properties: bytes = b""
    rest: bytes = b""

    def packet(self) -> bytes:
        name = b"\x00\x06MQIsdp" if self.level & 0x7F == 3 else b"\x00\x04MQTT"
        body = name + bytes([self.level, self.flags]) + self.keep_alive.to_bytes(2, "big")
        if self.level == 5:
            body += varint(len(self.properties)) + self.properties
        body += text(self.client_id) + self.rest
        return b"\x10" + varint(len(body)) + body

    def of(self, client_id: bytes) -> Connect:
        return replace(self, client_id=client_id)


def varint(number: int) -> bytes:
    encoded = b""
    while True:
        number, low = divmod(number, 128)
        encoded += bytes([low | (0x80 if number else 0)])
        if not number:
            return encoded


def text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


PACKETS = [Connect(client_id=f"device-{number}".encode()).packet() for number in range(100)]
"""The first packets of a hundred devices."""


async def send(
    bench: Bench, data: bytes, *, size: int = 2**20, pause_seconds: float = 0.0, before: float = 0.0
) -> bytes:
    """What comes back for these bytes, sent in pieces: CONNACK, or nothing when closed."""
    reader, writer = await asyncio.open_connection(bench.address, 1883)
    with contextlib.closing(writer):
        await asyncio.sleep(before)
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await asyncio.sleep(pause_seconds)
        async with asyncio.timeout(60):
            try:
                return await reader.readexactly(4)
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return b""


async def send_all(bench: Bench, packets: list[bytes], at_once: int = 64) -> list[bytes]:
    """The same for many, in the given order."""
    gate = asyncio.Semaphore(at_once)

    async def one(packet: bytes) -> bytes:
        async with gate:
            return await send(bench, packet)

    return list(await asyncio.gather(*map(one, packets)))
