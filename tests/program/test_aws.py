"""A stack on AWS under Pulumi's mocks: what is declared, in which order, what is secret, and that every policy passes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.hocon.document import loads
from components.machines.parameters import NOTHING
from components.machines.user_data import LIMIT_BYTES
from components.targets import TARGETS, aws_network
from components.targets.aws import Aws
from tests.aws_bed import REGION, account, make_image, make_subnets
from tests.policy.asking import ask_all, tokens
from tests.program.conftest import SECRET, Recorder
from tests.program.declaring import VERSIONS, declare, protected, tell
from tests.program.test_kubernetes_policies import plain

pytestmark = [pytest.mark.program, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
PLANTED = "planted-api-secret"
PARAMETER = "aws:ssm/parameter:Parameter"


@pytest.fixture(scope="module")
def network() -> Iterator[list[str]]:
    """An account with two subnets, in which nothing is made."""
    with account():
        yield make_subnets()


@pytest.fixture
def subnets(recorder: Recorder, network: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The target, on these subnets."""
    monkeypatch.setitem(TARGETS, "aws", Aws())
    return network


def configure(subnets: list[str], live: str, *colours: str, strategy: str = "two-cluster", **blue: Any) -> None:
    cluster = {
        "target": "aws",
        "edition": "ee",
        "nodes": 3,
        "region": REGION,
        "subnets": subnets,
        "image": make_image(),
        "management": {"ranges": ["10.0.0.0/16"]},
        "tags": {"team": "iot"},
    }
    clusters = {colour: {**cluster, "version": VERSIONS[colour], **blue} for colour in colours}
    key = {"apiKey": "key", "apiSecret": PLANTED, "username": "admin", "password": 'planted-"password'}
    tell(live, clusters, key, cutover={"strategy": strategy, "steps": [{"share": 100}]})


def of_type(recorder: Recorder, token: str) -> dict[str, dict[str, Any]]:
    return {one.name: one.inputs for one in recorder.seen if one.type == token}


def value(recorder: Recorder, colour: str, word: str) -> str:
    """What a parameter of a colour says; the SDK takes every one for a secret."""
    name = f"/emqx-prod/{colour}/{word}"
    (found,) = [one.inputs for one in recorder.seen if one.type == PARAMETER and one.inputs["name"] == name]
    return str(found["value"]["value"])


def test_a_colour_is_everything_that_it_needs(recorder: Recorder, subnets: list[str]) -> None:
    configure(subnets, "blue", "blue")
    declare()
    kinds = {one.type.rpartition(":")[2] for one in recorder.seen if one.name.startswith("blue-")}
    assert kinds == {
        "AwsDeclared",
        "SecurityGroup",
        "SecurityGroupIngressRule",
        "SecurityGroupEgressRule",
        "Role",
        "RolePolicy",
        "InstanceProfile",
        "Parameter",
        "Volume",
        "Instance",
        "VolumeAttachment",
        "MetricAlarm",
        "AwsCluster",
        "ClusterGuard",
    }
    for number, (subnet, zone) in enumerate(((subnets[0], "a"), (subnets[1], "b"), (subnets[0], "a"))):
        assert recorder.named(f"blue-{number}-instance").inputs["subnetId"] == subnet
        found = recorder.named(f"blue-{number}-data").inputs["availabilityZone"]
        assert found == f"{REGION}{zone}", "a volume is where its instance is"
    assert recorder.named("blue-declared").inputs["version"] == "5.8.6"
    assert value(recorder, "blue", "declared") == "5.8.6 ee repository"
    for one in recorder.seen:
        if one.type.startswith("aws:") and "tags" in one.inputs:
            assert one.inputs["tags"]["environment"] == "prod"
            assert one.inputs["tags"]["team"] == "iot"


def test_an_instance_begins_with_no_secret_and_no_version(recorder: Recorder, subnets: list[str]) -> None:
    configure(subnets, "green", "blue", "green")
    declare()
    for name, inputs in of_type(recorder, tokens.INSTANCE).items():
        text = inputs["userData"]
        assert text.startswith("#cloud-config\n")
        assert len(text) < LIMIT_BYTES
        assert "5.8." not in text
        files = {one["path"]: one["content"] for one in json.loads(text.partition("\n")[2])["write_files"]}
        colour, number = name.split("-")[:2]
        facts = files["/etc/emqx-upgrade/node"]
        assert f"PARAMETERS='/emqx-prod/{colour}'" in facts
        assert f"NODE='{number}'" in facts
        assert f"VOLUME='{colour}-{number}-data-id'" in facts
        assert inputs["metadataOptions"]["httpTokens"] == "required"


def test_credentials_are_secret_parameters_and_nowhere_else(recorder: Recorder, subnets: list[str]) -> None:
    configure(subnets, "green", "blue", "green")
    declare()
    parameters = {one["name"]: one for one in of_type(recorder, PARAMETER).values()}
    keys = parameters["/emqx-prod/blue/secrets/api-keys"]
    assert keys["type"] == "SecureString"
    assert SECRET in keys["value"], "Pulumi encrypts it in its state"
    assert value(recorder, "blue", "secrets/api-keys") == f"key:{PLANTED}:administrator"
    login = value(recorder, "blue", "secrets/settings")
    assert 'dashboard.default_password = "planted-\\"password"' in login
    others = json.dumps([one.inputs for one in recorder.seen if "-secrets-" not in one.name], default=str)
    assert PLANTED not in others
    assert "planted-" not in others


def test_instances_are_born_with_how_the_doors_of_a_4_4_behaved(
    recorder: Recorder, subnets: list[str], tmp_path: Path
) -> None:
    configure(subnets, "green", "green")
    declare()
    assert value(recorder, "green", "born") == NOTHING
    (conf := tmp_path / "emqx.conf").write_text(
        "listener.tcp.external = 1883\nlistener.tcp.external.max_connections = 4321\n"
    )
    (tmp_path / "export.json").write_text("{}")
    node = {"name": "emqx@10.0.0.1", "api": "http://10.0.0.1:8081", "mqtt": "10.0.0.1:1883"}
    clusters = json.loads(pulumi.runtime.get_config("emqx:clusters") or "")
    clusters["blue"] = {
        "target": "external", "edition": "ee", "version": "4.4.19", "nodes": [node],
        "configuration": [str(conf)], "exports": {"path": str(tmp_path / "export.json")},
    }  # fmt: skip
    pulumi.runtime.set_config("emqx:clusters", json.dumps(clusters))
    recorder.seen.clear()
    declare()
    born = loads(value(recorder, "green", "born"))
    assert born["listeners"]["tcp"]["default"]["max_connections"] == 4321
    assert not {"bind", "proxy_protocol"} & born["listeners"]["tcp"]["default"].keys(), "those are the target's"


def test_each_cluster_has_a_cookie_of_its_own_and_joined_nodes_have_one(recorder: Recorder, subnets: list[str]) -> None:
    configure(subnets, "green", "blue", "green")
    declare()
    assert value(recorder, "blue", "secrets/cookie") != value(recorder, "green", "secrets/cookie")


def test_nodes_of_one_cluster_find_and_reach_each_other(recorder: Recorder, subnets: list[str]) -> None:
    configure(subnets, "green", "blue", "green", strategy="same-cluster")
    declare()
    rules = of_type(recorder, tokens.INGRESS_RULE)
    ways = {
        name: (one["securityGroupId"], one.get("referencedSecurityGroupId"), one["fromPort"])
        for name, one in rules.items()
    }
    assert ways["green-distribution"] == ("green-group-id", "green-group-id", 4370)
    assert ways["green-distribution-from-beside"] == ("green-group-id", "sg-of-blue", 4370)
    assert ways["green-distribution-to-beside"] == ("sg-of-blue", "green-group-id", 4370)
    assert ways["green-rpc-to-beside"] == ("sg-of-blue", "green-group-id", 5369)
    assert value(recorder, "blue", "secrets/cookie") == value(recorder, "green", "secrets/cookie")
    config = value(recorder, "green", "config")
    assert '"emqx@10.9.0.1"' in config, "a node of blue is among green's seeds"
    assert 'name = "emqx-prod-blue"' in config


def test_what_joins_two_colours_goes_with_the_first_of_them_whoever_serves(
    recorder: Recorder, subnets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = protected(monkeypatch, aws_network, "SecurityGroupIngressRule")
    configure(subnets, "green", "blue", "green", strategy="same-cluster")
    declare()
    between = {name: one for name, one in kept.items() if name.endswith("-beside")}
    assert len(between) == 4
    assert set(between.values()) == {False}


def test_what_the_target_declares_passes_every_policy(recorder: Recorder, subnets: list[str]) -> None:
    configure(subnets, "green", "blue", "green")
    declare()
    declared = [(one.type, plain(one.inputs)) for one in recorder.seen if one.type.startswith("aws:")]
    assert {token for token, _ in declared} >= {
        tokens.INSTANCE,
        tokens.EBS_VOLUME,
        tokens.SECURITY_GROUP,
        tokens.INGRESS_RULE,
        tokens.IAM_ROLE,
        tokens.IAM_ROLE_POLICY,
    }
    assert [said for token, inputs in declared for said in ask_all(token, inputs)] == []
