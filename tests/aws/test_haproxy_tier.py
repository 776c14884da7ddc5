"""A fleet on AWS behind HAProxy on instances of its own: half-way to another cluster, back after a killed update and over a lost instance, finalized, and to a node that joins; the real engine, 40 clients."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lab.aws.cloud import Cloud
from lab.aws.stage import AwsStage, at
from lab.stage import CALM, ROOT, Scene
from tests.aws.waiting import until
from tests.lab.agreement import plan_and_act_agree

pytestmark = [pytest.mark.aws, pytest.mark.timeout(1800)]

CLIENTS, SECONDS = 40, 900.0
WHO = "AKIALABHAPROXYTIER00"
SCENE = Scene(
    clients=CLIENTS,
    budget_per_second=50,
    edition="ce",
    nodes=1,
    steps=({"share": 50}, {"share": 100}),
    gates=CALM,
    cutover={"mover": "close"},
    balancer={"target": "aws"},
)
HALF = 5_000
GIVEN_UP = {"ssm:CancelCommand"}
"""What is called only where an instance takes too long."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Iterator[AwsStage]:
    directory = tmp_path_factory.mktemp("tier")
    with at(cloud, directory, WHO), AwsStage(directory, SCENE, cloud, "tier") as stage:
        stage.configure("blue", "blue")
        stage.workspace.up().good()
        stage.start_fleet()
        yield stage


def share(stage: AwsStage) -> int:
    """Green's, in the table."""
    key = {"id": {"S": "cutover"}}
    found = stage.cloud.client("dynamodb").get_item(TableName="tier-lab-cutover", Key=key, ConsistentRead=True)
    return int(found["Item"]["green"]["N"])


def running(stage: AwsStage) -> list[str]:
    return sorted(one["InstanceId"] for one in stage.balancers() if one["State"]["Name"] == "running")


def moved(stage: AwsStage) -> int:
    """How often a connection was ended by us; by nothing but closing it."""
    moves = [event for event in stage.journal() if event["event"] == "move"]
    assert {event["mover"] for event in moves} == {"close"}
    return sum(event["count"] for event in moves)


def versions(stage: AwsStage, colour: str) -> list[str]:
    """What the nodes run that the colour's first one lists."""
    with stage.api(colour) as api:
        return sorted(one["version"] for one in api.get("/nodes").raise_for_status().json())


def test_an_update_killed_at_50_percent_and_an_instance_that_is_made_anew_and_begins_with_that_then_the_way_back(
    stage: AwsStage,
) -> None:
    assert stage.live() == {"blue": CLIENTS}
    before = running(stage)
    assert len(before) == 2
    stage.configure("green", "blue", "green", steps=[{"share": 50}, {"hold": 3600}, {"share": 100}])
    update = stage.workspace.start_up()

    def halfway() -> bool:
        assert update.running, update.output()
        ended = [event["name"] for event in stage.journal() if event["event"] == "link" and event["phase"] == "end"]
        return "cutover-shift-50" in ended

    until(halfway, "half of the way", SECONDS)
    update.kill_all()
    assert share(stage) == HALF
    half = moved(stage)
    stage.workspace.cancel().good()
    stage.cloud.client("ec2").terminate_instances(InstanceIds=before[:1])
    until(lambda: running(stage) == before[1:], "the end of an instance", SECONDS)
    for action in ("SendCommand", "GetCommandInvocation"):
        stage.cloud.play(f"ssm:{action}", "ThrottlingException", times=2, skip=2, about=before[1])
    stage.configure("blue", "blue", "green")
    stage.workspace.refresh(clear_pending=True).good()
    stage.workspace.up().good()
    (anew,) = set(running(stage)) - set(before)
    console = str(stage.cloud.client("ec2").get_console_output(InstanceId=anew)["Output"])
    assert re.search(rf"HAProxy is started with \w+ and green's share of {HALF}\b", console), console
    assert stage.live() == {"blue": CLIENTS, "green": 0}
    assert share(stage) == 0
    assert moved(stage) == 2 * half, "those of the half and nobody else, since the new instance put nobody elsewhere"
    assert plan_and_act_agree(stage).direction == "back"
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] <= 3, "there, back, and with the instance that went"
    answered = {reason for reason in fleet["refused_by_reason"] if reason.startswith("connack")}
    assert answered == set(), "the instance that went has nobody to answer, until AWS sends it nobody any more"
    assert fleet["messages"]["lost_qos1"] == 0


def test_a_preview_right_after_the_update_is_empty(stage: AwsStage) -> None:
    assert not re.search(r"^ [-+~] ", stage.workspace.preview().good().output, re.MULTILINE)


def test_finalize_leaves_the_tier_with_the_colour_that_serves_and_nobody_is_cut_off(stage: AwsStage) -> None:
    stage.start_fleet()
    there = running(stage)
    stage.configure("blue", "blue")
    stage.workspace.up().good()
    assert stage.live() == {"blue": CLIENTS}
    assert running(stage) == there


def test_to_a_node_that_joins_with_one_disconnect_for_each_client(stage: AwsStage) -> None:
    stage.scene = replace(stage.scene, strategy="same-cluster")
    stage.configure("green", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert versions(stage, "green") == ["5.8.6", "5.8.9"]
    fleet = stage.end_fleet()
    assert (fleet["disconnects"]["max"], fleet["disconnects"]["mean"]) == (1, 1.0), "and none by the finalize"
    assert fleet["refused_connections"] == 0


def test_the_documented_rights_for_commands_are_exactly_what_was_called_beside_the_others(stage: AwsStage) -> None:
    document = json.loads((ROOT / "docs" / "aws-rights.json").read_text())
    by_word = {
        word: {action for one in document["Statement"] if one["Sid"].startswith(word) for action in one["Action"]}
        for word in ("Nodes", "Balancer", "Ledger", "Commands")
    }
    others = by_word["Nodes"] | by_word["Balancer"] | by_word["Ledger"]
    assert set(stage.cloud.calls(WHO)) - others == by_word["Commands"] - GIVEN_UP
