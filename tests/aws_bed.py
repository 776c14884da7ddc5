"""An account of AWS in memory (moto): no socket, no credential of anybody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from moto import mock_aws

from components.aws import clients
from components.aws.clients import client
from components.instances.nodes import CLUSTER, NUMBER, Running
from components.ledger.dynamodb import KEY

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import TagTypeDef

REGION = "eu-central-1"


@contextmanager
def account() -> Iterator[None]:
    """An empty account; clients of another one are forgotten before and after."""
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
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


def make_image() -> str:
    """An image that instances may be made of; its id."""
    return client(REGION, "ec2").register_image(Name="linux", RootDeviceName="/dev/xvda")["ImageId"]


def make_instances(running: Running, subnets: list[str]) -> list[str]:
    """Instances as the target makes them, each with its data volume; their ids."""
    ec2, image, made = client(REGION, "ec2"), make_image(), []
    for number in range(running.nodes):
        tags: list[TagTypeDef] = [{"Key": CLUSTER, "Value": running.cluster}, {"Key": NUMBER, "Value": f"{number}"}]
        subnet = subnets[number % len(subnets)]
        one = ec2.run_instances(
            ImageId=image,
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )["Instances"][0]
        volume = ec2.create_volume(
            AvailabilityZone=one["Placement"]["AvailabilityZone"],
            Size=5,
            TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
        )["VolumeId"]
        ec2.attach_volume(InstanceId=one["InstanceId"], VolumeId=volume, Device="/dev/sdf")
        made.append(one["InstanceId"])
    return made
