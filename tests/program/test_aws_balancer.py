"""HAProxy on instances under Pulumi's mocks: what is declared of it, who reaches it, and what its instances may read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from components.machines.words import S3Package
from components.routers.haproxy.by_command import unpacked
from components.targets.aws_network import let_in
from tests.aws_bed import REGION, account, make_image, make_subnets
from tests.certificates import issued
from tests.policy.asking import ask_all, tokens
from tests.program.conftest import Recorder
from tests.program.declaring import VERSIONS, declare, of_type, tell
from tests.program.test_kubernetes_policies import plain

pytestmark = [pytest.mark.program, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
SERVER = issued("mqtts")


@pytest.fixture(scope="module")
def network() -> Iterator[list[str]]:
    """An account with two subnets, in which nothing is made."""
    with account():
        yield make_subnets()


@pytest.fixture
def subnets(recorder: Recorder, network: list[str]) -> list[str]:
    """Target and balancer, on these subnets."""
    return network


def configure(
    subnets: list[str], live: str, *colours: str, instances: dict[str, Any] | None = None, **balancer: Any
) -> None:
    image = make_image()
    cluster = {"target": "aws", "edition": "ee", "nodes": 1, "region": REGION, "subnets": subnets, "image": image}
    cluster["management"] = {"ranges": ["10.0.0.0/16"]}
    clusters = {colour: {**cluster, "version": VERSIONS[colour]} for colour in colours}
    front = {
        "region": REGION,
        "subnets": subnets,
        "sources": ["10.0.0.0/8"],
        "instances": {"image": image, **(instances or {})},
    }
    tell(
        live,
        clusters,
        balancer={"target": "aws", "aws": front, **balancer},
        cutover={"steps": [{"share": 10}, {"share": 100}]},
        certificates={"mqtts": SERVER.chain + SERVER.key_text()},
    )


def mine(recorder: Recorder, word: str) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in of_type(recorder, word).items() if name.startswith("balancer-")}


def test_two_instances_in_two_subnets_begin_after_the_share_and_are_behind_one_group_for_each_listener(
    recorder: Recorder, subnets: list[str]
) -> None:
    configure(subnets, "blue", "blue", "green")
    declare()
    instances = mine(recorder, "Instance")
    assert [one["subnetId"] for one in instances.values()] == subnets
    assert {one["metadataOptions"]["httpTokens"] for one in instances.values()} == {"required"}
    assert {one["tags"]["emqx-upgrade:balancer"] for one in instances.values()} == {"emqx-prod"}
    assert not any("apiSecret" in one["userData"] or "PRIVATE" in one["userData"] for one in instances.values())
    (group,) = mine(recorder, "TargetGroup").values()
    assert (group["proxyProtocolV2"], group["targetType"], group["preserveClientIp"]) == (False, "instance", "true")
    check = group["healthCheck"]
    assert (check["protocol"], check["port"]) == ("TCP", "8404")
    assert {one["targetId"] for one in mine(recorder, "TargetGroupAttachment").values()} == {
        "balancer-0-id",
        "balancer-1-id",
    }
    order = [one.name for one in recorder.seen]
    wanted = ["balancer-ledger", "balancer-share", "balancer-0", "balancer-haproxy", "cutover"]
    assert [name for name in order if name in wanted] == wanted


def test_nobody_reaches_an_instance_but_the_network_load_balancer(recorder: Recorder, subnets: list[str]) -> None:
    configure(subnets, "blue", "blue")
    declare()
    rules = mine(recorder, "SecurityGroupIngressRule")
    told = {
        name: (one["securityGroupId"], one["fromPort"], one.get("cidrIpv4") or one["referencedSecurityGroupId"])
        for name, one in rules.items()
    }
    assert told == {
        "balancer-1883-from-0": ("balancer-front-id", 1883, "10.0.0.0/8"),
        "balancer-in-1883": ("balancer-instances-id", 1883, "balancer-front-id"),
        "balancer-in-8404": ("balancer-instances-id", 8404, "balancer-front-id"),
        "balancer-to-blue-api": ("sg-of-blue", 18083, "balancer-instances-id"),
        "balancer-to-blue-mqtt": ("sg-of-blue", 1883, "balancer-instances-id"),
        "balancer-to-blue-ws": ("sg-of-blue", 8083, "balancer-instances-id"),
    }


def test_instances_may_read_exactly_their_parameters_the_item_and_the_package(
    recorder: Recorder, subnets: list[str]
) -> None:
    package = S3Package(uri="s3://packages/haproxy-2.8.14.rpm", sha256="0" * 64)
    listeners = [{"port": 8883, "protocol": "mqtts", "certificate": {"named": "mqtts"}}]
    configure(subnets, "blue", "blue", instances={"package": package.model_dump()}, listeners=listeners)
    declare()
    parameters = mine(recorder, "Parameter")
    policy = json.loads(mine(recorder, "RolePolicy")["balancer-rights"]["policy"])
    by_action = {one["Action"][0]: one["Resource"] for one in policy["Statement"]}
    prefix = "arn:aws:ssm:eu-central-1:123456789012:parameter"
    assert {f"{prefix}{one['name']}" for one in parameters.values()} == set(by_action["ssm:GetParameter"])
    assert by_action["dynamodb:GetItem"] == ["arn:aws:dynamodb:eu-central-1:123456789012:table/emqx-prod-cutover"]
    assert by_action["s3:GetObject"] == ["arn:aws:s3:::packages/haproxy-2.8.14.rpm"]
    secret = parameters["balancer-secrets-tls-8883.pem"]
    assert (secret["type"], "PRIVATE KEY" in plain(secret["value"])) == ("SecureString", True)
    text = unpacked(plain(parameters["balancer-config"]["value"]))
    assert "bind own.address:8883 ssl crt tls-8883.pem" in text
    assert "stats socket unix@/etc/haproxy/admin.sock mode 600" in text
    assert not [line for line in text.splitlines() if "stats socket" in line and "unix@" not in line]


def test_what_the_balancer_declares_passes_every_policy(recorder: Recorder, subnets: list[str]) -> None:
    configure(subnets, "green", "blue", "green", replicas=3)
    declare()
    declared = [(one.type, plain(one.inputs)) for one in recorder.seen if one.name.startswith("balancer-")]
    assert len(mine(recorder, "Instance")) == 3
    assert {token for token, _ in declared} >= {tokens.INSTANCES_SHARE, tokens.INSTANCES_BALANCER, tokens.TABLE}
    said = [one for token, inputs in declared for one in ask_all(token, inputs)]
    assert said == [], "\n".join(said)


def test_rules_to_a_colour_are_not_protected_so_that_a_finalize_can_take_them_away(
    recorder: Recorder, subnets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, bool | None] = {}

    def watched(name: str, group: Any, port: Any, tags: Any, opts: pulumi.ResourceOptions, **source: Any) -> Any:
        kept[name] = opts.protect
        return let_in(name, group, port, tags, opts, **source)

    monkeypatch.setattr("components.balancer.tier_objects.let_in", watched)
    configure(subnets, "green", "blue", "green")
    declare()
    of_colours = [protect for name, protect in kept.items() if "-to-blue-" in name or "-to-green-" in name]
    assert of_colours == [False] * 6
    assert kept["balancer-in-1883"] is not False
