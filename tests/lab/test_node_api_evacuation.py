"""Evacuations of a lab cluster over HTTP with real sockets: all nodes at once, a restart, a rebalance."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from lab.node import network
from lab.node.process import Managed
from tests.lab.recordings.bed import api, cluster, host
from tests.lab.recordings.device import Device
from tests.lab.recordings.replay import HERE

pytestmark = pytest.mark.lab

QUICK = {"wait_health_check": 0, "wait_takeover": 0, "conn_evict_rate": 2, "sess_evict_rate": 2}


async def _until(condition: Any, what: str, seconds: float = 60.0) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while not await condition():
        assert asyncio.get_running_loop().time() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.05)


async def _states(managed: Managed) -> list[str]:
    async with api(managed) as client:
        rows = (await client.get("/load_rebalance/global_status")).json()["evacuations"]
    return [row["state"] for row in rows]


async def test_all_nodes_at_once_end_in_evicting_sessions_and_the_way_back_keeps_the_sessions(tmp_path: Path) -> None:
    """D_evacuate_all_nodes: done is nobody connected and every state past evicting_conns, not prohibiting."""
    async with cluster(tmp_path) as managed:
        devices = [
            await Device.connect(host(managed, n % 3 + 1), f"d{n}", level=4 + n % 2, persistent=n % 2 == 1)
            for n in range(9)
        ]
        async with api(managed) as client:
            for name in managed.names():
                assert (await client.post(f"/load_rebalance/{name}/evacuation/start", json=QUICK)).status_code == 200

            async def done() -> bool:
                return await _states(managed) == ["evicting_sessions"] * 3

            await _until(done, "three nodes in evicting_sessions")
            nodes = (await client.get("/nodes")).json()
            assert [row["live_connections"] for row in nodes] == [0, 0, 0]
            assert sum(row["connections"] for row in nodes) == 4
            assert (await client.get("/load_rebalance/availability_check")).status_code == 503
            listed = (await client.get("/clients")).json()["data"]
            assert {row["connected"] for row in listed} == {False}
            status = (await client.get("/load_rebalance/status")).json()
            assert status["session_recipients"] == []
            refused = await Device.connect(host(managed), "late", level=5)
            assert refused.connack == "2003009c00"
            for name in managed.names():
                assert (await client.post(f"/load_rebalance/{name}/evacuation/stop")).status_code == 200
            assert (await client.get("/load_rebalance/availability_check")).status_code == 200
        back = await Device.connect(host(managed, 2), "d1", level=5, persistent=True)
        assert back.connack[4:6] == "01", "session present"
        for device in (*devices, refused, back):
            await device.close()
    assert all(device.closed_at for device in devices)
    assert {device.packets[-2][1] for device in devices if device.level == 5} == {"e0029c00"}


async def test_a_stop_midway_lets_clients_in_at_once_and_a_new_start_counts_what_is_there(tmp_path: Path) -> None:
    """evac_stop_midway: evicted clients stay away, sessions not yet moved stay."""
    async with cluster(tmp_path) as managed:
        devices = [await Device.connect(host(managed, 2), f"s{n}", level=5, persistent=n % 2 == 0) for n in range(8)]
        name = managed.names()[1]
        async with api(managed, 2) as client:
            body = {"wait_health_check": 0, "wait_takeover": 60, "conn_evict_rate": 4}
            await client.post(f"/load_rebalance/{name}/evacuation/start", json=body)

            async def some_gone() -> bool:
                return bool((await client.get("/node_eviction/status")).json()["stats"]["connections"] <= 4)

            await _until(some_gone, "the first burst")
            assert (await client.post(f"/load_rebalance/{name}/evacuation/stop")).status_code == 200
            left = (await client.get(f"/nodes/{name}")).json()
            device = await Device.connect(host(managed, 2), "new", level=5)
            assert device.connack[6:8] == "00"
            await client.post(f"/load_rebalance/{name}/evacuation/start", json={})
            stats = (await client.get("/load_rebalance/status")).json()["stats"]
            assert stats["initial_connected"] == left["live_connections"] + 1
            assert stats["initial_sessions"] == left["connections"] + 1
        for one in (*devices, device):
            await one.close()


async def test_a_restarted_node_goes_on_evacuating_without_health_check_and_stop_removes_the_file(
    tmp_path: Path,
) -> None:
    prefix = network.allocate()
    try:
        async with cluster(tmp_path, prefix=prefix) as managed:
            name = managed.names()[1]
            async with api(managed) as client:
                body = {
                    "wait_health_check": 30,
                    "wait_takeover": 1,
                    "conn_evict_rate": 7,
                    "migrate_to": [managed.names()[0]],
                }
                await client.post(f"/load_rebalance/{name}/evacuation/start", json=body)
        async with cluster(tmp_path, prefix=prefix) as managed:
            file = managed.directory / name / ".evacuation"
            assert json.loads(file.read_text())["conn_evict_rate"] == 7
            refused = await Device.connect(host(managed, 2), "early", level=4)
            assert refused.connack == "20020003"
            await refused.close()
            async with api(managed, 2) as client:
                status = (await client.get("/load_rebalance/status")).json()
                assert status["state"] in {"evicting_conns", "waiting_takeover"}
                assert status["stats"]["initial_connected"] == 0
                assert len(status["session_recipients"]) == 2, "migrate_to is not kept"
                await client.post(f"/load_rebalance/{name}/evacuation/stop")
            assert not file.exists()
    finally:
        network.release(prefix)


async def test_a_node_that_is_down_is_not_found_and_vanishes_from_the_global_status(tmp_path: Path) -> None:
    async with cluster(tmp_path) as managed:
        name = managed.names()[1]
        async with api(managed) as client:
            await client.post(f"/load_rebalance/{name}/evacuation/start", json={})
            await managed.kill_node(name)
            await asyncio.sleep(0.3)
            assert (await client.get("/load_rebalance/global_status")).json()["evacuations"] == []
            for call in ("start", "stop"):
                answer = await client.post(f"/load_rebalance/{name}/evacuation/{call}", json={})
                assert (answer.status_code, answer.json()["message"]) == (404, f"Node not found: {name}")
            other = managed.names()[0]
            answer = await client.post(f"/load_rebalance/{other}/evacuation/start", json={"migrate_to": [name]})
            assert (answer.status_code, answer.json()["code"]) == (400, "NOT_FOUND")
            assert answer.json()["message"] == f"Nodes unavailable: ['{name}']"
            row = next(row for row in (await client.get("/nodes")).json() if row["node"] == name)
            assert row == {"node": name, "role": "core", "node_status": "stopped"}


async def test_a_rebalance_answers_as_recorded_evicts_to_its_goal_and_ends_by_itself(tmp_path: Path) -> None:
    events = json.loads((HERE / "evac_rebalance.json").read_text())["events"]
    async with cluster(tmp_path) as managed:
        mapped = {f"127.0.1.{n}": host(managed, n) for n in (1, 2, 3)}
        devices = [await Device.connect(host(managed, 2), f"r{n}", level=5) for n in range(8)]
        devices += [await Device.connect(host(managed, n), f"o{n}", level=5) for n in (1, 3)]
        async with api(managed) as client:
            started = False
            for event in events:
                if "resp" not in event or (
                    "start" not in event["ev"] and "stop not" not in event["ev"] and "evac" not in event["ev"]
                ):
                    continue
                wanted = json.loads(_mapped(json.dumps(event["resp"]), mapped))
                answer = await client.post(
                    *_call(event["ev"], managed),
                    json=json.loads(_mapped(json.dumps(event.get("body", {})), mapped)) or _same(event["ev"], managed),
                )
                assert [answer.status_code, answer.json()] == wanted, event["ev"]
                started = started or event["ev"] == "start"
                if event["ev"].startswith("evac stop"):
                    break
            assert started

            async def ended() -> bool:
                return not (await client.get("/load_rebalance/global_status")).json()["rebalances"]

            await _until(ended, "the rebalance ends by itself")
            rows = {row["node"]: row["live_connections"] for row in (await client.get("/nodes")).json()}
        assert rows[managed.names()[1]] <= 2
        again = await Device.connect(host(managed, 2), "again", level=5)
        assert again.connack.startswith("2016")
        for device in (*devices, again):
            await device.close()


def _mapped(text: str, names: dict[str, str]) -> str:
    for theirs, ours in names.items():
        text = text.replace(theirs, ours)
    return text


def _call(event: str, managed: Managed) -> tuple[str]:
    first, second, third = managed.names()
    if event == "stop not started":
        return (f"/load_rebalance/{first}/stop",)
    if event.startswith("evac donor"):
        return (f"/load_rebalance/{second}/evacuation/start",)
    if event.startswith("evac stop"):
        return (f"/load_rebalance/{first}/evacuation/stop",)
    return (f"/load_rebalance/{third if 'other' in event else first}/start",)


def _same(event: str, managed: Managed) -> dict[str, Any]:
    """The calls after the start repeat its nodes; their bodies were not kept."""
    return {"nodes": managed.names()} if event in {"start again", "start on other coordinator"} else {}
