"""A slow boot goes through the recorded events in their order; only the seconds are scaled."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path

import httpx
import pytest

from lab.node import process
from lab.node.boot import Delays
from lab.node.process import Managed
from tests.lab.recordings.bed import api, cluster, host
from tests.lab.recordings.device import Device

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("seen")]

FACTOR = 0.15
SEEN = {"mute": 3.0, "alone": 3.0}
"""Seconds, before they are scaled: what was shorter would pass between two looks of a busy machine."""
AUTHENTICATION = [
    {"mechanism": "password_based", "backend": "built_in_database", "password_hash_algorithm": {"name": "sha256"}}
]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "Delays", partial(Delays, **SEEN))


async def _look(managed: Managed, number: int, client: httpx.AsyncClient) -> dict[str, str]:
    """One poll of one node, in the words of I_boot_fresh_cluster."""
    seen = {"mqtt": "refused", "status": "refused", "nodes": "refused", "cluster": ""}
    with contextlib.suppress(OSError):
        device = await Device.connect(host(managed, number), f"poll{number}", level=5)
        seen["mqtt"] = device.connack[4:8]
        await device.close()
    root = f"http://{host(managed, number)}:18083"
    for name, path in (("status", "/status"), ("nodes", "/api/v5/nodes")):
        with contextlib.suppress(httpx.HTTPError):
            seen[name] = str((await client.get(root + path)).status_code)
    with contextlib.suppress(httpx.HTTPError, ValueError):
        seen["cluster"] = str(len((await client.get("/cluster")).json()["nodes"]))
    return seen


async def test_mqtt_lets_everybody_in_before_http_exists_and_a_node_is_alone_before_it_joins(tmp_path: Path) -> None:
    async with cluster(tmp_path, boot_factor=2 * FACTOR, start=False) as managed:
        managed.store.put("authentication", AUTHENTICATION)
        booting = asyncio.create_task(managed.start())
        polls: list[dict[str, str]] = []
        async with api(managed, 2) as client:
            while not booting.done():
                polls.append(await _look(managed, 2, client))
                await asyncio.sleep(0)
            await booting
            polls.append(await _look(managed, 2, client))
    mqtt = [poll["mqtt"] for poll in polls]
    first_in = mqtt.index("0000")
    assert mqtt[0] == "refused"
    assert polls[first_in]["status"] == "refused", "MQTT is there before HTTP"
    assert "0087" in mqtt[first_in:], "then nobody gets in"
    assert mqtt[-1] == "0086", "then the rules hold: this client has no password"
    assert any(poll["status"] == "200" and poll["nodes"] == "404" for poll in polls), "404 for all but /status at first"
    alone = [poll["cluster"] for poll in polls if poll["cluster"]]
    assert alone[0] == "1"
    assert alone[-1] == "3"
    lonely_end = max(index for index, poll in enumerate(polls) if poll["cluster"] == "1")
    assert any(poll["status"] == "refused" for poll in polls[lonely_end:]), "it closes everything for the join"


async def test_what_is_written_before_the_join_is_lost(tmp_path: Path) -> None:
    """I_write_before_join: a ban answered 200 by a node that was alone is on no node afterwards."""
    async with cluster(tmp_path, boot_factor=FACTOR, nodes=2, start=False) as managed:
        booting = asyncio.create_task(managed.start())
        written = False
        async with api(managed, 2) as client:
            while not booting.done():
                if not written and managed.servers[f"emqx@{host(managed, 2)}"].running:
                    with contextlib.suppress(httpx.HTTPError):
                        answer = await client.post("/banned", json={"as": "clientid", "who": "early"})
                        written = answer.status_code == 200
                await asyncio.sleep(0.02)
            await booting
            assert written
            for number in (1, 2):
                async with api(managed, number) as each:
                    assert (await each.get("/banned")).json()["data"] == []


async def test_after_the_join_the_users_call_is_not_initialized_for_a_while(tmp_path: Path) -> None:
    async with cluster(tmp_path, boot_factor=FACTOR, nodes=2, start=False) as managed:
        managed.store.put("authentication", AUTHENTICATION)
        booting = asyncio.create_task(managed.start())
        seen = set()
        async with api(managed, 2) as client:
            while not booting.done():
                with contextlib.suppress(httpx.HTTPError, ValueError):
                    answer = await client.get("/authentication/password_based%3Abuilt_in_database/users")
                    if answer.status_code == 400:
                        seen.add(answer.json()["message"])
                await asyncio.sleep(0.05)
            await booting
            assert (await client.get("/authentication/password_based%3Abuilt_in_database/users")).status_code == 200
    assert seen == {"User error: not_initialized"}
