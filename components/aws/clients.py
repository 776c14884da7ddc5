"""The clients of AWS's services, one for each service and region of a process, every call bounded.

The rule: throttling and passing faults are botocore's own retries to take (mode standard: it waits longer each time, up to 20 s); what it gives up is an error of
the one who asked.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal, overload

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 5.0, 20.0, 6


@overload
def client(region: str, service: Literal["dynamodb"]) -> DynamoDBClient: ...
@overload
def client(region: str, service: Literal["ec2"]) -> EC2Client: ...
@overload
def client(region: str, service: Literal["elbv2"]) -> ElasticLoadBalancingv2Client: ...
@overload
def client(region: str, service: Literal["route53"]) -> Route53Client: ...
@overload
def client(region: str, service: Literal["ssm"]) -> SSMClient: ...
@overload
def client(region: str, service: Literal["sts"]) -> STSClient: ...


@cache
def client(region: str, service: str) -> object:
    """The client of a service; safe to be used by several threads.

    Raises:
        botocore.exceptions.BotoCoreError: the environment names a profile that is not there.

    """
    import boto3  # takes longer than all that a small update asks
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    # the words are checked by the overloads
    return boto3.session.Session(region_name=region).client(service, config=config)  # type: ignore[call-overload]
