"""The lab's AWS plugin under the real engine, with pulumi_aws's own resources, against moto: what it makes, says, refuses and takes away."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from lab.aws.cloud import Cloud
from lab.aws.standing_in import provided
from lab.engine_run import Finished
from lab.workspace import environment

pytestmark = [pytest.mark.aws, pytest.mark.timeout(400)]
PROGRAM = Path(__file__).with_name("declared.py")
SECONDS = 240


class Project:
    """A Pulumi project of its own, with the program of `declared.py`."""

    def __init__(self, directory: Path, cloud: Cloud) -> None:
        self.directory = directory
        project = directory / "project"
        for name in ("home", "state", "project"):
            (directory / name).mkdir()
        (directory / "passphrase").write_text("of a test")
        (project / "__main__.py").write_text(PROGRAM.read_text())
        (project / "Pulumi.yaml").write_text(
            "name: declared\nruntime:\n  name: python\n  options:\n    virtualenv: .venv\n"
        )
        (project / ".venv").symlink_to(sys.prefix)
        told = provided(directory / "home", directory / "commands")
        assert "7.51.1" in told
        self.environment = environment(directory) | cloud.place.environment
        self.environment["PATH"] = f"{directory / 'commands'}:{self.environment['PATH']}"
        self.run("stack", "init", "lab").good()
        self.run("config", "set", "place", json.dumps(asdict(cloud.place))).good()

    def run(self, *words: str) -> Finished:
        command = [self.environment["PULUMI"], *words, "--non-interactive", "--color", "never"]
        answer = subprocess.run(
            command,
            cwd=self.directory / "project",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Finished(answer.returncode, answer.stdout)

    def set(self, name: str, value: str) -> None:
        self.run("config", "set", name, value).good()

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("stack", "output", "--json").good().output)
        return found


def changes(output: str) -> dict[str, str]:
    """The resources of a preview or an update that change, by type and name, and how."""
    found = re.findall(r"^ *(\+-|\+|~|-) +(?:├─ |└─ |│ +)*aws:(\S+) +(\S+) +(?!refreshing)", output, re.MULTILINE)
    return {f"{kind.rpartition(':')[2]} {name}": how for how, kind, name in found}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Project:
    made = Project(tmp_path_factory.mktemp("declared"), cloud)
    made.run("up", "--yes", "--skip-preview").good()
    return made


def test_what_is_declared_is_there_with_the_names_and_defaults_of_the_official_plugin(
    project: Project, cloud: Cloud
) -> None:
    told = project.outputs()
    assert told["address"].startswith(cloud.place.network)
    assert re.fullmatch(r"nodes-[0-9a-f]{7}", told["group"])
    ec2, elbv2 = cloud.client("ec2"), cloud.client("elbv2")
    found = ec2.describe_instances(InstanceIds=[told["node"]])["Reservations"][0]["Instances"][0]
    assert found["MetadataOptions"]["HttpTokens"] == "required"
    asked = [{"Name": "group-name", "Values": [told["group"]]}]
    rules = ec2.describe_security_groups(Filters=asked)["SecurityGroups"][0]
    assert [one["IpProtocol"] for one in rules["IpPermissionsEgress"]] == ["-1"]
    groups = elbv2.describe_target_groups(TargetGroupArns=told["groups"])["TargetGroups"]
    assert {one["HealthyThresholdCount"] for one in groups} == {3}
    action = elbv2.describe_listeners(ListenerArns=[told["listener"]])["Listeners"][0]["DefaultActions"][0]
    assert [one["Weight"] for one in action["ForwardConfig"]["TargetGroups"]] == [100, 0]


def test_a_preview_right_after_up_is_empty_also_after_a_look_at_the_world(project: Project) -> None:
    project.run("preview", "--refresh", "--expect-no-changes").good()


def test_what_is_changed_is_changed_in_place_however_often_a_call_is_throttled(project: Project, cloud: Cloud) -> None:
    before = project.outputs()
    project.set("variant", "second")
    cloud.play("elasticloadbalancing:ModifyListener", "Throttling", times=2)
    how = changes(project.run("up", "--yes", "--skip-preview").good().output)
    assert set(how.values()) == {"~"}, how
    declared = {"Instance node", "Listener mqtt", "TargetGroup blue", "Parameter version", "Record mqtt"}
    assert declared | {"SecurityGroupIngressRule mqtt"} <= how.keys()
    assert project.outputs() == before
    found = cloud.client("ec2").describe_instances(InstanceIds=[before["node"]])["Reservations"][0]["Instances"][0]
    assert (found["InstanceType"], found["State"]["Name"]) == ("c7g.large", "running")


def test_what_was_changed_by_hand_is_seen_and_nothing_else(project: Project, cloud: Cloud) -> None:
    cloud.client("ssm").put_parameter(Name="/declared/version", Value="5.8.1", Type="String", Overwrite=True)
    output = project.run("preview", "--refresh").good().output
    assert re.findall(r"~ (\d+) to update", output) == ["1"], output
    assert "Parameter version" in changes(output)


def test_a_property_that_is_not_served_is_refused(project: Project) -> None:
    project.set("wrong", "true")
    refused = project.run("preview")
    project.set("wrong", "false")
    assert refused.code
    said = " ".join(refused.output.split())
    assert "volumeInitializationRate" in said
    assert "not served by the lab's AWS plugin" in said


def test_a_refusal_names_the_type_and_destroy_leaves_nothing(project: Project, cloud: Cloud) -> None:
    told = project.outputs()
    cloud.play("dynamodb:DeleteTable", "AccessDeniedException", about=told["table"])
    failed = project.run("destroy", "--yes")
    assert failed.code
    assert f"deleting aws:dynamodb/table:Table {told['table']}" in failed.output
    project.run("destroy", "--yes").good()
    assert told["table"] not in cloud.client("dynamodb").list_tables()["TableNames"]
    found = cloud.client("ec2").describe_instances(InstanceIds=[told["node"]])["Reservations"][0]["Instances"][0]
    assert found["State"]["Name"] == "terminated"
    volumes = cloud.client("ec2").describe_volumes()["Volumes"]
    assert told["volume"] not in {one["VolumeId"] for one in volumes}
