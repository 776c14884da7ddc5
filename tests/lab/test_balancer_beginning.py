"""A HAProxy that begins without us, as a pod's does: what the ledger's files say is so from its first client on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from components.emqx.models import BalancerHandle
from components.ledger.config_map import MEMORY
from components.ledger.files import SHARE, FilesLedger
from components.routers.haproxy.configuration import render
from components.routers.haproxy.process import binary
from components.routers.haproxy.router import HaproxyRouter
from components.routers.haproxy.servers import listed
from components.system.address import parsed
from components.system.ports import listens
from tests.lab.balancer_bench import CONNACK, PACKETS, Bench, Broker, loopback, send_all, settings_of
from tests.lab.local_bed import free_port

pytestmark = pytest.mark.lab


@contextlib.asynccontextmanager
async def begun(directory: Path, files: dict[str, str], *brokers: Broker) -> AsyncIterator[Bench]:
    """One HAProxy with the configuration of a pod and the files of its ConfigMap."""
    address, admin, ready = loopback(), loopback(), free_port("127.0.0.1")
    for broker in brokers:
        await broker.serve()
    for name, text in files.items():
        (directory / name).write_text(text)
    one = {"admin": (f"{admin}:9777",), "ready_port": ready, "pod": True}
    settings = settings_of(address, [*brokers], maps=str(directory)).model_copy(update=one)
    (directory / "haproxy.cfg").write_text(render(settings))
    handle = BalancerHandle(mqtt=f"{address}:1883", admin=settings.admin, maps=str(directory))
    words = (binary(), "-W", "-db", "-f", str(directory / "haproxy.cfg"))
    running = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(60):
            while not await listens(f"{address}:1883"):
                assert running.returncode is None
                await asyncio.sleep(0.05)
        yield Bench([directory], address, [*brokers], HaproxyRouter(handle), FilesLedger(directory), settings)
    finally:
        running.terminate()
        await running.wait()
        for broker in brokers:
            await broker.close()


async def test_a_node_that_is_out_of_service_gets_nobody_and_everybody_once_it_is_ready_again(tmp_path: Path) -> None:
    stays, joins = Broker("blue"), Broker("green")
    ports = {(one.colour, one.node.name): parsed(one.node.mqtt).port for one in (stays, joins)}
    states = listed(ports, {("green", joins.node.name): "maint"})
    files = {SHARE: "green 10000\n", f"{MEMORY}server_states": states}
    async with begun(tmp_path, files, stays, joins) as fork:
        assert await send_all(fork, PACKETS[:20]) == [b""] * 20
        assert joins.packets == []
        assert (await fork.router.servers())["green"][joins.node.name].state == "maint"
        await fork.router.set_server("green", joins.node.name, "ready")
        await fork.all_up()
        assert await send_all(fork, PACKETS[:20]) == [CONNACK] * 20
        assert len(joins.packets) == 20


async def test_a_pod_without_that_file_gives_clients_to_every_node(tmp_path: Path) -> None:
    one, two = Broker("blue"), Broker("blue")
    async with begun(tmp_path, {SHARE: "green 0\n"}, one, two) as fork:
        await fork.all_up()
        assert await send_all(fork, PACKETS[:20]) == [CONNACK] * 20
        assert one.packets
        assert two.packets
