"""Writes to HAProxy: replicas agree, updates at once lose nothing, a run without its lease writes nothing, and no wait is for ever."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from components.emqx.errors import BadInput, GaveUp, LeaseLost, NotNow, Refused, Unreachable
from components.emqx.models import BalancerHandle
from components.ledger import files as maps
from components.routers.haproxy import process
from components.routers.haproxy.router import HaproxyRouter
from components.routers.haproxy.runtime import ask
from tests.lab.balancer_bench import CONNACK, ODD, PACKETS, Broker, bench, loopback, send_all

pytestmark = pytest.mark.lab


async def test_replicas_agree_after_every_write(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green"), replicas=3) as fork:
        await fork.router.set_share(3333)
        await fork.router.remember(ODD)
        singles = [_router(place / process.ADMIN, tmp_path) for place in fork.directories]
        assert [await single.share() for single in singles] == [3333] * 3
        assert [await single.memory() for single in singles] == [ODD] * 3
        assert await send_all(fork, PACKETS) == [CONNACK] * 100
        process.stop(fork.directories[1])
        process.start(fork.directories[1], beside=True)
        assert await fork.router.share() == 3333


async def test_two_updates_that_write_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green"), replicas=2) as fork:
        others = [HaproxyRouter(_handle_of(fork.directories, tmp_path)) for _ in range(4)]
        await asyncio.gather(
            *(router.remember({f"key {number}": f"value {number}"}) for number, router in enumerate(others * 5)),
            *(router.set_share(1000 + number) for number, router in enumerate(others)),
        )
        assert await fork.router.memory() == {f"key {number}": f"value {number}" for number in range(20)}
        assert await fork.router.share() in range(1000, 1004)
        for directory in fork.directories:
            process.stop(directory)
            process.start(directory, beside=True)
        assert await fork.router.memory() == {f"key {number}": f"value {number}" for number in range(20)}


async def test_a_place_that_cannot_be_written_is_said_before_anything_changes(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork:
        router = _router(tmp_path / process.ADMIN, tmp_path / "nowhere")
        with pytest.raises(Refused, match="nowhere"):
            await router.set_share(1)
        assert await fork.router.share() == 0
        with pytest.raises(BadInput, match="host:port"):
            await HaproxyRouter(_handle("admin.sock", tmp_path)).share()


async def test_a_lock_that_is_never_given_back_is_said(tmp_path: Path) -> None:
    router = HaproxyRouter(_handle(str(tmp_path / "none"), tmp_path), patience_seconds=0.2)
    async with maps.locked(tmp_path, 1.0):
        with pytest.raises(GaveUp, match="held by another process"):
            await router.set_share(1)


async def test_a_run_that_lost_the_lease_while_it_waited_for_the_lock_writes_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork:
        await fork.router.remember({"run": "older"})
        await fork.router.set_share(100, holder="older")
        await fork.router.remember({"origin": "blue"}, holder="older")
        async with maps.locked(tmp_path, 1.0):
            share = asyncio.create_task(fork.router.set_share(5000, holder="older"))
            memory = asyncio.create_task(fork.router.remember({"origin": None}, holder="older"))
            await asyncio.sleep(0.1)
            maps.write(tmp_path / maps.MEMORY, {"run": "=newer", "origin": "=blue"})
        for late in (share, memory):
            with pytest.raises(LeaseLost, match="run newer holds it, this is run older"):
                await late
        await fork.router.settle()
        assert await fork.router.share() == 100
        assert await fork.router.memory() == {"run": "newer", "origin": "blue"}


async def test_replicas_that_disagree_are_refused_and_can_be_settled(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green"), replicas=2) as fork:
        await fork.router.set_share(3333)
        await fork.router.remember({"run": "one"})
        second = str(fork.directories[1] / process.ADMIN)
        number = ask(second, "show map", 2.0)
        for name, command in ((maps.SHARE, "set map #{} green 4444"), (maps.MEMORY, "add map #{} strange =x")):
            at = next(line.split(" ")[0] for line in number.splitlines() if name in line)
            ask(second, command.format(at), 2.0)
        with pytest.raises(Refused, match=r"disagree: .*replica-0.*3333, .*replica-1.*4444"):
            await fork.router.share()
        with pytest.raises(Refused, match="memory strange"):
            await fork.router.memory()
        await fork.router.settle()
        assert await fork.router.share() == 3333
        assert await fork.router.memory() == {"run": "one"}


async def test_a_dead_or_silent_socket_is_unreachable_in_bounded_time(tmp_path: Path) -> None:
    silent = socket.create_server((loopback(), 0))
    host, port = silent.getsockname()
    for address in (str(tmp_path / "none.sock"), f"{host}:{port}"):
        router = HaproxyRouter(_handle(address, tmp_path), timeout_seconds=0.2, patience_seconds=0.5)
        async with asyncio.timeout(10):
            with pytest.raises(Unreachable, match="show map"):
                await router.share()
    silent.close()


async def test_a_restart_is_sat_out(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork:
        await fork.router.set_share(10)
        process.stop(tmp_path)
        asking = asyncio.create_task(fork.router.share())
        await asyncio.sleep(0.3)
        await asyncio.to_thread(process.start, tmp_path)
        assert await asking == 10


async def test_an_impossible_share_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork:
        for parts in (-1, 10001):
            with pytest.raises(BadInput, match=str(parts)):
                await fork.router.set_share(parts)
        assert await fork.router.share() == 0


async def test_a_write_that_does_not_take_is_said(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork:
        with pytest.raises(NotNow, match="not =x"):
            await fork.router._change(maps.MEMORY, {"a": "=x", "a ": "=y"})


def _handle(admin: str, directory: Path) -> BalancerHandle:
    return BalancerHandle(mqtt="127.0.0.1:1883", admin=(admin,), maps=str(directory))


def _handle_of(replicas: list[Path], directory: Path) -> BalancerHandle:
    admin = tuple(str(replica / process.ADMIN) for replica in replicas)
    return BalancerHandle(mqtt="127.0.0.1:1883", admin=admin, maps=str(directory))


def _router(admin: Path, directory: Path) -> HaproxyRouter:
    return HaproxyRouter(_handle(str(admin), directory))
