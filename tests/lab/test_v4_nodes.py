"""What nodes of 4.x do when they start, join and come back, and what of it a migration can stumble over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from components.mqtt import Connack, Connect, Disconnect
from lab.filling import DEVICE_USER, fill, live
from lab.node import network
from lab.node.api.host import Settings
from lab.node.kept.old import OldRule, OldUser
from lab.node.membership import Membership
from lab.node.process import Lodging, Managed
from lab.node.v4.hashes import salted
from lab.node.v4.line import MNESIA
from tests.lab.node_mqtt_client import RawClient
from tests.lab.recordings.old import OldWorld, compare
from tests.lab.recordings.old_clients import device_may, may
from tests.lab.recordings.replay import HERE

pytestmark = pytest.mark.lab
APP = ("admin", "public")
OPEN, REFUSED, WRONG = 0, 0x87, 0x86


class Steps:
    """Time that passes step by step: a start waits at each of its delays until the test goes on."""

    def __init__(self) -> None:
        self._waits: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    async def sleep(self, _seconds: float) -> None:
        """What the start calls."""
        gate = asyncio.Event()
        await self._waits.put(gate)
        await gate.wait()

    async def arrived(self) -> asyncio.Event:
        """The start has come to its next delay; set it to go on."""
        async with asyncio.timeout(60):
            return await self._waits.get()


@asynccontextmanager
async def started(
    directory: Path, version: str, **environment: str
) -> AsyncIterator[tuple[Managed, Steps, asyncio.Task[None]]]:
    """A node of a cluster with a user and a rule, in the middle of its start."""
    prefix, steps = network.allocate(), Steps()
    settings = Settings(directory, nodes=1, edition="ce", version=version, network=prefix, boot_factor=1.0)
    managed = Managed(settings, environment, prefix)
    managed.colony.sleep = steps.sleep
    task = asyncio.create_task(managed.start())
    try:
        yield managed, steps, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await managed.stop()
        network.release(prefix)


def host(managed: Managed) -> str:
    return f"{managed.network}.1"


def api(managed: Managed) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{host(managed)}:8081/api/v4", auth=APP, timeout=30)


async def client(managed: Managed, name: str, password: str) -> tuple[RawClient, int]:
    device = await RawClient(
        (host(managed), 1883), Connect(name, level=5, username="alice", password=password.encode())
    ).open()
    return device, (await device.next(Connack)).reason


def lay_tables(managed: Managed) -> None:
    """As an earlier run left them: user alice, and a deny on secret/#."""
    tables = managed.store.old
    tables.users["username", "alice"] = OldUser("alice", salted("sha256", "alice-pw", Random(1)), 1)
    tables.rules["username", "alice"] = [
        OldRule("secret/#", action, allow=False, created_ms=1) for action in ("sub", "pub")
    ]


@pytest.mark.parametrize("version", ["4.3.22", "4.4.19"])
async def test_with_anonymous_allowed_a_wrong_password_gets_in_while_the_node_starts_and_stays(
    version: str, tmp_path: Path
) -> None:
    async with started(tmp_path, version) as (managed, steps, task), api(managed) as http:
        lay_tables(managed)
        (await steps.arrived()).set()
        opened = await steps.arrived()
        early, reason = await client(managed, "early", "bad")
        assert (reason, await device_may(early, "sub", "secret/1")) == (OPEN, 1)
        opened.set()
        loading = await steps.arrived()
        assert (await http.get(f"http://{host(managed)}:8081/status")).status_code == 503
        plugins = (await http.get("/plugins")).json()["data"][0]["plugins"]
        assert not next(one for one in plugins if one["name"] == MNESIA)["active"]
        assert (await http.get("/acl/username")).status_code == 404
        loading.set()
        late = await steps.arrived()
        other, reason = await client(managed, "late", "bad")
        assert reason == WRONG
        await other.drop()
        assert await device_may(early, "pub", "secret/1") == REFUSED
        assert managed.cluster.sessions["early"].connected
        late.set()
        await task
        assert (await http.get(f"http://{host(managed)}:8081/status")).text.endswith("emqx is running")
        await early.drop()


async def test_without_anonymous_a_right_password_is_refused_while_the_node_starts(tmp_path: Path) -> None:
    async with started(tmp_path, "4.4.19", EMQX_ALLOW_ANONYMOUS="false") as (managed, steps, task):
        lay_tables(managed)
        (await steps.arrived()).set()
        opened = await steps.arrived()
        reasons = [(await client(managed, "c", password)) for password in ("alice-pw", "bad")]
        assert [reason for _, reason in reasons] == [REFUSED, REFUSED]
        opened.set()
        for _ in range(2):
            (await steps.arrived()).set()
        await task
        device, reason = await client(managed, "c", "alice-pw")
        assert reason == OPEN
        for one in (*[device for device, _ in reasons], device):
            await one.drop()


async def test_42_says_200_while_it_starts_and_opens_mqtt_last(tmp_path: Path) -> None:
    async with started(tmp_path, "4.2.14") as (managed, steps, task), api(managed) as http:
        (await steps.arrived()).set()
        opened = await steps.arrived()
        status = await http.get(f"http://{host(managed)}:8081/status")
        assert (status.status_code, status.text.splitlines()[1]) == (200, "emqx is not_running")
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection(host(managed), 1883)
        opened.set()
        await task


async def test_an_import_before_the_plugin_is_there_says_0_and_brings_no_user_ever(tmp_path: Path) -> None:
    document = {
        "version": "4.3",
        "auth_mnesia": [{"login": "alice", "type": "username", "password": "YQ=="}],
        "acl_mnesia": [],
    }
    document["blacklist"] = [{"who": {"clientid": "bad"}, "by": "me", "reason": "", "at": 1, "until": 2}]
    async with started(tmp_path, "4.3.22") as (managed, steps, task), api(managed) as http:
        for _ in range(2):
            (await steps.arrived()).set()
        loading = await steps.arrived()
        upload = {"filename": "up.json", "file": json.dumps(document)}
        assert (await http.post("/data/file", json=upload)).json()["code"] == 0
        assert (await http.post("/data/import", json={"filename": "up.json"})).json() == {"code": 0}
        loading.set()
        (await steps.arrived()).set()
        await task
        assert (await http.get("/auth_username")).json()["meta"]["count"] == 0
        assert (await http.get("/banned")).json()["meta"]["count"] == 1
        assert (await http.post("/data/import", json={"filename": "up.json"})).json() == {"code": 0}
        assert (await http.get("/auth_username")).json()["meta"]["count"] == 1


async def test_rules_written_over_the_api_5_ms_apart_answer_as_42_did(tmp_path: Path) -> None:
    entries = json.loads((HERE / "V_4.3.22_rules_again_and_early_client.json").read_text())
    async with OldWorld(tmp_path, "4.3.22", (8,)) as world:
        world.clock.stands = 1_795_936_000.0
        for entry in entries:
            if "answers" in entry:
                break
            world.clock.ahead += 0.005
            assert not compare(world, entry, await world.send(entry)), entry["name"]
        for who, action, topic, said in entry["answers"]:
            connect = Connect(f"c-{who}", level=5, username=who, password=f"{who}-pw".encode())
            assert await may(world, connect, action, topic) == said, (who, action, topic)


async def test_users_and_rules_outlive_a_restart_and_sessions_do_not(tmp_path: Path) -> None:
    async with OldWorld(tmp_path, "4.4.19", (1,)) as world:
        lay_tables(world.managed)
        device, connack = await world.device(Connect("c", clean_start=False, username="alice", password=b"alice-pw"))
        assert not connack.reason
        await world.restart()
        await device.fin()
        await device.drop()
        again, connack = await world.device(Connect("c", clean_start=False, username="alice", password=b"alice-pw"))
        assert (connack.reason, connack.session_present) == (0, False)
        await again.drop()
        assert (
            await may(world, Connect("d", level=5, username="alice", password=b"alice-pw"), "sub", "secret/1")
            == "denied 0x87"
        )


async def test_44_joins_43_loses_its_own_users_and_answers_as_itself(tmp_path: Path) -> None:
    prefixes = [network.allocate(), network.allocate()]
    settings = [
        Settings(tmp_path / version, nodes=1, edition="ce", version=version, network=prefix)
        for version, prefix in zip(("4.3.22", "4.4.19"), prefixes, strict=True)
    ]
    managed = Managed(settings[0], {}, prefixes[0])
    membership = Membership(managed, {})
    lay_tables(managed)
    await managed.start()
    await membership.lodge(Lodging(prefixes[1], settings[1]), {})
    async with api(managed) as http:
        rows: list[dict[str, Any]] = (await http.get("/nodes")).json()["data"]
        asked = await http.get(f"http://{prefixes[1]}.1:8081/api/v4/auth_username")
        files = [await http.get(f"http://{prefix}.1:8081/api/v4/data/file/nothing.json") for prefix in prefixes]
    await membership.stop()
    for prefix in prefixes:
        network.release(prefix)
    assert {row["version"]: "live_connections" in row for row in rows} == {"4.3.22": False, "4.4.19": True}
    assert [one.json()["message"] for one in files] == ["enoent", "not_found"]
    assert [row["username"] for row in asked.json()["data"]] == ["alice"]


async def test_every_second_export_of_44_lies_on_its_node_and_is_not_given_out(tmp_path: Path) -> None:
    async with OldWorld(tmp_path, "4.4.19") as world, api(world.managed) as http:
        made = (await http.post("/data/export")).json()["data"]
        assert (await http.get(f"/data/file/{made['filename']}")).json() == {"message": "not_found"}
        path = world.managed.place(made["node"]) / "backup" / made["filename"]
        assert json.loads(path.read_text())["version"] == "4.4"
        assert path.stat().st_size == made["size"]


async def test_enterprise_from_4412_on_evacuates_with_plain_numbers_and_open_source_does_not(tmp_path: Path) -> None:
    async with OldWorld(tmp_path / "ce", "4.4.19", (1,)) as world, api(world.managed) as http:
        assert (await http.get("/load_rebalance/status")).status_code == 404
    settings: dict[str, Any] = {"nodes": 2, "edition": "ee", "max_sessions": 0}
    for version, there in (("4.4.11", False), ("4.4.19", True)):
        prefix = network.allocate()
        managed = Managed(Settings(tmp_path / version, version=version, network=prefix, **settings), {}, prefix)
        await managed.start()
        try:
            async with api(managed) as http:
                found = await http.get("/load_rebalance/status")
                assert found.status_code == (200 if there else 404)
                if there:
                    await _evacuated(managed, http)
        finally:
            await managed.stop()
            network.release(prefix)


async def _evacuated(managed: Managed, http: httpx.AsyncClient) -> None:
    node = f"emqx@{host(managed)}"
    devices = [await client(managed, f"c{number}", "x") for number in range(4)]
    path = f"/load_rebalance/{node}/evacuation"
    asked = {"conn_evict_rate": 2, "sess_evict_rate": 100, "wait_takeover": 60}
    for wrong in ({"wait_takeover": "3s"}, {"wait_health_check": 1}, {"migrate_to": ["emqx@nowhere"]}):
        assert (await http.post(f"{path}/start", json=asked | wrong)).json()["code"] == 400
    assert (await http.post(f"{path}/start", json=asked)).json() == {"data": [], "code": 0}
    assert (await http.post(f"{path}/start", json=asked)).json() == {"message": "already_started", "code": 400}
    for device, _ in devices:
        assert (await device.next(Disconnect)).reason == 0x9C
        await device.fin()
        await device.drop()
    entry = (await http.get("/load_rebalance/global_status")).json()["evacuations"][node]
    assert entry["stats"]["initial_connected"] == 4
    assert (await http.get("/load_rebalance/availability_check")).status_code == 503
    device, reason = await client(managed, "late", "x")
    await device.drop()
    assert reason == 0x9C
    assert (await http.post(f"{path}/stop")).json() == {"data": [], "code": 0}
    assert (await http.post(f"{path}/stop")).json() == {"message": "not_started", "code": 400}
    assert (await http.get("/load_rebalance/availability_check")).status_code == 200


@pytest.mark.parametrize("version", ["4.2.14", "4.3.22", "4.4.19"])
async def test_what_a_stage_fills_in_lets_its_devices_in_and_to_their_topics_alone(
    version: str, tmp_path: Path
) -> None:
    asked = (("pub", "fleet/d/up"), ("sub", "fleet/d/up"), ("sub", "config/#"), ("pub", "config/1"), ("sub", "other"))
    async with OldWorld(tmp_path, version, (1,)) as world:
        with httpx.Client(base_url=f"http://{world.host()}:8081/api/v4", auth=APP, timeout=30) as http:
            await asyncio.to_thread(fill, http, version, "device-pw")
            device, _ = await world.device(Connect("d", level=5, username=DEVICE_USER, password=b"device-pw"))
            assert await asyncio.to_thread(live, http, version, [f"emqx@{world.host()}"]) == 1
        assert [await device_may(device, *one) for one in asked] == [0x10, 1, 1, REFUSED, REFUSED]
        await device.drop()
        device, connack = await world.device(Connect("e", level=5, username=DEVICE_USER, password=b"bad"))
        await device.drop()
        assert connack.reason == WRONG
