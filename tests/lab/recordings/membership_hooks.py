"""What happened between the recorded requests to clusters whose nodes come and go: the same rule as `hooks`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx

from tests.lab.recordings.device import Device
from tests.lab.recordings.passing import Passing
from tests.lab.recordings.world import World

RULE = {"id": "rule_b", "name": "rule_b", "sql": 'SELECT 1 FROM "t"', "actions": [{"function": "console"}]}
AUTHENTICATOR = {
    "mechanism": "password_based",
    "backend": "built_in_database",
    "password_hash_algorithm": {"name": "sha256"},
}
DONOR_CLIENTS = 9


async def _again(world: World, recorded: str, **terms: Any) -> None:
    """A node is stopped and started with other terms."""
    membership, name = world.membership("127.0.5"), world.node(recorded)
    await membership.stop_node(name)
    membership.set_terms(name, replace(membership.terms(name), **terms))
    await membership.start(name)
    await _settled(world)


async def _settled(world: World) -> None:
    """Until no node stumbles over another one any more."""
    managed = world.clusters["127.0.5"]
    async with asyncio.timeout(60):
        while managed.joining():  # noqa: ASYNC110  it is the cluster's own clock
            await asyncio.sleep(0.05)


async def _post(world: World, recorded: str, path: str, body: Any) -> None:
    url = f"http://{world.here(recorded)}:18083/api/v5{path}"
    answer: httpx.Response = await world.client.post(url, json=body, auth=("lab", "lab-secret-lab-secret"))
    answer.raise_for_status()


async def variants(world: World, pair: dict[str, Any]) -> None:
    """A5: the first green node has another cookie, the second one says another name of its cluster."""
    if pair["n"] == 0:
        same = {"cookie": "emqxsecretcookie", "seeds": tuple(world.clusters["127.0.5"].names())}
        await _again(world, "127.0.6.2", **same, cluster_name="othername")
        await _again(world, "127.0.6.3", **same)


async def invitations(world: World, pair: dict[str, Any]) -> None:
    """A2, A4: time passes between the two looks at an invitation that was not waited for."""
    membership = world.membership("127.0.5")
    if pair["url"].endswith("/invite_async"):
        world.time = Passing(0.0)
        membership.sleep = world.time.sleep
    if pair["url"].endswith("/invitation"):
        if "looked" in world.marks:
            for _ in range(3):
                await world.time.until(0.0)
            row = next(iter(world.clusters["127.0.5"].invitations.values()))
            async with asyncio.timeout(60):
                while "finished_at" not in row:
                    await world.time.until(0.0)
                    await asyncio.sleep(0.01)
        world.marks["looked"] = 1.0


async def stopped_then_forced_out(world: World, pair: dict[str, Any]) -> None:
    """C1: green is stopped."""
    if pair["n"] == 0:
        for number in (1, 2, 3):
            await world.membership("127.0.5").stop_node(world.node(f"127.0.6.{number}"))


async def leaving(world: World, pair: dict[str, Any]) -> None:
    """C2: one node has left by the command line, one is forced out while it runs, one is stopped first."""
    membership = world.membership("127.0.5")
    if pair["n"] == 0:
        await _post(world, "127.0.5.1", "/authentication", AUTHENTICATOR)
        await membership.force_leave(world.node("127.0.5.1"), world.node("127.0.5.3"))
    if pair["method"] == "DELETE" and pair["url"].endswith("127.0.5.1/force_leave"):
        await membership.stop_node(world.node("127.0.5.1"))


async def fields(world: World, pair: dict[str, Any]) -> None:
    """B0: one client is connected."""
    if pair["n"] == 0:
        world.devices.append(await Device.connect(world.here("127.0.5.1"), "fx", level=5))


async def to_enterprise(world: World, pair: dict[str, Any]) -> None:
    """F1: an Enterprise node joins, is forced out, and then each open-source node becomes one."""
    if pair["n"] == 0:
        await _settled(world)
    if pair["url"].endswith("/rules") and pair["method"] == "POST":
        await _post(world, "127.0.5.1", "/rules", RULE)
    if pair["url"].endswith("127.0.6.1/force_leave"):
        await world.membership("127.0.5").stop_node(world.node("127.0.6.1"))
    recorded = pair["url"].partition("/")[0]
    if pair["url"].endswith("/license") and recorded.startswith("127.0.5") and pair["status"] == 200:
        await _again(world, recorded, edition="ee", version="5.8.11")


async def rolled(world: World, pair: dict[str, Any]) -> None:
    """D3: each node is evacuated, stopped, started as another version; when it is asked, its evacuation has ended."""
    managed, recorded = world.clusters["127.0.5"], pair["url"].partition("/")[0]
    if pair["n"] == 0:
        world.time = Passing(managed.clock.now())
        managed.evacuations.clock, managed.evacuations.sleep = world.time, world.time.sleep
        await _post(world, "127.0.5.1", "/authentication", AUTHENTICATOR)
        await _post(world, "127.0.5.1", "/rules", RULE)
        await _post(world, "127.0.5.1", "/rules", RULE | {"id": "rule_a", "name": "rule_a"})
    if pair["url"].endswith("/load_rebalance/status"):
        await world.time.until(world.time() + 30)
        await _again(world, recorded, version="5.8.11")
        await world.time.until(world.time() + 30)


async def overshooting(world: World, pair: dict[str, Any]) -> None:
    """D6: nine clients on each of the old nodes and none on the one that came back last; the levelling goes past its goal."""
    managed = world.clusters["127.0.5"]
    old, new = [world.node("127.0.5.11"), world.node("127.0.5.12")], world.node("127.0.5.13")
    if pair["n"] == 0:
        await _again(world, "127.0.5.13", version="5.8.11")
        for name in old:
            for number in range(DONOR_CLIENTS):
                world.devices.append(await Device.connect(name[5:], f"{name}-{number}", level=5, persistent=True))
        world.time = Passing(0.0)
        managed.rebalances.sleep = world.time.sleep
    if pair["method"] == "GET" and pair["n"] > 0:
        while managed.rebalances.running:
            await world.time.until(world.time() + 1)
            for number, device in enumerate(world.devices):
                if device.closed_at is not None:
                    await device.close()
                    world.devices[number] = await Device.connect(new[5:], device.client_id, level=5, persistent=True)
            await asyncio.sleep(0.02)
        loads = [managed.cluster.nodes[name].live_connections for name in (*old, new)]
        assert loads == [5, 5, 8], loads
