"""A fleet on AWS is upgraded to another cluster behind a Network Load Balancer, on bad days of its API: stopped by a gate, cut off half-way, gone on with elsewhere, and led back; then the colour goes: 300 clients.

What the updates call is counted by an access key of their own, so that it can be held against the documented rights.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.aws.cloud import Cloud
from lab.aws.stage import AwsStage, at
from lab.stage import CALM, ROOT, Scene
from tests.aws.waiting import until
from tests.certificates import issued
from tests.lab.agreement import plan_and_act_agree

pytestmark = [pytest.mark.aws, pytest.mark.timeout(1800)]

CLIENTS, SECONDS = 300, 900.0
WHO = "AKIALABTWOCLUSTERS00"
SOME_STAY_AWAY, STAY_AWAY = "plain=19,libmosquitto-old=1", CLIENTS // 20
"""A DISCONNECT, as a kick sends it, ends an old libmosquitto for good where it speaks MQTT 5: one device in forty."""
TAGGED = {"elasticloadbalancing:AddTags", "dynamodb:TagResource"}
"""What IAM asks for beside a call that makes something with tags; no call of its own."""
SCENE = Scene(
    clients=CLIENTS,
    budget_per_second=100,
    edition="ce",
    kinds=SOME_STAY_AWAY,
    nodes=2,
    steps=({"share": 20}, {"gate": True}, {"share": 100}),
    publish_interval_seconds=5.0,
    gates=CALM,
    cutover={"portions": [30, 100]},
)


ENDS_TLS = issued("mqtt.lab")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Iterator[AwsStage]:
    directory = tmp_path_factory.mktemp("two")
    imported = cloud.client("acm").import_certificate(
        Certificate=ENDS_TLS.chain.encode(), PrivateKey=ENDS_TLS.key_text().encode()
    )
    secure = {"port": 8883, "protocol": "mqtts", "certificate": {"acm": imported["CertificateArn"]}}
    scene = replace(SCENE, balancer={"listeners": [{"port": 1883, "protocol": "mqtt"}, secure]})
    with at(cloud, directory, WHO), AwsStage(directory, scene, cloud, "two") as stage:
        stage.configure("blue", "blue")
        stage.workspace.up().good()
        stage.start_fleet()
        yield stage


def answered_over_tls(stage: AwsStage) -> bytes:
    """What a node says to a CONNECT that came over TLS, which the balancer ends."""
    context = ssl.create_default_context(cadata=ENDS_TLS.chain)
    context.check_hostname = False  # its name is made with it
    with (
        socket.create_connection((stage.mqtt.partition(":")[0], 8883), 60) as plain,
        context.wrap_socket(plain) as sock,
    ):
        sock.sendall(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03tls")
        return sock.recv(4)


def changes(stage: AwsStage) -> list[str]:
    """What a preview that looks at everything finds to do."""
    said = stage.workspace.start("preview", "--refresh").wait(SECONDS).good().output
    assert re.search(r"^ +\d+ unchanged", said, re.MULTILINE), said
    return re.findall(r"^ +[-+~]+ \d+ to \w+", said, re.MULTILINE)


def bad_days(cloud: Cloud) -> None:
    """Throttled, answered late, and answers that got lost, each of this stack's own calls."""
    cloud.play("elasticloadbalancing:ModifyListener", "Throttling", times=2, about="two-lab")
    cloud.play("elasticloadbalancing:DescribeListeners", times=3, skip=2, about="two-lab")
    cloud.play("dynamodb:PutItem", "InternalServerError", status=500, after=True, skip=2, about="two-lab")
    cloud.play("dynamodb:GetItem", "ThrottlingException", times=2, skip=3, about="two-lab")
    cloud.play("ec2:DescribeInstances", "RequestLimitExceeded", times=2, about="two-lab-green")
    cloud.play("ec2:DescribeInstances", times=2, about="two-lab-green")


def test_tls_ends_at_the_balancer_with_the_certificate_of_certificate_manager(stage: AwsStage) -> None:
    assert stage.live() == {"blue": CLIENTS}
    assert answered_over_tls(stage) == b"\x20\x02\x00\x00"


def test_an_instance_that_dies_at_a_gate_sends_everybody_back(stage: AwsStage) -> None:
    stage.configure("green", "blue", "green")
    run = stage.workspace.start_up()

    def weighed() -> bool:
        acts = ((one["event"], one.get("step")) for one in stage.journal())
        return ("share", "shift-20") in acts or not run.running

    until(weighed, "the first share", SECONDS)
    assert run.running, run.output()
    dead = stage.running("green")[0]["InstanceId"]
    stage.cloud.ask("instances/fail", dead)
    done = run.wait(SECONDS)
    assert done.code, done.output
    assert "gate nodes_lost" in done.output, done.output
    assert "all clients are back on blue" in done.output, done.output
    until(lambda: stage.live()["blue"] >= CLIENTS - STAY_AWAY, "all who come back at all")
    ec2 = stage.cloud.client("ec2")
    ec2.stop_instances(InstanceIds=[dead])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[dead], WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    ec2.start_instances(InstanceIds=[dead])


def test_cut_off_between_two_portions_it_is_gone_on_with_from_an_empty_directory(
    stage: AwsStage, tmp_path: Path
) -> None:
    before = len(stage.journal())
    bad_days(stage.cloud)
    run = stage.workspace.start_up()

    def in_a_portion() -> bool:
        return any(one["event"] == "move" for one in stage.journal()[before:]) or not run.running

    until(in_a_portion, "the first portion", SECONDS)
    assert run.running, run.output()
    run.kill_all()
    stage.workspace.cancel().good()
    bad_days(stage.cloud)
    with stage.elsewhere(tmp_path / "empty") as there:
        there.workspace.up().good()
    live = stage.live()
    away = CLIENTS - live["green"]
    assert live["blue"] == 0
    assert 0 < away <= STAY_AWAY, "a spot that a kick has ended for good, and fewer than a gate allows"


def test_a_preview_right_after_an_update_is_empty(stage: AwsStage) -> None:
    assert changes(stage) == []


def test_the_way_back(stage: AwsStage) -> None:
    here = stage.live()["green"]
    stage.configure("blue", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": here, "green": 0}
    assert plan_and_act_agree(stage).direction == "back"
    assert answered_over_tls(stage) == b"\x20\x02\x00\x00", "its listener has the same weights"


def test_finalize_takes_everything_of_the_colour_away_but_its_volumes_and_says_how_they_go(stage: AwsStage) -> None:
    here = stage.live()["blue"]
    stage.configure("blue", "blue")
    output = stage.workspace.up().good().output
    assert stage.live() == {"blue": here}
    assert left(stage.cloud, "two-lab-green") == []
    ours = [{"Name": "tag:emqx-upgrade:cluster", "Values": ["two-lab-green"]}]
    volumes = {one["VolumeId"] for one in stage.cloud.client("ec2").describe_volumes(Filters=ours)["Volumes"]}
    assert len(volumes) == SCENE.nodes
    assert set(re.findall(r"aws ec2 delete-volume --region \S+ --volume-id (\S+)", output)) == volumes
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] <= 5, "one for each move; two more for who had come to the instance that died"
    assert fleet["stayed_away"] == CLIENTS - here


def left(cloud: Cloud, name: str) -> list[str]:
    """What of a colour is in the account, beside volumes."""
    ec2, iam = cloud.client("ec2"), cloud.client("iam")
    there = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    found = [
        *(str(one) for group in ec2.describe_instances(Filters=there)["Reservations"] for one in group["Instances"]),
        *(one["GroupName"] for one in ec2.describe_security_groups()["SecurityGroups"]),
        *(one["RoleName"] for one in iam.list_roles()["Roles"]),
        *(one["InstanceProfileName"] for one in iam.list_instance_profiles()["InstanceProfiles"]),
        *(one["AlarmName"] for one in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]),
        *(one["Name"].replace("/", "-") for one in cloud.client("ssm").describe_parameters()["Parameters"]),
        *(one["TargetGroupName"] for one in cloud.client("elbv2").describe_target_groups()["TargetGroups"]),
    ]
    return [one for one in found if name in one]


def test_the_documented_rights_are_exactly_what_was_called(stage: AwsStage) -> None:
    document = json.loads((ROOT / "docs" / "aws-rights.json").read_text())
    by_word = {
        word: {action for one in document["Statement"] if one["Sid"].startswith(word) for action in one["Action"]}
        for word in ("Nodes", "Balancer", "Ledger")
    }
    called = set(stage.cloud.calls(WHO))
    assert called - by_word["Nodes"] == (by_word["Balancer"] | by_word["Ledger"]) - TAGGED
