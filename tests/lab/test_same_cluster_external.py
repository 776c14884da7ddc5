"""One cluster that is not ours, from open source to Enterprise and back: green's nodes are invited, one that cannot join or has too small a licence ends the update.

Blue's nodes are forced out once they are stopped: by their owner, or by the commands that he gave us.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.emqx.models import BalancerHandle
from components.local import balancer as balancing
from components.routers.registry import router_of
from lab.stage import Scene, Stage
from lab.workspace import Secret
from tests.lab import one_cluster_stage as one
from tests.lab.node_process import NodeProcess, node_process
from tests.lab.rolling_bed import commands

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

CLIENTS = 60
SCENE = Scene(
    clients=CLIENTS,
    persistent_fraction=0.5,
    budget_per_second=60,
    steps=({"share": 100},),
    edition="ce",
    strategy="same-cluster",
    green="5.8.11",
)
COOKIE = "emqxsecretcookie"
EDITIONS = {"blue": "ce", "green": "ee"}
LICENCE = "lab-1000-planted"


@pytest.fixture
async def theirs(tmp_path: Path) -> AsyncIterator[tuple[NodeProcess, NodeProcess, str]]:
    """A cluster, and nodes beside it that wait for an invitation and have another cookie."""
    secret = secrets.token_urlsafe(24)
    key = ("upgrade-blue", secret)
    words = ("--nodes", "2", "--proxy-protocol")
    its = ("--name", "blue", "--version", SCENE.blue, "--edition", EDITIONS["blue"])
    async with node_process(tmp_path / "blue", *its, *words, key=key) as blue:
        apart = ("--join", blue.ready["control"], "--seeds", "", "--cookie", "another")
        more = ("--name", "green", "--version", SCENE.green, "--edition", EDITIONS["green"], *words, *apart)
        async with node_process(tmp_path / "green", *more, key=key) as green:
            yield blue, green, secret


class ExternalPair(Stage):
    """Both colours are given by their addresses."""

    def __init__(self, directory: Path, given: dict[str, dict[str, Any]], secret: str) -> None:
        super().__init__(directory, SCENE)
        self.given, self.secrets["blue"] = given, secret
        self.keeper: dict[str, Any] = {}

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        super().configure(live, *colours, **more)
        versions = {"blue": SCENE.blue, "green": SCENE.green}
        clusters = {
            colour: {
                "target": "external",
                "version": versions[colour],
                "edition": EDITIONS[colour],
                "proxyProtocol": True,
                "nodes": [{key: node[key] for key in ("name", "api", "mqtt")} for node in self.given[colour]["nodes"]],
                **self.keeper,
            }
            for colour in colours
        }
        credential = {"apiKey": "upgrade-blue", "apiSecret": Secret(self.secrets["blue"])}
        self.workspace.set_config({"clusters": clusters, "credentials": dict.fromkeys(("blue", "green"), credential)})

    def ready(self, colour: str) -> dict[str, Any]:
        return self.given[colour]

    def servers(self, colour: str) -> set[str]:
        """The states in which the balancer has the nodes of a colour."""
        handle: BalancerHandle = balancing.handle_of(self.work / "balancer")
        found = asyncio.run(router_of(handle).servers())
        return {str(server.state) for known, nodes in found.items() if known == colour for server in nodes.values()}


def test_nodes_with_another_cookie_or_too_small_a_licence_end_the_update_and_corrected_they_take_everybody(
    tmp_path: Path, theirs: tuple[NodeProcess, NodeProcess, str]
) -> None:
    blue, green, secret = theirs
    with ExternalPair(tmp_path / "stage", {"blue": blue.ready, "green": green.ready}, secret) as stage:
        stage.build_blue()
        stage.start_fleet()
        _never_joins(stage)
        _restarted(green, cookie=COOKIE)
        _is_licensed_for_too_few(stage)
        _restarted(green, license=LICENCE)
        stage.workspace.up().good()
        assert stage.live() == {"blue": 0, "green": CLIENTS}
        assert stage.servers("green") == {"ready"}
        _goes_back_and_there_again(stage)
        _leaves(stage, blue)
        fleet = stage.end_fleet()
        assert fleet["disconnects"]["max"] == 3, "there, back, and there again"
        assert fleet["messages"]["lost_qos1"] == 0
        assert fleet["refused_connections"] == 0


def _never_joins(stage: ExternalPair) -> None:
    stage.configure("green", "blue", "green", joinSeconds=8)
    failed = stage.workspace.up()
    assert failed.code != 0
    assert "is a cluster of its own" in failed.output
    assert "did not join: nodedown" in failed.output
    assert "cookie of blue" in failed.output
    assert stage.live()["blue"] == CLIENTS
    assert stage.servers("green") == {"maint"}, "alone it lets everybody in, for ever"


def _is_licensed_for_too_few(stage: ExternalPair) -> None:
    stage.configure("green", "blue", "green")
    failed = stage.workspace.up()
    assert failed.code != 0
    assert "a licence for 25, which holds once the last open-source node has left" in failed.output
    assert stage.live()["blue"] == CLIENTS
    assert stage.servers("green") == {"maint"}


def _restarted(green: NodeProcess, **more: str) -> None:
    control = green.ready["control"]
    for node in green.ready["nodes"]:
        for act, body in (("stop", {}), ("start", more)):
            httpx.post(f"{control}/nodes/{node['name']}/{act}", json=body, timeout=60).raise_for_status()


def _goes_back_and_there_again(stage: ExternalPair) -> None:
    """From Enterprise to open source: sessions of clients that are offline too, which no evacuation takes there."""
    stage.configure("blue", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": CLIENTS, "green": 0}
    assert one.sessions_on(stage, "green") == set()
    stage.configure("green", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert one.sessions_on(stage, "blue") == set()


def _leaves(stage: ExternalPair, blue: NodeProcess) -> None:
    stage.configure("green", "green")
    refused = stage.workspace.up()
    assert refused.code != 0
    assert "run, and they are not ours to stop" in refused.output
    assert len(one.rows(stage, "green")) == 4
    control = blue.ready["control"]
    by_hand, by_us = (node["name"] for node in blue.ready["nodes"])
    httpx.post(f"{control}/nodes/{by_hand}/stop", json={}, timeout=60).raise_for_status()
    stage.keeper = {"keeper": {word: list(command) for word, command in commands(control).items()}}
    stage.configure("green", "blue", "green")
    stage.workspace.up().good()
    assert one.rows(stage, "green")[by_us] == "running", "a declaration stops nobody"
    stage.configure("green", "green")
    assert "has left the cluster of green" in stage.workspace.up().good().output
    assert one.rows(stage, "green") == dict.fromkeys(one.names(stage, "green"), "running")
    left = httpx.get(f"{control}/state", timeout=60).raise_for_status().json()["nodes"]
    assert {row["name"]: row["state"] for row in left if row["name"] in {by_hand, by_us}} == dict.fromkeys(
        (by_hand, by_us), "stopped"
    )
    for row in left:
        assert Path(f"{row['data']}.left").exists() == (row["name"] in {by_hand, by_us})
