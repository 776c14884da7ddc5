"""Releases whose nodes are processes of their own: rolled in place, joined by nodes of the next release, left by the old ones, and started again.

The tests are one story, each goes on where the one before ended.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from components.keepers.copies import manifest_of
from components.local import cluster as local
from lab.stage import Scene, Stage
from tests.lab import one_cluster_stage as one
from tests.lab.balancer_life_bed import until
from tests.lab.release_bed import MEMBER, gone, unpacked

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

CLIENTS = 20
OLD, NEW, NEXT = "5.8.6", "5.8.8", "5.8.9"
SCENE = Scene(
    clients=CLIENTS,
    budget_per_second=40,
    steps=({"share": 100},),
    edition="ce",
    nodes=2,
    persistent_fraction=0.5,
    strategy="same-cluster",
    gates={"connectLatencyP99Milliseconds": 30_000},  # of a machine that does other things too
)


class Members(Stage):
    """Both colours are releases, unpacked beside each other."""

    versions: Mapping[str, str] = MappingProxyType({"blue": OLD, "green": NEXT})

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        super().configure(live, *colours, **more)
        clusters = {}
        for colour in colours:
            version = self.versions[colour]
            home = self.directory / version
            if not home.exists():
                unpacked(home, MEMBER, version, enterprise=False)
            clusters[colour] = {
                "target": "local",
                "version": version,
                "edition": "ce",
                "nodes": self.nodes[colour],
                "emqxHome": str(home),
                "proxyProtocol": True,
            }
        self.workspace.set_config({"clusters": clusters})

    def ready(self, colour: str) -> dict[str, Any]:
        ready = local.running(self.work / "clusters" / colour)
        if ready is None:
            raise FileNotFoundError(f"{colour} does not run")
        return ready | {"version": self.versions[colour]}

    def runs(self, colour: str) -> dict[str, str]:
        """The version of each node that runs, as the first node of the colour lists them."""
        with self.api(colour) as api:
            rows = api.get("/nodes").raise_for_status().json()
        return {row["node"]: row["version"] for row in rows if row["node_status"] == "running"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    with Members(tmp_path_factory.mktemp("members"), SCENE) as made:
        try:
            made.configure("blue", "blue", strategy="rolling")
            made.workspace.up().good()
            made.fill("blue")
            made.start_fleet()
            yield made
        finally:
            for colour in ("blue", "green"):
                local.stop(made.work / "clusters" / colour)


def test_each_node_is_stopped_copied_and_started_with_the_next_release_on_its_data(stage: Members) -> None:
    before = stage.ready("blue")
    assert set(stage.runs("blue").values()) == {OLD}
    stage.versions = {**stage.versions, "blue": NEW}
    stage.configure("blue", "blue", strategy="rolling")
    stage.workspace.up().good()
    after = stage.ready("blue")
    assert after["nodes"] == before["nodes"]
    assert stage.runs("blue") == dict.fromkeys(one.names(stage, "blue"), NEW)
    assert all(map(gone, before["pids"]))
    copies = [manifest_of(path) for path in (stage.work / "backups").glob("*/*")]
    assert sorted((copy.node, copy.version) for copy in copies) == [(name, OLD) for name in one.names(stage, "blue")]
    assert stage.live() == {"blue": CLIENTS}


def test_nodes_of_the_next_release_join_with_the_cookie_of_the_old_ones_and_take_everybody(stage: Members) -> None:
    stage.configure("green", "blue", "green")
    stage.workspace.up().good()
    names = {colour: one.names(stage, colour) for colour in ("blue", "green")}
    assert stage.runs("green") == dict.fromkeys(names["blue"], NEW) | dict.fromkeys(names["green"], NEXT)
    cookies = {(stage.work / "clusters" / colour / "cookie").read_text() for colour in names}
    assert len(cookies) == 1
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert one.sessions_on(stage, "blue") == set()


def test_the_old_processes_are_stopped_and_forced_out_and_a_new_one_that_dies_finds_the_new_ones_again(
    stage: Members,
) -> None:
    old = stage.ready("blue")["pids"]
    stage.configure("green", "green")
    assert "has left the cluster of green" in stage.workspace.up().good().output
    assert all(map(gone, old))
    new = stage.ready("green")
    assert stage.runs("green") == dict.fromkeys(one.names(stage, "green"), NEXT)
    os.kill(new["pids"][1], signal.SIGKILL)
    until(lambda: gone(new["pids"][1]) and len(stage.runs("green")) == 1)
    stage.workspace.up().good()
    until(lambda: stage.runs("green") == dict.fromkeys(one.names(stage, "green"), NEXT))
    with httpx.Client(auth=("upgrade-blue", stage.secrets["blue"]), timeout=30) as api:
        for node in stage.ready("green")["nodes"]:
            users = api.get(f"{node['api']}/api/v5/authentication/password_based%3Abuilt_in_database/users")
            assert [row["user_id"] for row in users.raise_for_status().json()["data"]] == ["device"]
    fleet = stage.end_fleet()
    assert {reason for reason in fleet["refused_by_reason"] if reason.startswith("connack")} == set()
    assert fleet["disconnects"]["max"] <= SCENE.nodes + 1 + 1 + 1, (
        "the roll and its evening out, the move, the node that died"
    )
