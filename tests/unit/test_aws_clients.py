"""Clients of AWS and what becomes of its refusals."""

from __future__ import annotations

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, NoCredentialsError

from components.aws.clients import client
from components.aws.place import AwsPlace
from components.emqx.aws_told import told
from components.emqx.errors import BadInput, NotNow, Refused, Unauthorized, Unreachable, UpgradeError

pytestmark = pytest.mark.unit


def refusal(code: str, status: int) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "as AWS says"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "ModifyListener")  # type: ignore[arg-type] # the stubs ask for headers too


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (refusal("Throttling", 400), NotNow),
        (refusal("ThrottlingException", 400), NotNow),
        (refusal("PriorRequestNotComplete", 400), NotNow),
        (refusal("InternalFailure", 500), NotNow),
        (refusal("AccessDenied", 403), Unauthorized),
        (refusal("ExpiredTokenException", 400), Unauthorized),
        (refusal("ListenerNotFound", 400), Refused),
        (ConnectTimeoutError(endpoint_url="https://elb"), Unreachable),
        (NoCredentialsError(), Unauthorized),
        (BotoCoreError(), BadInput),
    ],
)
def test_what_aws_refuses_is_an_error_of_this_house_with_the_call_and_its_code(
    trouble: Exception, kind: type[UpgradeError]
) -> None:
    with pytest.raises(kind) as raised, told("setting green's share", "nlb"):
        raise trouble
    assert type(raised.value) is kind
    if isinstance(trouble, ClientError):
        assert trouble.response["Error"]["Code"] in raised.value.seen
        assert "ModifyListener" in raised.value.seen


def test_every_call_is_bounded_and_throttling_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    made = client("eu-central-1", "elbv2")
    assert client("eu-central-1", "elbv2") is made
    config = vars(made.meta.config)
    assert (config["connect_timeout"], config["read_timeout"]) == (5.0, 20.0)
    assert config["retries"] == {"mode": "standard", "total_max_attempts": 6}


@pytest.mark.parametrize("region", ["", "Frankfurt", "eu-central", "eu-central-1a"])
def test_a_region_is_spelled_as_aws_spells_it(region: str) -> None:
    with pytest.raises(ValueError, match="region"):
        AwsPlace(region=region)
