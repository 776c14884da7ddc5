"""Which operation a request to AWS is, and who may ask for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.aws.calls import Call, call_of
from lab.aws.rights import allowed, resource_of

pytestmark = pytest.mark.unit
FORM = "application/x-www-form-urlencoded; charset=utf-8"


def headers(service: str, **more: str) -> dict[str, str]:
    scope = f"AWS4-HMAC-SHA256 Credential=AKIA1/20261129/eu-central-1/{service}/aws4_request, SignedHeaders=host"
    return {"authorization": scope, **{name.replace("_", "-"): value for name, value in more.items()}}


@pytest.mark.parametrize(
    ("method", "path", "query", "head", "body", "action"),
    [
        ("POST", "/", "", headers("ec2", content_type=FORM), b"Action=RunInstances&Version=1", "ec2:RunInstances"),
        ("POST", "/", "", headers("ssm", x_amz_target="AmazonSSM.GetParameter"), b"{}", "ssm:GetParameter"),
        (
            "POST",
            "/service/GraniteServiceVersion20100801/operation/PutMetricAlarm",
            "",
            headers("monitoring"),
            b"",
            "cloudwatch:PutMetricAlarm",
        ),
        ("POST", "/2013-04-01/hostedzone/Z1/rrset/", "", headers("route53"), b"", "route53:ChangeResourceRecordSets"),
        ("GET", "/2013-04-01/healthcheck/x/status", "", headers("route53"), b"", "route53:GetHealthCheckStatus"),
        ("GET", "/bucket/a/key", "", headers("s3"), b"", "s3:GetObject"),
        ("GET", "/bucket", "list-type=2", headers("s3"), b"", "s3:ListObjectsV2"),
    ],
)
def test_an_operation_is_known_by_its_name_in_every_protocol(
    method: str, path: str, query: str, head: dict[str, str], body: bytes, action: str
) -> None:
    call = call_of(method, path, query, head, body)
    assert call is not None
    assert (call.action, call.who) == (action, "AKIA1")


def test_a_request_that_is_not_signed_is_no_call() -> None:
    assert call_of("GET", "/", "", {}, b"") is None


def policy(effect: str, action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": effect, "Action": action, "Resource": resource, **more}]}


READ = "arn:aws:ssm:eu-central-1:123456789012:parameter/emqx/blue/*"


@pytest.mark.parametrize(
    ("documents", "may"),
    [
        ([], False),
        ([policy("Allow", "ssm:GetParameter", READ)], True),
        ([policy("Allow", ["ssm:Get*"], [READ])], True),
        ([policy("Allow", "ssm:GetParameter", READ.replace("blue", "green"))], False),
        ([policy("Allow", "ssm:PutParameter", "*")], False),
        ([policy("Allow", "*", "*"), policy("Deny", "ssm:*", READ)], False),
        ([policy("Allow", "ssm:GetParameter", READ, Condition={"Bool": {}})], False),
    ],
)
def test_a_machine_may_do_what_its_policies_allow_and_nothing_else(documents: list[dict[str, Any]], may: bool) -> None:
    call = call_of(
        "POST",
        "/",
        "",
        headers("ssm", x_amz_target="AmazonSSM.GetParameter"),
        json.dumps({"Name": "/emqx/blue/x"}).encode(),
    )
    assert call is not None
    about = resource_of(call, "eu-central-1", "123456789012")
    assert allowed(documents, call.action, about) is may


def test_what_is_about_nothing_in_particular_needs_a_right_to_everything() -> None:
    assert resource_of(Call("ec2", "DescribeTags", "ASIA1"), "eu-central-1", "1") == "*"
