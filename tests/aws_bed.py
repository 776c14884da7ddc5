"""An account of AWS in memory (moto): no socket, no credential of anybody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from moto import mock_aws

from components.aws import clients
from components.aws.clients import client
from components.ledger.dynamodb import KEY

REGION, IMAGE = "eu-central-1", "ami-03cf127a"
"""An image that every account of moto's has."""


@contextmanager
def account() -> Iterator[None]:
    """An empty account; clients of another one are forgotten before and after."""
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with pytest.MonkeyPatch.context() as patch:
        for key, value in keys.items():
            patch.setenv(key, value)
        for key in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
            patch.delenv(key, raising=False)
        cast("Any", clients.client).cache_clear()
        with mock_aws():
            yield
        cast("Any", clients.client).cache_clear()


def make_table(name: str) -> None:
    """A table as the balancer declares its own."""
    client(REGION, "dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def make_subnets() -> list[str]:
    """Two subnets of one VPC, in two zones; their ids."""
    ec2 = client(REGION, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate("ab")
    ]
