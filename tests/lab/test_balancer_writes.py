"""Writes to HAProxy: replicas agree, updates at once lose nothing, a run without its lease writes nothing, and no wait is for ever."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from components.cutover.words import COLOURS
from components.emqx.errors import BadInput, LeaseLost, NotNow, Refused, Unreachable
from components.emqx.models import BalancerHandle
from components.ledger import files as maps
from components.ledger.base import LEASE, Record
from components.ledger.files import FilesLedger
from components.routers.haproxy import process, way
from components.routers.haproxy.router import HaproxyRouter
from components.routers.haproxy.runtime import read
from components.routers.share import set_share, settle
from tests.lab.balancer_bench import CONNACK, PACKETS, Broker, bench, change, loopback, send_all

pytestmark = pytest.mark.lab


async def test_replicas_agree_after_every_write(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green"), replicas=3) as fork:
        await fork.set_share(3333)
        assert [await single.share() for single in fork.router.replicas()] == [3333] * 3
        assert await send_all(fork, PACKETS) == [CONNACK] * 100
        process.stop(fork.directories[1])
        process.start(fork.directories[1], beside=True)
        assert await fork.router.share() == 3333


async def test_two_updates_that_write_at_once_end_with_one_share_everywhere(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green"), replicas=2) as fork:
        await asyncio.gather(*(fork.set_share(1000 + number) for number in range(6)))
        share = await fork.router.share()
        assert share in range(1000, 1006)
        assert (await fork.ledger.read()).share == share
        for directory in fork.directories:
            process.stop(directory)
            process.start(directory, beside=True)
        assert await fork.router.share() == share


async def test_a_place_that_cannot_be_written_is_said_before_anything_changes(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork:
        with pytest.raises(Refused, match="nowhere"):
            await set_share(fork.router, FilesLedger(tmp_path / "nowhere"), 1, holder=None)
        assert await fork.router.share() == 0
        with pytest.raises(BadInput, match="host:port"):
            await HaproxyRouter(_handle("admin.sock", tmp_path)).share()


async def test_a_run_that_lost_the_lease_while_it_waited_writes_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork:
        async with fork.ledger.held(None) as older:
            await older.write({LEASE: "older"})
        await fork.set_share(100, "older")
        async with fork.ledger.held(None) as newer:
            late = asyncio.create_task(fork.set_share(5000, "older"))
            await asyncio.sleep(0.1)
            await newer.write({LEASE: "newer"})
        with pytest.raises(LeaseLost, match="run newer holds it, this is run older"):
            await late
        await settle(fork.router, fork.ledger)
        assert await fork.router.share() == 100


async def test_a_share_that_was_set_meanwhile_is_kept(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green"), replicas=2) as fork:
        await fork.set_share(1000)
        async with fork.ledger.held(None) as other:
            settling = asyncio.create_task(settle(fork.router, fork.ledger))
            await asyncio.sleep(0.1)
            await other.write(share=5000)
            await fork.router.set_share(5000)
        await settling
        assert await fork.router.share() == 5000
        assert (await fork.ledger.read()).share == 5000


async def test_replicas_that_disagree_are_refused_and_can_be_settled(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green"), replicas=2) as fork:
        await fork.set_share(3333)
        await fork.router.replicas()[1].set_share(4444)
        with pytest.raises(Refused, match=r"disagree: .*replica-0.*3333, .*replica-1.*4444"):
            await fork.router.share()
        await settle(fork.router, fork.ledger)
        assert await fork.router.share() == 3333


async def test_a_balancer_that_still_has_the_memory_in_a_map_goes_on(tmp_path: Path) -> None:
    (tmp_path / maps.MEMORY).write_text("run =older\norigin =blue\ndrained_at =blue%201795344713.000\n")
    (tmp_path / maps.SHARE).write_text("green 2500\n")
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork:
        text = (tmp_path / process.CONFIG).read_text()
        share = next(line for line in text.splitlines() if maps.SHARE in line)
        memory = f"  tcp-request content set-var(sess.memory) str(run),map_str(./{maps.MEMORY}) if {{ always_false }}"
        await asyncio.to_thread(process.bring, tmp_path, text.replace(share, f"{share}\n{memory}"))
        assert await fork.ledger.read() == Record(
            2500, {"run": "older", "origin": "blue", "drained_at": "blue 1795344713.000"}
        )
        await fork.set_share(5000, "older")
        assert await fork.router.share() == 5000
        assert await send_all(fork, PACKETS) == [CONNACK] * 100
        assert fork.got("blue")
        assert fork.got("green")
        await change(fork, *fork.brokers)
        assert await fork.router.share() == 5000


async def test_connections_are_counted_for_each_colour_over_all_replicas(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green"), replicas=2) as fork:
        await fork.set_share(5000)
        pairs = [await asyncio.open_connection(fork.address, 1883) for _ in PACKETS]
        for (_, writer), packet in zip(pairs, PACKETS, strict=True):
            writer.write(packet)
        assert [await reader.readexactly(4) for reader, _ in pairs] == [CONNACK] * 100
        assert await fork.router.connections() == {colour: len(fork.got(colour)) for colour in COLOURS}
        for _, writer in pairs:
            writer.close()


async def test_a_dead_or_silent_socket_is_unreachable_in_bounded_time(tmp_path: Path) -> None:
    silent = socket.create_server((loopback(), 0))
    host, port = silent.getsockname()
    for address in (str(tmp_path / "none.sock"), f"{host}:{port}"):
        dead = HaproxyRouter(_handle(address, tmp_path), timeout_seconds=0.2, patience_seconds=0.5)
        async with asyncio.timeout(60):
            with pytest.raises(Unreachable, match="show map"):
                await dead.share()
    silent.close()


async def test_a_restart_is_sat_out(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork:
        await fork.set_share(10)
        process.stop(tmp_path)
        asking = asyncio.create_task(fork.router.share())
        await asyncio.sleep(0.3)
        await asyncio.to_thread(process.start, tmp_path)
        assert await asking == 10


async def test_an_impossible_share_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork:
        for parts in (-1, 10001):
            with pytest.raises(BadInput, match=str(parts)):
                await fork.set_share(parts)
        assert await fork.router.share() == 0


async def test_a_write_that_does_not_take_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork:
        monkeypatch.setattr(
            way, "read", lambda *given, **more: "" if given[1].startswith("set map") else read(*given, **more)
        )
        with pytest.raises(NotNow, match="0, not 5"):
            await fork.set_share(5)


def _handle(admin: str, directory: Path) -> BalancerHandle:
    return BalancerHandle(mqtt="127.0.0.1:1883", admin=(admin,), maps=str(directory))
