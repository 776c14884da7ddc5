"""HAProxy, the devices and lab nodes together: who is healthy, who is seen, and one disconnect for a move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.cutover.words import Colour
from components.emqx.models import BalancerHandle
from components.routers.haproxy import process
from components.routers.haproxy.configuration import HaproxySettings, Side, render
from components.routers.haproxy.frontends import Bind
from components.routers.haproxy.router import HaproxyRouter
from lab.fleet.fleet import Fleet
from lab.fleet.settings import FleetSettings
from lab.fleet.tally import summary
from tests.lab.balancer_bench import loopback
from tests.lab.node_process import node_process, until

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
KEY = ("lab-key", "lab-secret")
HEALTH_SECONDS = 60.0


@asynccontextmanager
async def cluster(directory: Path, colour: Colour, edition: str, *options: str) -> AsyncIterator[Side]:
    """A lab cluster of two nodes as a side of the balancer."""
    words = ("--name", colour, "--nodes", "2", "--edition", edition, "--max-sessions", "0", *options)
    async with node_process(directory, *words, key=KEY) as started:
        handle = started.handle(colour, proxy_protocol="--proxy-protocol" in options)
        yield Side(cluster=handle, edition=started.ready["edition"])


def names(side: Side) -> list[str]:
    return [node.name for node in side.cluster.nodes]


async def until_health(router: HaproxyRouter, wanted: dict[Colour, dict[str, bool]]) -> None:
    health: Any = None
    end = asyncio.get_running_loop().time() + HEALTH_SECONDS
    while asyncio.get_running_loop().time() < end:
        health = await router.health()
        if health == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"after {HEALTH_SECONDS:g} s {health}, not {wanted}")


async def test_a_whole_move_over_real_health_checks_is_one_disconnect_each(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        blue = await stack.enter_async_context(cluster(tmp_path / "blue", "blue", "ee", "--proxy-protocol"))
        green = await stack.enter_async_context(cluster(tmp_path / "green", "green", "ce"))
        api = await stack.enter_async_context(httpx.AsyncClient(auth=KEY, timeout=60))
        stack.callback(process.stop, tmp_path / "balancer")
        address = loopback()
        text = render(HaproxySettings(binds=(Bind(address=f"{address}:1883"),), sides=(blue, green)))
        await asyncio.to_thread(process.bring, tmp_path / "balancer", text)
        admin = (str(tmp_path / "balancer" / process.ADMIN),)
        router = HaproxyRouter(BalancerHandle(mqtt=f"{address}:1883", admin=admin, maps=str(tmp_path / "balancer")))
        (first, second), up = names(blue), dict.fromkeys(names(green), True)
        await until_health(router, {"blue": {first: True, second: True}, "green": up})

        device = loopback()
        settings = FleetSettings(((address, 1883),), 24, sources=(device,), publish_interval_seconds=0.5)
        fleet = Fleet(settings)
        await fleet.start(60)
        shown = (await api.get(f"{blue.cluster.nodes[0].api}/api/v5/clients?limit=100")).json()["data"]
        assert {client["ip_address"] for client in shown} == {device}, "the device's own address"
        assert {client["node"] for client in shown} == {first, second}

        await router.set_share(10000)
        for node in blue.cluster.nodes:
            start = {"conn_evict_rate": 50, "sess_evict_rate": 50, "wait_health_check": 2, "wait_takeover": 1}
            answer = await api.post(f"{node.api}/api/v5/load_rebalance/{node.name}/evacuation/start", json=start)
            assert answer.status_code == 200, answer.text
        await until_health(router, {"blue": {first: False, second: False}, "green": up})
        await until(lambda: sum(fleet.tally().disconnects) == 24 and fleet.connected_now == 24, "all moved")
        shown = (await api.get(f"{green.cluster.nodes[0].api}/api/v5/clients?limit=100")).json()["data"]
        assert {client["clientid"] for client in shown} == {spec.client_id for spec in settings.specs()}
        seen = summary(await fleet.stop(), ready_at=0.0)
        assert seen["disconnects"] == {"max": 1, "mean": 1.0, "by_reason": {"0x9c": 12, "FIN": 12}}
        assert seen["refused_connections"] == 0
        assert seen["messages"]["lost_qos1"] == 0

        for node in blue.cluster.nodes:
            await api.post(f"{node.api}/api/v5/load_rebalance/{node.name}/evacuation/stop")
            await router.set_server("blue", node.name, "ready")
        await until_health(router, {"blue": {first: True, second: True}, "green": up})
