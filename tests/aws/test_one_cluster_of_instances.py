"""A cluster on AWS behind a Network Load Balancer keeps its data and gets other versions: instance by instance, then by instances that join it, until the old ones go; 300 clients.

The account is this file's own, so that what was called in it is what such a life calls. Each update is cut off once, in the middle.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.aws.cloud import Cloud
from lab.aws.stage import AwsStage, at
from lab.stage import CALM, ROOT, Scene
from tests.aws.waiting import until
from tests.lab.agreement import plan_and_act_agree

pytestmark = [pytest.mark.aws, pytest.mark.timeout(1800)]

CLIENTS, SECONDS = 300, 900.0
SCENE = Scene(
    clients=CLIENTS,
    budget_per_second=100,
    edition="ee",
    green="5.8.8",
    nodes=2,
    steps=({"share": 20}, {"share": 100}),
    persistent_fraction=1.0,
    publish_interval_seconds=5.0,
    strategy="rolling",
    gates=CALM,
    cutover={"portions": [30, 100]},
)
BEFORE = Counter[str]()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsStage]:
    directory: Path = tmp_path_factory.mktemp("one")
    cloud = Cloud.of(directory / "aws", os.getpid())
    BEFORE.update(cloud.calls())
    try:
        with at(cloud, directory), AwsStage(directory / "stage", SCENE, cloud, "one") as stage:
            stage.build_blue()
            stage.start_fleet()
            yield stage
    finally:
        cloud.end()


def versions(stage: AwsStage, colour: str) -> list[str]:
    """What the nodes run that the colour's first one lists as running."""
    with stage.api(colour) as api:
        listed = api.get("/nodes").raise_for_status().json()
    return sorted(one["version"] for one in listed if one["node_status"] == "running")


def left(stage: AwsStage, kind: str) -> list[str]:
    """What of this stage is in the account: the ids of volumes or snapshots."""
    ec2 = stage.cloud.client("ec2")
    ours = [{"Name": "tag:environment", "Values": ["lab"]}]
    if kind == "volumes":
        return [one["VolumeId"] for one in ec2.describe_volumes(Filters=ours)["Volumes"]]
    return [one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"], Filters=ours)["Snapshots"]]


def killed_when(stage: AwsStage, seen: Callable[[Mapping[str, Any]], bool]) -> None:
    """An update with everything of it ended by SIGKILL, as soon as its journal has such an event."""
    before = len(stage.journal())
    run = stage.workspace.start_up()
    until(lambda: any(map(seen, stage.journal()[before:])) or not run.running, "the act", SECONDS)
    assert run.running, run.output()
    run.kill_all()
    stage.workspace.cancel().good()


def test_no_capacity_stops_a_roll_with_the_others_in_service_and_the_next_update_goes_on(stage: AwsStage) -> None:
    stage.change()
    stage.cloud.play("ec2:StartInstances", "InsufficientInstanceCapacity")
    output = stage.workspace.up().output
    assert "InsufficientInstanceCapacity" in output, output
    assert "its data volume is whole" in output
    assert sorted(one["State"]["Name"] for one in stage.instances("blue")) == ["running", "stopped"]
    assert stage.live() == {"blue": CLIENTS}, "the other node has them"


def test_cut_off_while_the_second_node_is_emptied_the_next_update_goes_on_with_it(stage: AwsStage) -> None:
    addresses = sorted(one["PrivateIpAddress"] for one in stage.instances("blue"))
    killed_when(stage, lambda one: one["event"] == "evacuation" and one.get("step") == "roll-2")
    stage.workspace.up().good()
    assert plan_and_act_agree(stage).direction == "roll"
    assert versions(stage, "blue") == ["5.8.8", "5.8.8"]
    assert stage.live() == {"blue": CLIENTS}
    assert sorted(one["PrivateIpAddress"] for one in stage.running("blue")) == addresses
    assert len(left(stage, "snapshots")) == 2
    assert not re.search(r"^ [-+~] ", stage.workspace.preview().good().output, re.MULTILINE)


def test_nobody_was_disconnected_more_often_than_a_roll_may(stage: AwsStage) -> None:
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] <= SCENE.most_disconnects
    assert fleet["refused_connections"] == 0
    assert fleet["messages"]["lost_qos1"] == 0


def test_everybody_is_taken_over_by_instances_that_have_joined_however_it_is_cut_off(stage: AwsStage) -> None:
    stage.scene = replace(stage.scene, strategy="same-cluster", green="5.8.9")
    stage.start_fleet()
    stage.configure("green", "blue", "green")
    killed_when(stage, lambda one: one["event"] == "move")
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert plan_and_act_agree(stage).clients == CLIENTS
    assert versions(stage, "green") == ["5.8.8", "5.8.8", "5.8.9", "5.8.9"]


def test_finalize_takes_everything_away_but_volumes_and_snapshots_and_says_how_they_go(stage: AwsStage) -> None:
    volumes, snapshots = left(stage, "volumes"), left(stage, "snapshots")
    stage.configure("green", "green")
    output = stage.workspace.up().good().output
    assert stage.live() == {"green": CLIENTS}
    assert versions(stage, "green") == ["5.8.9", "5.8.9"]
    assert stage.running("blue") == []
    assert (left(stage, "volumes"), left(stage, "snapshots")) == (volumes, snapshots)
    listed = re.findall(r"aws ec2 delete-(?:volume|snapshot) \S+ \S+ --\S+ (\S+)", output)
    assert set(snapshots) <= set(listed)
    assert len([one for one in listed if one in volumes]) >= 2
    parameters = stage.cloud.client("ssm").describe_parameters()["Parameters"]
    assert not [one["Name"] for one in parameters if one["Name"].startswith("/one-lab/blue/")]
    assert not re.search(r"^ [-+~] ", stage.workspace.preview().good().output, re.MULTILINE)
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] == 1
    assert fleet["refused_connections"] == 0


def test_the_documented_rights_are_exactly_what_was_called(stage: AwsStage) -> None:
    document = json.loads((ROOT / "docs" / "aws-rights.json").read_text())

    def documented(*words: str) -> set[str]:
        return {action for one in document["Statement"] if one["Sid"].startswith(words) for action in one["Action"]}

    called = set(stage.cloud.calls() - BEFORE) - documented("Balancer", "Ledger")
    assert documented("Nodes") - {"iam:PassRole"} == called - {"ssm:DescribeParameters"}, (
        "passing a role is no call of its own"
    )
