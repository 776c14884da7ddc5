"""Each fault of the control port does what it says, to whom it says, for as long as it says, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from lab.node.control import Control
from lab.node.membership import Membership
from lab.node.process import Managed
from tests.lab.recordings.bed import api, cluster, host
from tests.lab.recordings.device import Device

pytestmark = pytest.mark.lab


class Bed:
    """A cluster and its control port."""

    def __init__(self, managed: Managed, control: httpx.AsyncClient) -> None:
        self.managed, self.control = managed, control
        self.names = managed.names()

    async def fault(self, **body: Any) -> None:
        answer = await self.control.post("/faults", json=body)
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    async with cluster(tmp_path) as managed:
        control = Control(Membership(managed, {}))
        address = await control.start(host(managed))
        try:
            async with httpx.AsyncClient(base_url=address, timeout=60) as client:
                yield Bed(managed, client)
        finally:
            await control.stop()


async def test_the_control_port_is_told_of_once_it_takes_connections(tmp_path: Path) -> None:
    """Who has read the ready file calls it at once; without a turn of the server's loop in between, as another process may be quicker."""
    async with cluster(tmp_path) as managed:
        control = Control(Membership(managed, {}))
        try:
            told = urlsplit(await control.start(host(managed)))
            socket.create_connection((str(told.hostname), told.port or 0), timeout=60).close()
        finally:
            await control.stop()


async def test_a_status_fault_hits_its_node_its_path_and_its_count_only(bed: Bed) -> None:
    await bed.fault(kind="status", node=bed.names[0], path="/nodes$", count=2, status=503)
    async with api(bed.managed) as first, api(bed.managed, 2) as second:
        assert [(await first.get("/nodes")).status_code for _ in range(3)] == [503, 503, 200]
        await bed.fault(kind="status", node=bed.names[0], path="/nodes$", status=500)
        assert (await first.get("/cluster")).status_code == 200
        assert (await second.get("/nodes")).status_code == 200
        await bed.control.delete("/faults")
        assert (await first.get("/nodes")).status_code == 200


async def test_a_hang_never_answers_and_lets_go_when_it_is_cleared(bed: Bed) -> None:
    await bed.fault(kind="hang", node=bed.names[0])
    async with api(bed.managed) as client:
        waiting = asyncio.create_task(client.get("/nodes"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await bed.control.delete("/faults")
        with pytest.raises(httpx.RemoteProtocolError):
            await waiting
        assert (await client.get("/nodes")).status_code == 200


async def test_a_refused_port_is_closed_and_opens_again(bed: Bed) -> None:
    await bed.fault(kind="refuse", node=bed.names[0])
    async with api(bed.managed) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/nodes")
        await bed.control.delete("/faults")
        assert (await client.get("/nodes")).status_code == 200


async def test_slow_answers_come_and_come_late(bed: Bed) -> None:
    await bed.fault(kind="slow", node=bed.names[0], delay_seconds=0.3, count=1)
    async with api(bed.managed) as client:
        began = asyncio.get_running_loop().time()
        assert (await client.get("/nodes")).status_code == 200
        assert asyncio.get_running_loop().time() - began >= 0.3


async def test_idle_connections_are_closed_when_asked_for(bed: Bed) -> None:
    await bed.fault(kind="close_idle", node=bed.names[0], after_seconds=0.2)
    reader, writer = await asyncio.open_connection(host(bed.managed), 18083)
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()


async def test_connects_are_refused_with_the_wanted_reason_or_answered_late(bed: Bed) -> None:
    await bed.fault(kind="refuse_connects", node=bed.names[0], reason=0x97)
    refused = await Device.connect(host(bed.managed), "no", level=5)
    assert refused.connack == "2003009700"
    await bed.control.delete("/faults")
    await bed.fault(kind="connack_delay", node=bed.names[0], delay_seconds=0.3)
    began = asyncio.get_running_loop().time()
    late = await Device.connect(host(bed.managed), "late", level=5)
    assert late.connack.startswith("2016")
    assert asyncio.get_running_loop().time() - began >= 0.3
    await refused.close()
    await late.close()


async def test_a_dying_node_makes_the_others_stumble_then_it_is_stopped_and_a_return_stumbles_again(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H_node_killed_and_back: which calls are 500, and that /nodes shows it missing, stopped, missing, running."""
    now = bed.managed.clock.now()  # it stands still but for what we add, so that a busy machine is not too late
    monkeypatch.setattr(bed.managed.clock, "now", lambda: now)
    dead = bed.names[2]
    device = await Device.connect(host(bed.managed, 3), "there", level=5)
    async with api(bed.managed) as client:
        await bed.fault(kind="die", node=dead)
        stumbling = ("/clients", "/subscriptions", "/metrics", "/monitor_current", f"/nodes/{dead}")
        answers = await asyncio.gather(*(client.get(path) for path in stumbling))
        assert {answer.status_code for answer in answers} == {500}
        answer = await client.post("/clients/kickout/bulk", json=["x"])
        assert (answer.status_code, answer.json()) == (500, {"code": "UNKNOWN_ERROR", "message": "nodedown"})
        assert len((await client.get("/nodes")).json()) == 2
        now += 0.3
        assert {(await client.get(path)).status_code for path in stumbling[:-1]} == {200}
        assert (await client.get(f"/nodes/{dead}")).status_code == 404
        assert (await client.get("/cluster")).json()["nodes"] == bed.names[:2]
        assert [row["node_status"] for row in (await client.get("/nodes")).json()] == ["running", "running", "stopped"]
        assert await device.next(1) == "FIN"
        await bed.fault(kind="revive", node=dead)
        assert (await client.get("/cluster")).json()["nodes"] == bed.names
        assert (await client.get("/clients")).status_code == 500
        assert len((await client.get("/nodes")).json()) == 2
        now += 2.1
        assert (await client.get("/clients")).status_code == 200
        assert [row["node_status"] for row in (await client.get("/nodes")).json()] == ["running"] * 3
    await device.close()


async def test_a_partial_import_applies_half_and_says_400(bed: Bed) -> None:
    async with api(bed.managed) as client:
        await client.post("/banned", json={"as": "clientid", "who": "bad"})
        name = (await client.post("/data/export", json={})).json()["filename"]
        await client.delete("/banned")
        await bed.fault(kind="partial_import", count=1)
        answer = await client.post("/data/import", json={"filename": name})
        assert answer.status_code == 400
        assert "Failed to import built-in database table" in answer.json()["message"]
        assert (await client.get("/banned")).json()["data"] == []
        assert (await client.post("/data/import", json={"filename": name})).status_code == 204
        assert len((await client.get("/banned")).json()["data"]) == 1


async def test_an_aborted_import_ends_without_an_answer_and_a_truncated_download_is_no_archive(bed: Bed) -> None:
    async with api(bed.managed) as client:
        name = (await client.post("/data/export", json={})).json()["filename"]
        await bed.fault(kind="abort_import", count=1)
        with pytest.raises(httpx.HTTPError):
            await client.post("/data/import", json={"filename": name})
        whole = (await client.get(f"/data/files/{name}")).content
        await bed.fault(kind="truncate_download", count=1)
        assert (await client.get(f"/data/files/{name}")).content == whole[: len(whole) // 2]
        assert (await client.get(f"/data/files/{name}")).content == whole


async def test_nodes_join_and_leave_while_the_cluster_serves(bed: Bed) -> None:
    made = (await bed.control.post("/nodes")).json()["name"]
    await asyncio.sleep(2.1)
    async with api(bed.managed) as client, api(bed.managed, 4) as new:
        assert (await client.get("/cluster")).json()["nodes"] == [*bed.names, made]
        assert (await new.get("/cluster")).json()["self"] == made
        assert (await bed.control.delete(f"/nodes/{made}")).status_code == 200
        assert (await client.get("/cluster")).json()["nodes"] == bed.names


async def test_a_fault_that_does_not_exist_or_names_no_node_is_refused(bed: Bed) -> None:
    assert (await bed.control.post("/faults", json={"kind": "nonsense"})).status_code == 400
    assert (await bed.control.post("/faults", json={"kind": "hang", "node": "emqx@nowhere"})).status_code == 404
    assert (await bed.control.post("/faults", json=[])).status_code == 400
    assert (await bed.control.get("/state")).json()["faults"] == []
