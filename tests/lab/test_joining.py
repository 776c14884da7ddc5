"""Nodes of another version or edition join a cluster that runs, as recorded: A1 to A5 and F1 of same-cluster's recordings."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lab.node.boot import Joining
from tests.lab.membership_bed import FULL, NOTHING, USERS, Steps, licensed, lines, probes

pytestmark = pytest.mark.lab

EVERYBODY = ("00", "00", "00")
REFUSED = ("00", "86", "86")


async def test_everything_is_on_a_node_of_another_version_at_its_first_answer(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed:
        green = await bed.join(version="5.8.9", edition="ce", nodes=2)
        for name in green:
            assert await bed.tables(name) == FULL
            assert await probes(name) == REFUSED
            assert len((await bed.get(name, "/cluster"))["nodes"]) == 4
        await bed.shows(green[0], dict.fromkeys([*bed.blue.names()], "running"))
        rows = await bed.get(bed.first, "/nodes")
        assert {row["node"]: row["version"] for row in rows} == (
            dict.fromkeys(set(bed.blue.names()) - set(green), "5.8.8") | dict.fromkeys(green, "5.8.9")
        )


async def test_a_joining_node_lets_everybody_in_twice_and_what_it_was_told_before_is_gone(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed:
        steps = Steps(bed)
        booting = asyncio.create_task(bed.join(version="5.8.9", edition="ce", nodes=1))
        await steps.until("alone")
        (name,) = set(bed.membership.names()) - set(bed.blue.names())
        assert (await bed.get(name, "/cluster"))["nodes"] == [name]
        assert await bed.tables(name) == NOTHING
        assert await probes(name) == EVERYBODY
        assert (await bed.call(name, "POST", "/banned", {"as": "clientid", "who": "early"}))[0] == 200
        steps.go()
        await steps.until("down")
        assert await bed.get(name, "/cluster") is None
        assert await probes(name) == ("closed",) * 3
        steps.go()
        await steps.until("again")
        assert len((await bed.get(name, "/cluster"))["nodes"]) == 3
        assert await probes(name) == EVERYBODY
        assert (await bed.get(name, USERS))[0] == 500
        assert await bed.get(name, "/authorization/sources") == (500, "")
        steps.go()
        await steps.until("refuses")
        assert await probes(name) == ("87",) * 3
        assert (await bed.get(name, USERS))[0] == 400
        steps.go()
        await booting
        assert await bed.tables(name) == FULL
        assert await probes(name) == REFUSED


async def test_healthy_nodes_answer_500_while_one_joins_and_tables_stay_readable(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed:
        steps = Steps(bed, trouble=60.0)
        booting = asyncio.create_task(bed.join(version="5.8.9", edition="ce", nodes=1))
        await steps.until("alone")
        steps.go()
        await steps.until("down")
        bed.blue.store.put("connectors", {"http": {"hook": {}}})
        status, said = await bed.call(bed.first, "GET", "/connectors")
        assert status == 500
        assert "emqx_resource_cache" in said["message"]
        for path in ("/clients", "/metrics", "/monitor_current"):
            status, said = await bed.call(bed.first, "GET", path)
            assert status == 500
            assert "case_clause" in said["message"]
        for path in (USERS, "/banned", "/rules", "/nodes", "/cluster"):
            assert (await bed.call(bed.first, "GET", path))[0] == 200
        for _ in range(3):
            steps.go()
        await booting


async def test_a_node_with_another_cookie_stays_alone_and_lets_everybody_in(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed:
        (name,) = await bed.join(version="5.8.9", edition="ce", nodes=1, cookie="another")
        assert (await bed.get(name, "/cluster"))["nodes"] == [name]
        assert await bed.tables(name) == NOTHING
        assert await probes(name) == EVERYBODY
        assert await bed.nodes(bed.first) == dict.fromkeys(bed.blue.names(), "running")
        refused = await bed.call(bed.first, "PUT", f"/cluster/{name}/invite")
        assert refused == (400, {"code": "BAD_REQUEST", "message": "nodedown"})


async def test_a_node_that_waits_is_invited_and_the_refusals_are_those_recorded(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed:
        one, two = await bed.join(version="5.8.9", edition="ce", nodes=2, seeds=())
        assert (await bed.get(one, "/cluster"))["nodes"] == [one]
        assert await bed.call(bed.first, "PUT", f"/cluster/{one}/invite", {}) == (200, "")
        assert await bed.tables(one) == FULL
        assert await bed.call(bed.first, "PUT", f"/cluster/{two}/invite_async") == (200, "")
        invitation: dict[str, Any] = {}
        while not invitation.get("succeed"):
            invitation = await bed.get(bed.first, "/cluster/invitation")
        assert [row["node"] for row in invitation["succeed"]] == [two]
        assert set(invitation["succeed"][0]) == {"node", "started_at", "finished_at"}
        assert await bed.tables(two) == FULL
        for name, said in (
            (two, f"{{already_in_cluster,'{bed.first}'}}"),
            (bed.first, "Cannot invite self"),
            ("emqx@127.0.6.99", "nodedown"),
        ):
            refused = await bed.call(bed.first, "PUT", f"/cluster/{name}/invite")
            assert refused == (400, {"code": "BAD_REQUEST", "message": said})


async def test_an_enterprise_node_in_an_open_source_cluster_has_its_own_paths_and_its_licence_does_not_hold(
    tmp_path: Path,
) -> None:
    async with lines(tmp_path, nodes=1, version="5.8.9") as bed:
        (name,) = await bed.join(version="5.8.11", edition="ee", nodes=1)
        await bed.shows(bed.first, dict.fromkeys((bed.first, name), "running"))
        editions = {row["node"]: row["edition"] for row in await bed.get(name, "/nodes")}
        assert editions == {bed.first: "Opensource", name: "Enterprise"}
        for path in ("/license", "/load_rebalance/availability_check", "/load_rebalance/global_status"):
            assert (await bed.get(bed.first, path))[0] == 404
            assert isinstance(await bed.get(name, path), dict)
        assert (await bed.get(name, "/license"))["max_sessions"] == 25
        assert (await bed.call(name, "POST", f"/load_rebalance/{bed.first}/evacuation/start", {}))[0] == 500
        assert licensed(bed) is None
        await bed.membership.stop_node(bed.first)
        assert licensed(bed) == 25, "the last open-source node is gone"


async def test_a_join_takes_as_long_as_its_life_line_or_a_fault_asks_for(tmp_path: Path) -> None:
    async with lines(tmp_path, nodes=1) as bed:
        (name,) = await bed.join(version="5.8.9", edition="ce", nodes=1, boot_factor=0.01)
        assert bed.membership.pace(bed.first).alone == 0
        assert bed.membership.pace(name).alone == Joining().scaled(0.01).alone > 0
        bed.membership.joining = Joining().scaled(2)
        assert bed.membership.pace(bed.first).down == 2 * Joining().down
