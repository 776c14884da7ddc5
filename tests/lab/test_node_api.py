"""Rules of the management API that no recorded pair shows by itself: paging while clients leave, kicks, persistence, tokens, roles."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from lab.node import network
from tests.lab.node_process import node_process
from tests.lab.recordings.bed import api, cluster, host
from tests.lab.recordings.device import Device

pytestmark = pytest.mark.lab


async def test_pages_shift_while_clients_are_kicked_so_that_page_by_page_misses_half(tmp_path: Path) -> None:
    """H_paging_while_kicking: listing, kicking, then asking for the next page sees only every other page."""
    async with cluster(tmp_path, max_sessions=0) as managed:
        devices = [await Device.connect(host(managed, n % 3 + 1), f"p{n}") for n in range(40)]
        seen, page = 0, 1
        async with api(managed) as client:
            while rows := (
                await client.get("/clients", params={"limit": 10, "page": page, "fields": "clientid"})
            ).json()["data"]:
                seen += len(rows)
                assert (
                    await client.post("/clients/kickout/bulk", json=[row["clientid"] for row in rows])
                ).status_code == 204
                page += 1
            left = (await client.get("/clients", params={"limit": 1})).json()["meta"]["count"]
        assert (seen, left) == (20, 20)
        for device in devices:
            await device.close()


async def test_bulk_kicks_take_unknown_ids_and_empty_lists_and_refuse_what_is_no_list(tmp_path: Path) -> None:
    async with cluster(tmp_path, nodes=1) as managed, api(managed) as client:
        for body in ([], ["nobody"] * 2000, [1, 2]):
            assert (await client.post("/clients/kickout/bulk", json=body)).status_code == 204
        answer = await client.post("/clients/kickout/bulk", json={"a": 1})
        assert answer.status_code == 400
        assert answer.json()["message"] == '{"path":"root","kind":"validation_error","bad_array_index_keys":["a"]}'


async def test_a_full_last_page_says_that_there_is_more_and_a_fuzzy_filter_does_not_count(tmp_path: Path) -> None:
    async with cluster(tmp_path, nodes=1) as managed, api(managed) as client:
        device = await Device.connect(host(managed), "only")
        assert (await client.get("/clients?limit=1")).json()["meta"] == {
            "count": 1,
            "limit": 1,
            "page": 1,
            "hasnext": True,
        }
        assert (await client.get("/clients?limit=1&page=2")).json()["data"] == []
        assert "count" not in (await client.get("/clients?like_clientid=on")).json()["meta"]
        await device.close()


async def test_a_token_is_good_on_all_nodes_and_many_of_one_user_stay_good(tmp_path: Path) -> None:
    async with cluster(tmp_path) as managed, api(managed, auth=None) as client:
        body = {"username": "admin", "password": "Public123x"}
        tokens = [(await client.post("/login", json=body)).json()["token"] for _ in range(12)]
        assert len(set(tokens)) == 12
        async with api(managed, 3, auth=None) as third:
            answers = [await third.get("/nodes", headers={"authorization": f"Bearer {token}"}) for token in tokens]
        assert {answer.status_code for answer in answers} == {200}
        for _ in range(8):
            assert (await client.post("/login", json=body | {"password": "no"})).status_code == 401
        assert (await client.post("/login", json=body)).status_code == 200


async def test_open_source_has_no_evacuation_no_licence_and_no_roles(tmp_path: Path) -> None:
    async with cluster(tmp_path, edition="ce", version="5.8.9", nodes=1) as managed, api(managed) as client:
        for path in (
            "/load_rebalance/status",
            "/load_rebalance/availability_check",
            "/license",
            "/node_eviction/status",
        ):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (404, "text/html")
        assert (await client.get("/nodes")).json()[0]["edition"] == "Opensource"
        answer = await client.post("/data/export", json={"root_keys": ["license", "mqtt", "schema_registry"]})
        assert answer.json()["message"] == "Invalid root keys: license, schema_registry"


async def test_tables_configuration_and_keys_survive_a_restart_and_sessions_do_not(tmp_path: Path) -> None:
    prefix = network.allocate()
    try:
        async with cluster(tmp_path, nodes=1, prefix=prefix) as managed, api(managed) as client:
            await client.post("/banned", json={"as": "clientid", "who": "bad"})
            await client.post("/publish", json={"topic": "keep", "payload": "x", "retain": True})
            await client.put("/configs", content="mqtt {max_inflight = 7}", headers={"content-type": "text/plain"})
            device = await Device.connect(host(managed), "gone", persistent=True)
            await device.close()
        async with cluster(tmp_path, nodes=1, prefix=prefix) as managed, api(managed) as client:
            assert len((await client.get("/banned")).json()["data"]) == 1
            gone = (await client.get("/mqtt/retainer/message/keep")).status_code
            assert gone == 404, "all nodes were down: they are kept in memory only"
            assert (await client.get("/configs/global_zone")).json()["mqtt"]["max_inflight"] == 7
            assert (await client.get("/clients/gone")).status_code == 404
    finally:
        network.release(prefix)


async def test_the_command_says_when_it_serves_and_ends_at_sigterm_without_a_trace(tmp_path: Path) -> None:
    async with node_process(tmp_path, "--nodes", "2") as started:
        told = started.ready
        assert told["pid"] == started.process.pid
        assert [one["name"] for one in told["nodes"]] == [f"emqx@{told['network']}.{n}" for n in (1, 2)]
        device = await Device.connect(told["nodes"][0]["mqtt"].partition(":")[0], "up", level=5)
        started.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await started.process.wait() == 0
        assert await device.next(1) == "FIN"
        await device.close()
