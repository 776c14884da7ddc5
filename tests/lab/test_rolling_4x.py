"""A 4.3 is rolled to 4.4 by one real `pulumi up`: its keeper stops each node and starts it with the new version, users and rules stay as they are.

Recorded are 4.4 nodes beside 4.3 ones (docs/emqx/v4.md#cluster), and users and rules over a restart; such a roll was never run with real nodes.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.emqx.models import Node
from lab.stage import Scene
from tests.lab.rolling_bed import Roll
from tests.lab.test_chain_of_4x import permitted

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SCENE = Scene(clients=12, budget_per_second=30, edition="ce", blue="4.3.22", nodes=2, strategy="rolling")


class Roll4(Roll):
    """The same with the files of 4.x nodes."""

    def api_of(self, node: dict[str, Any]) -> httpx.Client:
        auth = ("upgrade-blue", self.secrets["blue"])
        return httpx.Client(base_url=f"{node['api']}/api/v4", auth=auth, timeout=30)

    def versions(self) -> list[str]:
        with self.api("blue") as api:
            rows = api.get("/nodes").raise_for_status().json()["data"]
        return [str(one["version"]) for one in rows]


def test_a_4_3_is_rolled_to_4_4_with_its_users_and_the_order_of_its_rules(tmp_path: Path) -> None:
    with Roll4(tmp_path, SCENE) as stage:
        stage.build_blue()
        with stage.api("blue") as api:
            api.post("/auth_username", json={"username": "alice", "password": stage.secrets["device"]})
            for topic, access in (("c/#", "deny"), ("c/open", "allow")):  # the newest is asked first
                rule = {"username": "alice", "topic": topic, "action": "pubsub", "access": access}
                assert api.post("/acl", json=rule).json()["code"] == 0
        stage.start_fleet()
        stage.declare("4.4.19", acknowledge=["sessions"])
        assert "roll of blue: done" in stage.workspace.up().good().output
        assert stage.versions() == ["4.4.19"] * 2
        node = Node(**stage.ready("blue")["nodes"][0])
        may = asyncio.run(permitted(node, "alice", stage.secrets["device"]))
        assert may is not None
        assert (may["c/open"], may["c/other"]) == (True, False)
        fleet = stage.end_fleet(60.0)
        assert fleet["disconnects"]["max"] <= 3
        assert fleet["refused_connections"] == 0
