"""Preview asks a colour that is not ours what it is, before anything is made of what the stack's config says of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.emqx.errors import Refused
from components.intent import declared
from components.migration.unlike import MOST_TOLD
from components.preview import Plan, plan_of
from tests.lab.data_bed import KEY, LOGIN, SECRET, Cluster, cluster, pair

pytestmark = pytest.mark.lab

MANY = 25


def plan(work: Path, theirs: Cluster, secret: str = SECRET, **said: Any) -> str:
    nodes = [node.model_dump() for node in theirs.handle.nodes]
    blue = {"target": "external", "version": "5.8.6", "edition": "ce", "nodes": nodes, **said}
    green = {"target": "local", "version": "5.8.9", "nodes": len(nodes)}
    settings = declared({"live": "green", "clusters": {"blue": blue, "green": green}, "workDirectory": str(work)})
    keys = {"blue": {"apiKey": KEY, "apiSecret": secret}, "green": {"apiKey": "k", "apiSecret": "s"}}
    return plan_of(settings, json.dumps(keys)).text


async def test_a_version_or_edition_that_the_nodes_do_not_confirm_is_refused(tmp_path: Path) -> None:
    async with cluster(tmp_path / "theirs", "blue", "--edition", "ce", "--nodes", "1", version="5.8.6") as theirs:
        assert "cutover forward to green: 0 clients" in plan(tmp_path, theirs)
        # Enterprise is what an entry without `edition` declares.
        with pytest.raises(Refused, match=r"emqx:clusters\.blue\.edition says ee, and the node says ce"):
            plan(tmp_path, theirs, edition="ee")
        with pytest.raises(Refused, match=r"emqx:clusters\.blue\.version says 5\.8\.5, and the node says 5\.8\.6"):
            plan(tmp_path, theirs, version="5.8.5")
        # One that does not let us ask is planned with unknown numbers; the update asks again.
        assert "blue could not be asked: emqx@" in (text := plan(tmp_path, theirs, "wrong", edition="ee"))
        assert "401" in text
    assert plan(tmp_path, theirs, edition="ee")


@pytest.mark.parametrize("wants_header", [True, False])
async def test_a_proxy_setting_that_the_listeners_do_not_have_is_refused(tmp_path: Path, wants_header: bool) -> None:
    options = ("--edition", "ce", "--nodes", "1", *(["--proxy-protocol"] if wants_header else []))
    async with cluster(tmp_path / "theirs", "blue", *options, version="5.8.6") as theirs:
        assert "cutover forward to green" in await asyncio.to_thread(plan, tmp_path, theirs, proxyProtocol=wants_header)
        with pytest.raises(Refused, match=rf"blue\.proxyProtocol is {str(not wants_header).lower()}, and its listener"):
            await asyncio.to_thread(plan, tmp_path, theirs, proxyProtocol=not wants_header)


async def test_a_colour_that_hangs_is_unknown_and_asked_once(tmp_path: Path) -> None:
    async with cluster(tmp_path / "theirs", "blue", "--edition", "ce", "--nodes", "3", version="5.8.6") as theirs:
        await theirs.fault("hang")
        async with asyncio.timeout(60):
            text = await asyncio.to_thread(plan, tmp_path, theirs)
    assert "unknown clients" in text
    assert "  blue could not be asked: emqx@" in text, text


async def test_a_colour_of_which_no_node_answers_is_named_with_what_was_seen_and_not_refused(tmp_path: Path) -> None:
    async with cluster(tmp_path / "theirs", "blue", "--edition", "ce", "--nodes", "2", version="5.8.6") as theirs:
        assert "could not be asked" not in plan(tmp_path, theirs)
    text = plan(tmp_path, theirs)
    assert "unknown clients" in text
    assert "  blue could not be asked: emqx@" in text
    assert "what is to be known of blue is unknown here, the update asks again" in text
    assert "green could not be asked" not in text, "it is not built yet"


async def test_a_rebalance_or_evacuation_of_somebody_else_is_refused(tmp_path: Path) -> None:
    async with cluster(tmp_path / "theirs", "blue", "--edition", "ee", "--nodes", "2", version="5.8.6") as theirs:
        assert "cutover forward to green" in plan(tmp_path, theirs, edition="ee")
        node = theirs.handle.nodes[0]
        path = f"{node.api}/api/v5/load_rebalance/{node.name}/evacuation"
        async with httpx.AsyncClient(auth=(KEY, SECRET)) as api:
            (await api.post(f"{path}/start", json={"wait_health_check": 600})).raise_for_status()
            with pytest.raises(Refused, match=rf"evacuations run on {node.name}, and this cutover did not start it"):
                plan(tmp_path, theirs, edition="ee")
            (await api.post(f"{path}/stop")).raise_for_status()
        assert plan(tmp_path, theirs, edition="ee")


def plan_of_both(work: Path, blue: Cluster, green: Cluster) -> Plan:
    colours = {
        cluster.handle.colour: {
            "target": "external",
            "version": cluster.handle.version,
            "nodes": [node.model_dump() for node in cluster.handle.nodes],
        }
        for cluster in (blue, green)
    }
    settings = declared({"live": "green", "clusters": colours, "workDirectory": str(work)})
    return plan_of(settings, json.dumps({key: {"apiKey": KEY, "apiSecret": SECRET} for key in colours}))


async def test_what_green_lacks_after_an_import_is_in_the_plan_the_grave_first_and_whole_in_its_json(
    tmp_path: Path,
) -> None:
    """Before an import nothing is told: most of it will be carried. There are more of them than were ever shown at once."""
    names = [f"tcp:extra{number}" for number in range(MANY)]
    (tmp_path / "balancer").mkdir()
    (tmp_path / "balancer" / "share.map").write_text("green 0\n")
    memory = tmp_path / "balancer" / "memory.map"
    async with pair(tmp_path, blue=("--nodes", "1"), green=("--nodes", "1")) as (one, two), one.api() as blue:
        for number in range(MANY):
            extra = {"type": "tcp", "name": f"extra{number}", "bind": "127.0.0.1:0"}
            await blue.http.call("POST", "/listeners", body=extra)
        await one.configure('sysmon.os.cpu_check_interval = "33s"\n')
        memory.write_text("run =x\norigin =blue\n")
        before = await asyncio.to_thread(plan_of_both, tmp_path, one, two)
        memory.write_text("run =x\norigin =blue\nimported =green 1795346000.000\n")
        after = await asyncio.to_thread(plan_of_both, tmp_path, one, two)
    assert "tcp:extra" not in before.text
    assert before.numbers["configuration"] is None
    told = [line for line in after.text.splitlines() if "listener tcp:extra" in line]
    assert len(told) == MOST_TOLD
    assert f"differs from blue's ({MANY} grave, 1 others)" in after.text
    assert f"and {MANY + 1 - MOST_TOLD} more, all in {tmp_path / 'plan.json'}" in after.text
    things = [(thing["name"], thing["grave"]) for thing in after.numbers["configuration"]]
    assert things == [*((name, True) for name in sorted(names)), ("sysmon.os.cpu_check_interval", False)]
    json.dumps(after.numbers)


async def test_a_key_that_may_only_read_is_enough_for_the_whole_plan(tmp_path: Path) -> None:
    """A viewer's key gets 403 for everything that writes, so the plan is made without."""
    async with cluster(tmp_path / "theirs", "blue", "--edition", "ee", "--nodes", "1", version="5.8.6") as theirs:
        node = theirs.handle.nodes[0]
        body = {"name": "viewer", "enable": True, "expired_at": "infinity", "desc": "", "role": "viewer"}
        async with httpx.AsyncClient(base_url=f"{node.api}/api/v5") as api:
            login = (await api.post("/login", json={"username": LOGIN[0], "password": LOGIN[1]})).raise_for_status()
            token = {"Authorization": f"Bearer {login.json()['token']}"}
            made = (await api.post("/api_key", json=body, headers=token)).raise_for_status().json()
            viewer = (made["api_key"], made["api_secret"])
            assert (await api.post("/banned", json={}, auth=viewer)).status_code == 403
        work = tmp_path / "work"
        settings = declared(
            {
                "live": "green",
                "clusters": {
                    "blue": {"target": "external", "version": "5.8.6", "nodes": [node.model_dump()]},
                    "green": {"target": "local", "version": "5.8.9", "nodes": 1},
                },
                "workDirectory": str(work),
            }
        )
        plans = {
            who: await asyncio.to_thread(
                plan_of,
                settings,
                json.dumps({"blue": {"apiKey": key, "apiSecret": secret}, "green": {"apiKey": "k", "apiSecret": "s"}}),
            )
            for who, (key, secret) in {"viewer": viewer, "administrator": (KEY, SECRET)}.items()
        }
    assert plans["viewer"].text == plans["administrator"].text
    assert plans["viewer"].runs == {"blue": ("5.8.6",)}
    assert plans["viewer"].outline.not_asked == {}
    assert not work.exists(), "a preview alone makes no directory"
