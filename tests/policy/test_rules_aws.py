"""Each rule on AWS resources: hit, missed, and refusing what it cannot see."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pulumi_policy.proxy import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_OBJECT_VALUE,
    UNKNOWN_STRING_VALUE,
)

from tests.policy.asking import BLIND, ask, ask_all, changed, tokens, without
from tests.policy.cases import Cases

pytestmark = pytest.mark.policy

TAGS = {"environment": "prod", "colour": "blue"}
VOLUME = {"encrypted": True, "finalSnapshot": True, "size": 50.0, "tags": TAGS}
INSTANCE: dict[str, Any] = {
    "instanceType": "m7i.large",
    "rootBlockDevice": {"encrypted": True},
    "ebsBlockDevices": [{"deviceName": "/dev/sdf", "encrypted": True}],
    "metadataOptions": {"httpTokens": "required"},
    "associatePublicIpAddress": False,
    "tags": TAGS,
}
MQTT = {"protocol": "tcp", "fromPort": 1883.0, "toPort": 1883.0, "cidrBlocks": ["0.0.0.0/0"]}
MANAGEMENT = {"protocol": "tcp", "fromPort": 18083.0, "toPort": 18083.0, "cidrBlocks": ["10.0.0.0/8"]}
GROUP = {"ingress": [MQTT, MANAGEMENT], "tags": TAGS}
TARGETS = {
    "port": 1883.0,
    "deregistrationDelay": 600.0,
    "healthCheck": {"protocol": "HTTP", "path": "/api/v5/load_rebalance/availability_check"},
    "tags": TAGS,
}
PROXIED = {**TARGETS, "proxyProtocolV2": True, "healthCheck": {"protocol": "TCP", "port": "traffic-port"}}
READS = {"Effect": "Allow", "Action": ["ssm:GetParameter"], "Resource": "arn:aws:ssm:eu-central-1:1:parameter/emqx/*"}


def policy(**statement: Any) -> dict[str, Any]:
    return {"policy": json.dumps({"Version": "2012-10-17", "Statement": [{**READS, **statement}]})}


CASES = Cases(
    good=[
        (tokens.EBS_VOLUME, VOLUME),
        (tokens.INSTANCE, INSTANCE),
        (tokens.EIP, {"domain": "vpc"}),
        (tokens.SECURITY_GROUP, GROUP),
        (tokens.SECURITY_GROUP_RULE, {"type": "egress", "protocol": "-1", "cidrBlocks": ["0.0.0.0/0"]}),
        (tokens.SECURITY_GROUP_RULE, {"type": "ingress", **MQTT}),
        (tokens.INGRESS_RULE, {"ipProtocol": "tcp", "fromPort": 8883.0, "toPort": 8883.0, "cidrIpv4": "0.0.0.0/0"}),
        (tokens.LOAD_BALANCER, {"enableDeletionProtection": True, "tags": TAGS}),
        (tokens.TABLE, {"deletionProtectionEnabled": True, "tags": TAGS}),
        (tokens.TARGET_GROUP, TARGETS),
        (tokens.TARGET_GROUP, PROXIED),
        (tokens.IAM_ROLE_POLICY, policy()),
        (tokens.IAM_POLICY, policy(Action="ec2:DescribeVolumes", Resource="*")),
        (tokens.IAM_POLICY, policy(Effect="Deny", Action="*", Resource="*")),
        (tokens.IAM_ROLE, {"assumeRolePolicy": "{}", "tags": TAGS}),
        (tokens.IAM_ATTACHMENT, {"role": "emqx", "policyArn": "arn:aws:iam::1:policy/emqx"}),
    ],
    hits=[
        ("aws-disks-encrypted", tokens.EBS_VOLUME, without(VOLUME, "encrypted"), "the volume is not encrypted"),
        ("aws-disks-encrypted", tokens.INSTANCE, without(INSTANCE, "rootBlockDevice"), "the root disk is encrypted"),
        (
            "aws-disks-encrypted",
            tokens.INSTANCE,
            changed(INSTANCE, "ebsBlockDevices", [{"encrypted": False}]),
            "a disk in ebsBlockDevices",
        ),
        ("aws-volumes-retained", tokens.EBS_VOLUME, without(VOLUME, "finalSnapshot"), "would go without a copy"),
        ("aws-metadata-with-token", tokens.INSTANCE, without(INSTANCE, "metadataOptions"), "httpTokens is optional"),
        (
            "aws-brokers-private",
            tokens.INSTANCE,
            without(INSTANCE, "associatePublicIpAddress"),
            "may get a public address",
        ),
        ("aws-brokers-private", tokens.EIP, {"instance": "i-1"}, "a public address is given to an instance"),
        (
            "aws-management-inside",
            tokens.SECURITY_GROUP,
            changed(GROUP, "ingress", [{**MANAGEMENT, "ipv6CidrBlocks": ["::/0"]}]),
            "port 18083 (dashboard) is open to ::/0",
        ),
        (
            "aws-management-inside",
            tokens.SECURITY_GROUP_RULE,
            {"type": "ingress", "protocol": "-1", "cidrBlocks": ["0.0.0.0/0"]},
            "port 4370 (distribution) is open",
        ),
        (
            "aws-management-inside",
            tokens.INGRESS_RULE,
            {"ipProtocol": "tcp", "fromPort": 0.0, "toPort": 65535.0, "cidrIpv4": "0.0.0.0/0"},
            "port 8081 (management) is open",
        ),
        (
            "aws-health-by-availability",
            tokens.TARGET_GROUP,
            without(TARGETS, "healthCheck"),
            "health is checked by TCP",
        ),
        (
            "aws-health-by-availability",
            tokens.TARGET_GROUP,
            changed(TARGETS, "healthCheck.path", "/status"),
            "health is checked by HTTP /status",
        ),
        (
            "aws-health-by-availability",
            tokens.TARGET_GROUP,
            {**TARGETS, "proxyProtocolV2": True},
            "AWS sends the PROXY header in its checks too",
        ),
        (
            "aws-time-to-drain",
            tokens.TARGET_GROUP,
            changed(TARGETS, "deregistrationDelay", 60.0),
            "is 60 s, the drain needs",
        ),
        ("aws-time-to-drain", tokens.TARGET_GROUP, {**TARGETS, "connectionTermination": True}, "cuts all clients"),
        ("aws-deletion-protection", tokens.LOAD_BALANCER, {"tags": TAGS}, "enableDeletionProtection: true"),
        ("aws-deletion-protection", tokens.TABLE, {"tags": TAGS}, "deletionProtectionEnabled: true"),
        ("aws-least-privilege", tokens.IAM_ROLE_POLICY, policy(Action="ssm:*"), "action ssm:* is allowed"),
        (
            "aws-least-privilege",
            tokens.IAM_POLICY,
            policy(Resource="*"),
            "ssm:GetParameter is allowed on every resource",
        ),
        ("aws-least-privilege", tokens.IAM_POLICY, policy(NotAction="iam:*"), "everything but what it names"),
        (
            "aws-least-privilege",
            tokens.IAM_ROLE,
            {"inlinePolicies": [{"name": "all", **policy(Action="*")}], "tags": TAGS},
            "action * is allowed",
        ),
        (
            "aws-least-privilege",
            tokens.IAM_ATTACHMENT,
            {"policyArn": "arn:aws:iam::aws:policy/AmazonSSMFullAccess"},
            "AmazonSSMFullAccess allows far more",
        ),
        (
            "tagged",
            tokens.INSTANCE,
            changed(INSTANCE, "tags", {"environment": "prod"}),
            "it has no colour (tags.colour)",
        ),
    ],
    unknown=[
        ("aws-disks-encrypted", tokens.EBS_VOLUME, changed(VOLUME, "encrypted", UNKNOWN_BOOLEAN_VALUE)),
        ("aws-disks-encrypted", tokens.INSTANCE, changed(INSTANCE, "ebsBlockDevices", UNKNOWN_ARRAY_VALUE)),
        ("aws-volumes-retained", tokens.EBS_VOLUME, changed(VOLUME, "finalSnapshot", UNKNOWN_BOOLEAN_VALUE)),
        ("aws-metadata-with-token", tokens.INSTANCE, changed(INSTANCE, "metadataOptions", UNKNOWN_OBJECT_VALUE)),
        ("aws-brokers-private", tokens.INSTANCE, changed(INSTANCE, "associatePublicIpAddress", UNKNOWN_BOOLEAN_VALUE)),
        ("aws-management-inside", tokens.SECURITY_GROUP, changed(GROUP, "ingress", UNKNOWN_ARRAY_VALUE)),
        (
            "aws-management-inside",
            tokens.SECURITY_GROUP,
            changed(GROUP, "ingress", [{**MQTT, "fromPort": UNKNOWN_NUMBER_VALUE}]),
        ),
        ("aws-health-by-availability", tokens.TARGET_GROUP, changed(TARGETS, "healthCheck", UNKNOWN_OBJECT_VALUE)),
        ("aws-time-to-drain", tokens.TARGET_GROUP, changed(TARGETS, "deregistrationDelay", UNKNOWN_NUMBER_VALUE)),
        ("aws-deletion-protection", tokens.TABLE, {"deletionProtectionEnabled": UNKNOWN_BOOLEAN_VALUE}),
        ("aws-least-privilege", tokens.IAM_POLICY, {"policy": UNKNOWN_STRING_VALUE}),
        ("aws-least-privilege", tokens.IAM_POLICY, {"policy": "no JSON"}),
        ("aws-least-privilege", tokens.IAM_ATTACHMENT, {"policyArn": UNKNOWN_STRING_VALUE}),
    ],
)


@pytest.mark.parametrize(("token", "inputs"), CASES.good)
def test_what_is_right_passes_every_rule(token: str, inputs: dict[str, Any]) -> None:
    assert ask_all(token, inputs) == []


@pytest.mark.parametrize(("name", "token", "inputs", "part"), CASES.hits)
def test_a_violation_says_what_was_seen_and_which_property(
    name: str, token: str, inputs: dict[str, Any], part: str
) -> None:
    said = ask(name, token, inputs)
    assert any(part in one for one in said), said


@pytest.mark.parametrize(("name", "token", "inputs"), CASES.unknown)
def test_a_rule_that_cannot_see_its_value_refuses(name: str, token: str, inputs: dict[str, Any]) -> None:
    said = ask(name, token, inputs)
    assert len(said) == 1, said
    assert BLIND in said[0]


def test_a_protected_volume_needs_no_snapshot() -> None:
    assert ask("aws-volumes-retained", tokens.EBS_VOLUME, without(VOLUME, "finalSnapshot"), protect=True) == []


@pytest.mark.parametrize(
    ("name", "token", "inputs", "settings"),
    [
        (
            "aws-health-by-availability",
            tokens.TARGET_GROUP,
            changed(TARGETS, "healthCheck.path", "/status"),
            {"openSource": True},
        ),
        (
            "aws-time-to-drain",
            tokens.TARGET_GROUP,
            changed(TARGETS, "deregistrationDelay", 60.0),
            {"drainSeconds": 60.0},
        ),
        ("aws-least-privilege", tokens.IAM_POLICY, policy(Resource="*"), {"anyResource": ["ssm:GetParameter"]}),
        ("tagged", tokens.INSTANCE, changed(INSTANCE, "tags", {"stage": "p", "colour": "blue"}), {"names": ["stage"]}),
    ],
)
def test_a_team_may_tune_a_rule(name: str, token: str, inputs: dict[str, Any], settings: dict[str, Any]) -> None:
    assert ask(name, token, inputs)
    assert ask(name, token, inputs, settings=settings) == []
