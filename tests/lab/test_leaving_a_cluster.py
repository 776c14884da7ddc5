"""Nodes stop, are forced out, come back on their data, and meet the wrong cluster, as recorded: C1, C2, D1, D3, D5, F1, G1, G2."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from components.emqx.models import Credentials
from components.emqx.registry import cluster_of
from components.links.roll_ready import unlike_the_others
from lab.node.control import Control
from tests.handles import cluster_at
from tests.lab.membership_bed import CONFIGURED, FULL, RIGHT, Lines, Steps, licensed, lines, probe, probes
from tests.lab.recordings.bed import AUTH
from tests.lab.recordings.device import Device

pytestmark = pytest.mark.lab

EVERYBODY, REFUSED = ("00", "00", "00"), ("00", "86", "86")


@asynccontextmanager
async def keeper(bed: Lines) -> AsyncIterator[httpx.AsyncClient]:
    """The control port, as a node keeper uses it."""
    control = Control(bed.membership)
    address = await control.start(f"{bed.blue.network}.1")
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        yield client
    await control.stop()


async def test_faults_that_end_while_a_node_dies_leave_it_dead_and_its_port_free(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed, keeper(bed) as control:
        two = bed.blue.names()[1]
        dying = asyncio.create_task(bed.blue.kill_node(two))
        async with asyncio.timeout(60):
            while bed.blue.servers[two].running:  # noqa: ASYNC110  it is another task's
                await asyncio.sleep(0)
        assert bed.blue.cluster.nodes[two].state == "running", "its port is closed first"
        assert (await control.delete("/faults")).status_code == 200
        await dying
        assert not bed.blue.servers[two].running
        await bed.membership.start(two)
        await bed.shows(bed.first, dict.fromkeys(bed.blue.names(), "running"))


async def test_the_refusals_of_forcing_out_are_those_recorded(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed:
        two = bed.blue.names()[1]
        for name, said in ((bed.first, "Can't leave self"), ("emqx@127.0.5.99", "node_not_in_cluster")):
            refused = await bed.call(bed.first, "DELETE", f"/cluster/{name}/force_leave")
            assert refused == (400, {"code": "BAD_REQUEST", "message": said})
        await bed.membership.stop_node(two)
        await bed.shows(bed.first, {bed.first: "running", two: "stopped"})
        assert await bed.call(bed.first, "DELETE", f"/cluster/{two}/force_leave") == (204, "")
        assert await bed.nodes(bed.first) == {bed.first: "running"}
        again = await bed.call(bed.first, "DELETE", f"/cluster/{two}/force_leave")
        assert again == (400, {"code": "BAD_REQUEST", "message": "node_not_in_cluster"})


async def test_a_node_that_was_removed_while_it_was_stopped_is_a_member_again_when_it_starts_on_its_data(
    tmp_path: Path,
) -> None:
    async with lines(tmp_path) as bed:
        two = bed.blue.names()[1]
        await bed.membership.stop_node(two)
        await bed.call(bed.first, "DELETE", f"/cluster/{two}/force_leave")
        await bed.membership.start(two)
        await bed.shows(bed.first, dict.fromkeys((bed.first, two), "running"))
        assert await bed.tables(two) == FULL


async def test_a_removed_node_whose_data_were_set_aside_and_that_looks_for_nobody_stays_away(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed:
        two = bed.blue.names()[1]
        await bed.membership.stop_node(two)
        await bed.call(bed.first, "DELETE", f"/cluster/{two}/force_leave")
        shutil.rmtree(bed.membership.place(two))
        bed.membership.set_terms(two, replace(bed.membership.terms(two), seeds=()))
        await bed.membership.start(two)
        assert await bed.nodes(two) == {two: "running"}
        assert await bed.nodes(bed.first) == {bed.first: "running"}


async def test_a_running_node_that_is_forced_out_goes_on_alone_with_empty_tables(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed:
        two = bed.blue.names()[1]
        device = await Device.connect(two.partition("@")[2], "there", level=5, username=RIGHT[0], password=RIGHT[1])
        steps = Steps(bed)
        leaving = asyncio.create_task(bed.call(bed.first, "DELETE", f"/cluster/{two}/force_leave"))
        await steps.until("leaving")
        assert await probes(two) == EVERYBODY
        steps.go()
        await steps.until("leaving")
        assert await device.next(1) == "FIN"
        assert await probes(two) == ("closed",) * 3
        steps.go()
        await steps.until("again")
        assert await probes(two) == EVERYBODY
        steps.go()
        await steps.until("refuses")
        assert await probes(two) == ("87",) * 3
        steps.go()
        assert await leaving == (204, "")
        assert await bed.tables(two) == CONFIGURED
        assert (await bed.get(two, "/cluster"))["nodes"] == [two]
        assert await bed.nodes(two) == {two: "running"}
        assert await bed.tables(bed.first) == FULL
        assert (await bed.get(bed.first, "/cluster"))["nodes"] == [bed.first]
        await device.close()


async def test_a_node_that_left_is_a_member_again_after_a_restart_with_seeds(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed:
        two = bed.blue.names()[1]
        await bed.call(bed.first, "DELETE", f"/cluster/{two}/force_leave")
        await bed.membership.stop_node(two)
        await bed.membership.start(two)
        assert await bed.tables(two) == FULL
        assert len((await bed.get(two, "/cluster"))["nodes"]) == 2


async def test_green_that_restarts_with_the_name_of_a_blue_that_was_forced_out_while_it_ran_loses_everything(
    tmp_path: Path,
) -> None:
    async with lines(tmp_path, nodes=1) as bed:
        green = await bed.join(version="5.8.9", edition="ce", nodes=2)
        await bed.call(green[0], "DELETE", f"/cluster/{bed.first}/force_leave")
        for name in green[:1]:  # one after the other is fine
            await bed.membership.stop_node(name)
            await bed.membership.start(name)
            assert await bed.tables(name) == FULL
        for name in green:
            await bed.membership.stop_node(name)
        for name in green:
            await bed.membership.start(name)
        assert set((await bed.get(green[0], "/cluster"))["nodes"]) == {bed.first, *green}
        assert await bed.tables(green[0]) == CONFIGURED


async def test_green_that_restarts_after_blue_was_stopped_first_keeps_all_but_retained_messages(tmp_path: Path) -> None:
    async with lines(tmp_path, nodes=1) as bed:
        green = await bed.join(version="5.8.9", edition="ce", nodes=2)
        await bed.membership.stop_node(bed.first)
        await bed.call(green[0], "DELETE", f"/cluster/{bed.first}/force_leave")
        for name in green:
            await bed.membership.stop_node(name)
        for name in green:
            await bed.membership.start(name)
        assert set((await bed.get(green[0], "/cluster"))["nodes"]) == set(green)
        assert await bed.tables(green[0]) == (1, 1, 1, 0)
        await bed.membership.start(bed.first)  # by mistake
        assert set((await bed.get(bed.first, "/cluster"))["nodes"]) == {bed.first, *green}
        assert await bed.tables(bed.first) == (1, 1, 1, 0)


async def test_a_node_comes_back_as_another_version_with_its_evacuation_and_without_its_sessions(
    tmp_path: Path,
) -> None:
    async with lines(tmp_path, edition="ee", version="5.8.10", max_sessions=0) as bed, keeper(bed) as control:
        two = bed.blue.names()[1]
        device = await Device.connect(
            two.partition("@")[2], "kept", level=4, persistent=True, username=RIGHT[0], password=RIGHT[1]
        )
        await device.close()
        body = {"wait_health_check": 60, "conn_evict_rate": 7}
        assert (await bed.call(bed.first, "POST", f"/load_rebalance/{two}/evacuation/start", body))[0] == 200
        (await control.post(f"/nodes/{two}/stop")).raise_for_status()
        await bed.shows(bed.first, {bed.first: "running", two: "stopped"})
        (await control.post(f"/nodes/{two}/start", json={"version": "5.8.11"})).raise_for_status()
        await bed.shows(bed.first, dict.fromkeys((bed.first, two), "running"))
        assert {row["node"]: row["version"] for row in await bed.get(two, "/nodes")} == {
            bed.first: "5.8.10",
            two: "5.8.11",
        }
        status = await bed.get(two, "/load_rebalance/status")
        assert status["connection_eviction_rate"] == 7
        assert status["session_recipients"] == [bed.first]
        assert await probe(two, RIGHT) == "9c", "right can only be seen after its stop"
        assert (await bed.get(bed.first, "/clients/kept"))[0] == 404
        assert (await bed.call(bed.first, "POST", f"/load_rebalance/{two}/evacuation/stop"))[0] == 200
        assert await probes(two) == REFUSED
        assert await bed.tables(two) == FULL


async def test_open_source_becomes_enterprise_node_by_node_and_a_wrong_licence_ends_the_boot(tmp_path: Path) -> None:
    async with lines(tmp_path, version="5.8.9") as bed, keeper(bed) as control:
        first, two = bed.blue.names()
        (await control.post(f"/nodes/{two}/stop")).raise_for_status()
        wrong = {"version": "5.8.11", "edition": "ee", "license": "bogus"}
        answer = await control.post(f"/nodes/{two}/start", json=wrong)
        assert answer.status_code == 422
        assert "bad_license_format" in answer.json()["error"]
        assert "bogus" not in answer.text
        await bed.shows(first, {first: "running", two: "stopped"})
        right = wrong | {"license": "lab-1000-secret"}
        (await control.post(f"/nodes/{two}/start", json=right)).raise_for_status()
        assert (await bed.get(two, "/license"))["max_sessions"] == 1000
        assert licensed(bed) is None, "one node is open source"
        (await control.post(f"/nodes/{first}/stop")).raise_for_status()
        (await control.post(f"/nodes/{first}/start", json={"edition": "ee"})).raise_for_status()
        assert licensed(bed) == 25, "without a key: the evaluation licence"
        assert await bed.tables(first) == FULL


async def test_a_stopping_open_source_node_lets_everybody_in(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed:
        two = bed.blue.names()[1]
        steps = Steps(bed)
        stopping = asyncio.create_task(bed.membership.stop_node(two))
        await steps.until("closing")
        assert await probes(two) == EVERYBODY
        steps.go()
        await stopping
        assert await probes(two) == ("closed",) * 3


async def test_healthy_nodes_list_no_connectors_for_a_moment_when_a_node_has_come_back_and_say_200(
    tmp_path: Path,
) -> None:
    class Still:
        at = 0.0

        def now(self) -> float:
            return self.at

    async with lines(tmp_path) as bed:
        first, two = bed.blue.names()
        bed.blue.store.put("connectors", {"http": {"hook": {"enable": False}}})
        await bed.membership.stop_node(two)
        bed.blue.clock = clock = Still()  # type: ignore[assignment]
        await bed.membership.start(two)
        seen = []
        for clock.at in (0.1, 0.7, 1.1):
            status, said = await bed.call(first, "GET", "/connectors")
            seen.append((status, len(said) if status == 200 else said["code"]))
        assert seen == [(500, "INTERNAL_ERROR"), (200, 0), (200, 1)]


async def test_a_cluster_that_was_down_altogether_comes_back_with_what_is_on_its_nodes_disks(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed:
        first, two = bed.blue.names()
        for name in (two, first):
            await bed.membership.stop_node(name)
        copies = {name: (bed.membership.place(name) / "store.json").read_bytes() for name in (first, two)}
        for name in (first, two):
            await bed.membership.start(name)
        await bed.shows(first, dict.fromkeys((first, two), "running"))
        assert (await bed.call(two, "POST", "/banned", {"as": "clientid", "who": "later"}))[0] == 200
        for name in (first, two):
            await bed.membership.stop_node(name)
        for name, copy in copies.items():
            (bed.membership.place(name) / "store.json").write_bytes(copy)
        await bed.membership.start(two)
        assert await bed.nodes(two) == {two: "running", first: "stopped"}
        await bed.membership.start(first)
        for name in (first, two):
            assert await bed.tables(name) == (1, 1, 1, 0), "one ban: the copies', without retained messages"


async def test_copies_of_different_moments_start_only_together_and_do_not_fit(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed:
        first, two = bed.blue.names()
        copies = {}
        for name, other in ((two, first), (first, two)):  # as in a roll: each while the other one runs
            await bed.membership.stop_node(name)
            copies[name] = {file.name: file.read_bytes() for file in bed.membership.place(name).iterdir()}
            await bed.membership.start(name)
            await bed.call(other, "PUT", "/mqtt/auto_subscribe", [{"topic": "mine"}, {"topic": f"after/{name}"}])
        for name in (first, two):
            await bed.membership.stop_node(name)
        for name, copy in copies.items():
            for file, content in copy.items():
                (bed.membership.place(name) / file).write_bytes(content)
        await bed.membership.start(two)
        assert await bed.get(two, "/nodes") is None, "it waits for the tables of who ran on without it"
        assert not bed.membership.runs(two)
        await bed.membership.start(first)
        await bed.shows(first, dict.fromkeys((first, two), "running"))
        topics = [len(await bed.get(name, "/mqtt/auto_subscribe")) for name in (first, two)]
        assert topics == [2, 1], "each says 200, and has the settings of its own copy"
        handle = cluster_at(*(name.partition("@")[2] for name in (first, two)))
        async with cluster_of(handle, Credentials(api_key=AUTH[0], api_secret=AUTH[1])) as api:
            assert f"{two} is not in step with {first}" in await unlike_the_others(api, two)
