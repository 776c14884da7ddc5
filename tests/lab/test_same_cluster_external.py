"""One cluster that is not ours: green's nodes are invited, one that cannot join ends the update, and blue's nodes are forced out once their owner has stopped them."""

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

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

CLIENTS = 60
SCENE = Scene(
    clients=CLIENTS, budget_per_second=60, steps=({"share": 100},), edition="ce", strategy="same-cluster", green="5.8.9"
)
COOKIE = "emqxsecretcookie"


@pytest.fixture
async def theirs(tmp_path: Path) -> AsyncIterator[tuple[NodeProcess, NodeProcess, str]]:
    """A cluster, and nodes beside it that wait for an invitation and have another cookie."""
    secret = secrets.token_urlsafe(24)
    key = ("upgrade-blue", secret)
    words = ("--edition", "ce", "--nodes", "2", "--proxy-protocol")
    async with node_process(tmp_path / "blue", "--name", "blue", "--version", SCENE.blue, *words, key=key) as blue:
        apart = ("--join", blue.ready["control"], "--seeds", "", "--cookie", "another")
        more = ("--name", "green", "--version", SCENE.green, *words, *apart)
        async with node_process(tmp_path / "green", *more, key=key) as green:
            yield blue, green, secret


class ExternalPair(Stage):
    """Both colours are given by their addresses."""

    def __init__(self, directory: Path, given: dict[str, dict[str, Any]], secret: str) -> None:
        super().__init__(directory, SCENE)
        self.given, self.secrets["blue"] = given, secret

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        super().configure(live, *colours, **more)
        versions = {"blue": SCENE.blue, "green": SCENE.green}
        clusters = {
            colour: {
                "target": "external",
                "version": versions[colour],
                "edition": "ce",
                "proxyProtocol": True,
                "nodes": [{key: node[key] for key in ("name", "api", "mqtt")} for node in self.given[colour]["nodes"]],
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


def test_nodes_with_another_cookie_end_the_update_and_corrected_they_are_invited(
    tmp_path: Path, theirs: tuple[NodeProcess, NodeProcess, str]
) -> None:
    blue, green, secret = theirs
    with ExternalPair(tmp_path / "stage", {"blue": blue.ready, "green": green.ready}, secret) as stage:
        stage.build_blue()
        stage.start_fleet()
        _never_joins(stage)
        _let_meet(green)
        stage.workspace.up().good()
        assert stage.live() == {"blue": 0, "green": CLIENTS}
        assert stage.servers("green") == {"ready"}
        _leaves(stage, blue)
        fleet = stage.end_fleet()
        assert fleet["disconnects"]["max"] == 1
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


def _let_meet(green: NodeProcess) -> None:
    control = green.ready["control"]
    for node in green.ready["nodes"]:
        for act, body in (("stop", {}), ("start", {"cookie": COOKIE})):
            httpx.post(f"{control}/nodes/{node['name']}/{act}", json=body, timeout=60).raise_for_status()


def _leaves(stage: ExternalPair, blue: NodeProcess) -> None:
    stage.configure("green", "green")
    refused = stage.workspace.up()
    assert refused.code != 0
    assert "run, and they are not ours to stop" in refused.output
    assert len(one.rows(stage, "green")) == 4
    blue.process.terminate()
    stage.workspace.up().good()
    assert one.rows(stage, "green") == dict.fromkeys(one.names(stage, "green"), "running")
