"""Devices that find their nodes by a name of a hosted zone are upgraded to another cluster, there and back: the real engine, records by weight and health, resolvers that keep answers.

The tests are one story, each goes on where the one before ended; the clusters are somebody's own.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.aws.cloud import Cloud
from lab.aws.stage import at
from lab.fleet.resolving import Resolver
from lab.stage import ROOT, Scene, Stage
from lab.workspace import Secret
from tests.aws.waiting import until
from tests.lab.agreement import plan_and_act_agree
from tests.lab.node_process import NodeProcess, node_process

pytestmark = [pytest.mark.aws, pytest.mark.timeout(900)]

CLIENTS, TTL, TIMES = 60, 2, 2
SCENE = Scene(
    clients=CLIENTS,
    budget_per_second=60,
    edition="ce",
    nodes=2,
    steps=({"share": 30}, {"share": 100}),
    cutover={"portions": [30, 100]},
    gates={"connectLatencyP99Milliseconds": 60_000, "unknownSeconds": 240, "stallSeconds": 240},
)
VERSIONS = {"blue": SCENE.blue, "green": SCENE.green}
BEFORE = Counter[str]()


class ByName(Stage):
    """Both clusters are given by their addresses; nothing is in front of them but a name."""

    def __init__(self, directory: Path, cloud: Cloud, given: dict[str, dict[str, Any]], secret: str) -> None:
        super().__init__(directory, SCENE)
        self.cloud, self.given = cloud, given
        self.name = f"mqtt.{cloud.place.domain}"
        self.secrets |= {"blue": secret, "green": secret}
        self.fleet_options = ["--resolver", cloud.place.resolver]

    @property
    def mqtt(self) -> str:
        return str(self.workspace.outputs()["mqtt"])

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        super().configure(live, *colours, **more)
        clusters = {
            colour: {
                "target": "external",
                "version": VERSIONS[colour],
                "edition": "ce",
                "nodes": [{key: node[key] for key in ("name", "api", "mqtt")} for node in self.given[colour]["nodes"]],
            }
            for colour in colours
        }
        records = {"zone": self.cloud.place.zone, "name": self.name, "ttlSeconds": TTL, "waitTtls": TIMES}
        front = {"region": self.cloud.place.region, "name": "names", "readySeconds": 240, "records": records}
        credentials = {
            colour: {"apiKey": f"upgrade-{colour}", "apiSecret": Secret(self.secrets[colour])} for colour in VERSIONS
        }
        balancer = {"target": "route53", "aws": front}
        self.workspace.set_config({"clusters": clusters, "balancer": balancer, "credentials": credentials})

    def ready(self, colour: str) -> dict[str, Any]:
        return self.given[colour]

    def weights(self) -> dict[str, int]:
        """The weights of the name's records."""
        listed = self.cloud.client("route53").list_resource_record_sets(HostedZoneId=self.cloud.place.zone)
        return {one["SetIdentifier"]: one["Weight"] for one in listed["ResourceRecordSets"] if "Weight" in one}

    def by_hand(self, colour: str, weight: int) -> None:
        """Somebody changes a weight."""
        record = {
            "Name": self.name,
            "Type": "CNAME",
            "TTL": TTL,
            "SetIdentifier": colour,
            "Weight": weight,
            "ResourceRecords": [{"Value": f"{colour}.{self.name}"}],
        }
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        self.cloud.client("route53").change_resource_record_sets(HostedZoneId=self.cloud.place.zone, ChangeBatch=batch)


async def _both(stack: AsyncExitStack, directory: Path, secret: str) -> dict[str, dict[str, Any]]:
    async def one(colour: str) -> NodeProcess:
        words = ("--name", colour, "--version", VERSIONS[colour], "--edition", "ce", "--nodes", "2")
        made = node_process(directory / colour, *words, key=(f"upgrade-{colour}", secret))
        return await stack.enter_async_context(made)

    return {colour: (await one(colour)).ready for colour in VERSIONS}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Iterator[ByName]:
    directory, secret = tmp_path_factory.mktemp("names"), secrets.token_urlsafe(24)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        given = runner.run(_both(stack, directory / "nodes", secret))
        BEFORE.update(cloud.calls())
        try:
            with at(cloud, directory / "aws"), ByName(directory / "stage", cloud, given, secret) as stage:
                stage.build_blue()
                stage.start_fleet()
                yield stage
        finally:
            runner.run(stack.aclose())


def test_devices_find_the_nodes_of_blue_by_the_name(stage: ByName) -> None:
    assert stage.live() == {"blue": CLIENTS, "green": 0}
    assert not re.search(r"^ [-+~] ", stage.workspace.preview().good().output, re.MULTILINE)


def test_everybody_is_moved_to_green_with_one_disconnect_and_no_one_before_resolvers_had_time_to_ask_again(
    stage: ByName,
) -> None:
    stage.configure("green", "blue", "green")
    preview = stage.workspace.preview().good().output
    assert f"after each change of the share it waits {TTL * TIMES} s" in preview
    assert "a name does not see who is told what" in preview
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert plan_and_act_agree(stage).clients == CLIENTS
    waits = [event["seconds"] for event in stage.journal() if event["event"] == "spread"]
    assert len(waits) == 2
    assert all(0 < seconds <= TTL * TIMES for seconds in waits)
    assert not re.search(r"^ [-+~] ", stage.workspace.preview().good().output, re.MULTILINE)


def test_a_node_that_takes_nobody_is_told_to_no_one(stage: ByName) -> None:
    gone, stays = (node["mqtt"].partition(":")[0] for node in stage.given["green"]["nodes"])
    name = stage.given["green"]["nodes"][0]["name"]
    assert gone in told(stage)
    stage.control("green", "POST", f"/nodes/{name}/stop")
    until(lambda: told(stage) == {stays}, "the node's end")
    stage.control("green", "POST", f"/nodes/{name}/start", {"version": SCENE.green, "edition": "ce"})
    until(lambda: gone in told(stage), "the node again")


def told(stage: ByName) -> set[str]:
    """What eight devices are told, as they are every few seconds."""
    host, _, port = stage.cloud.place.resolver.partition(":")

    async def asked() -> set[str]:
        resolver = Resolver(host, int(port))
        return {await resolver.address(number, stage.name, 0) for number in range(8)}

    return asyncio.run(asked())


def test_weights_of_somebody_else_are_shown_and_set_back(stage: ByName) -> None:
    stage.by_hand("blue", 100)
    output = stage.workspace.preview().good().output
    assert re.search(r"~ .*WeighedBalancer", output)
    stage.workspace.up().good()
    assert stage.weights() == {"blue": 0, "green": 1}


def test_the_way_back_takes_everybody_and_what_is_left_is_the_records(stage: ByName) -> None:
    stage.configure("blue", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": CLIENTS, "green": 0}
    stage.configure("blue", "blue")
    stage.workspace.up().good()
    assert stage.weights() == {"blue": 1}
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] <= 3, "there, the node that stopped, and back"


def test_the_documented_rights_are_exactly_what_was_called(stage: ByName) -> None:
    document = json.loads((ROOT / "docs" / "aws-rights.json").read_text())
    documented = {action for one in document["Statement"] if one["Sid"].startswith("Names") for action in one["Action"]}
    called = set(stage.cloud.calls() - BEFORE)
    assert documented == {action for action in called if action.startswith("route53:")}
