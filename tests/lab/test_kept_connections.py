"""Connections to an admin socket that stay open: the same answers as over one for each question, and none that holds up what is to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import stamina

from components.emqx.errors import Unreachable
from components.emqx.models import BalancerHandle
from components.kubernetes import loop
from components.routers.haproxy import process, runtime
from components.routers.haproxy.kept import MOST_IDLE, Kept
from components.routers.haproxy.router import HaproxyRouter
from components.routers.haproxy.workers import MASTER
from components.system.address import peer
from tests.lab.balancer_bench import CONNACK, PACKETS, Bench, Broker, bench, send_all, shut

pytestmark = pytest.mark.lab
DEVICES = 450
"""More than a line of commands has room for (``closing.AT_ONCE``)."""


class Opened:
    """How many connections were opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, opened = 0, runtime.opened

        def counted(*arguments: object) -> object:
            self.count += 1
            return opened(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(runtime, "opened", counted)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    return Opened(monkeypatch)


@asynccontextmanager
async def kept(fork: Bench) -> AsyncIterator[tuple[Kept, HaproxyRouter]]:
    way = Kept()
    admin = tuple(str(place / process.ADMIN) for place in fork.directories)
    handle = BalancerHandle(mqtt=fork.address, admin=admin, maps=str(fork.directories[0]))
    try:
        yield way, HaproxyRouter(handle, way=way, timeout_seconds=60, patience_seconds=120)
    finally:
        await asyncio.to_thread(loop.close)
        await way.close()


async def connected(fork: Bench) -> int:
    """How many others HAProxy's admin socket has."""
    shown = await asyncio.to_thread(runtime.ask, str(fork.directories[0] / process.ADMIN), "show sess", 60.0)
    return len([line for line in shown.splitlines() if "fe=GLOBAL" in line]) - 1


async def until(fork: Bench, wanted: range) -> None:
    seen, end = -1, asyncio.get_running_loop().time() + 60
    while asyncio.get_running_loop().time() < end:
        seen = await connected(fork)
        if seen in wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{seen} are open")


async def test_one_connection_to_each_replica_carries_a_whole_step(tmp_path: Path, opened: Opened) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green"), replicas=2) as fork, kept(fork) as (_, router):
        ends = [await asyncio.open_connection(fork.address, 1883) for _ in range(DEVICES)]
        for number, (_, writer) in enumerate(ends):
            writer.write(PACKETS[number % len(PACKETS)])
        assert [await reader.readexactly(4) for reader, _ in ends] == [CONNACK] * DEVICES
        held, servers = await fork.router.connections(), await fork.router.servers()
        addresses = {peer(*writer.get_extra_info("sockname")[:2]) for _, writer in ends}
        before = opened.count
        await router.set_share(4_321)
        assert await router.share() == 4_321
        assert await router.connections() == held
        assert await router.servers() == servers
        mark = await router.mark()
        found = await router.find("blue", addresses)
        assert await router.close("blue", found, mark=mark) == addresses
        assert opened.count - before == 2
        for reader, writer in ends:
            assert await reader.read() == b""
            writer.close()
        assert [await one.share() for one in fork.router.replicas()] == [4_321] * 2


async def test_one_that_ended_meanwhile_is_opened_anew(tmp_path: Path, opened: Opened) -> None:
    async with bench(tmp_path, Broker("blue")) as fork, kept(fork) as (_, router):
        assert await router.share() == 0
        await asyncio.to_thread(process.stop, fork.directories[0])
        await asyncio.to_thread(process.start, fork.directories[0])
        before = opened.count
        assert await router.share() == 0
        assert opened.count - before == 1


async def test_whoever_asks_has_a_connection_alone_and_few_stay_open(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue")) as fork, kept(fork) as (_, router):
        assert await asyncio.gather(*(router.connections() for _ in range(2 * MOST_IDLE))) == [{"blue": 0}] * 6
        await until(fork, range(1, MOST_IDLE + 1))


async def test_a_worker_that_is_to_end_is_not_held_up_once_its_place_is_given_up(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue")) as fork, kept(fork) as (way, router):
        assert await router.share() == 0
        assert await send_all(fork, PACKETS[:1]) == [CONNACK]
        assert await connected(fork) == 1
        way.only(["elsewhere"])
        await until(fork, range(1))


async def test_a_worker_that_is_to_end_and_keeps_its_clients_is_asked_and_not_held_up(
    tmp_path: Path, opened: Opened
) -> None:
    async with bench(tmp_path, Broker("blue"), replicas=2) as fork, kept(fork) as (way, _):
        stays, leaves = (str(place / process.ADMIN) for place in fork.directories)
        await asyncio.to_thread(process.stop, fork.directories[0])
        ends = [await asyncio.open_connection(fork.address, 1883) for _ in range(DEVICES)]
        for number, (_, writer) in enumerate(ends):
            writer.write(PACKETS[number % len(PACKETS)])
        assert [await reader.readexactly(4) for reader, _ in ends] == [CONNACK] * DEVICES
        await asyncio.to_thread(process.start, fork.directories[0], beside=True)
        await asyncio.to_thread(process.retire, fork.directories[1])
        handle = BalancerHandle(mqtt=fork.address, admin=(stays,), maps=str(tmp_path))
        router = HaproxyRouter(handle, way=way, leaving=[leaves], timeout_seconds=60, patience_seconds=120)
        before = opened.count
        mark = await router.mark()
        assert await router.connections() == {"blue": DEVICES}
        addresses = {peer(*writer.get_extra_info("sockname")[:2]) for _, writer in ends}
        found = await router.find("blue", addresses)
        assert await router.close("blue", found, mark=mark) == addresses
        assert opened.count - before <= 2 + MOST_IDLE, "its count and its shares are asked side by side"
        for reader, writer in ends:
            assert await reader.read() == b""
            writer.close()
        end = asyncio.get_running_loop().time() + 60
        while process.running(fork.directories[1]) is not None:
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.05)
        assert await router.connections() == {"blue": 0}


async def test_a_worker_that_has_ended_says_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue")) as fork, kept(fork) as (way, _):
        place = str(fork.directories[0] / MASTER)
        for command in ("@!99999; show info", "@!99999; show info; show stat -1 4 -1"):
            async for attempt in stamina.retry_context(on=Unreachable, attempts=None, timeout=60):
                with attempt:  # a master that has just begun listens in a moment
                    told = await way.read(place, command, 60.0, "".join)
            assert "Pid: " not in told
        assert "worker" in await way.read(place, "show proc", 60.0, "".join)


async def test_an_answer_that_breaks_off_is_no_answer(tmp_path: Path) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"\n> ")
        await reader.readline()
        writer.write(b"# pxname,svname\nblue,a")
        writer.close()

    place = str(tmp_path / process.ADMIN)
    server = await asyncio.start_unix_server(half, place)
    try:
        with pytest.raises(Unreachable, match=r"'show stat'.*closed within an answer"):
            await Kept().read(place, "show stat -1 4 -1", 60.0, "".join)
    finally:
        await shut(server)
