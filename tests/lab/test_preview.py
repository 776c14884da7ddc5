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
from components.preview import plan_of
from tests.lab.data_bed import KEY, SECRET, Cluster, cluster

pytestmark = pytest.mark.lab


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


async def test_a_colour_that_hangs_is_unknown_and_asked_once(tmp_path: Path) -> None:
    async with cluster(tmp_path / "theirs", "blue", "--edition", "ce", "--nodes", "3", version="5.8.6") as theirs:
        await theirs.fault("hang")
        async with asyncio.timeout(30):
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
