"""What a stack on AWS declares: what cannot be right is refused before anything is touched, and what is right means what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from components.aws.clients import client
from components.cutover.steps import Problem
from components.emqx.errors import BadInput
from components.instances.ground import ground_of
from components.machines.rights import role_policy
from components.machines.words import Machines, S3Package
from components.targets.aws import Aws, AwsCluster, declared_of
from components.targets.base import Site
from tests.aws_bed import REGION, account, make_image, make_subnets

pytestmark = pytest.mark.unit
NO_SUBNET, KEY = "subnet-0123456789abcdef0", "arn:aws:kms:eu-central-1:123456789012:key/1"
PACKAGE = {"uri": "s3://packages/emqx-enterprise-5.8.6-amzn2023-amd64.rpm", "sha256": "0" * 64}


def site(**more: Any) -> Site:
    words = {
        "target": "aws",
        "version": "5.8.6",
        "nodes": 3,
        "region": REGION,
        "subnets": [NO_SUBNET],
        "management": {"ranges": ["10.0.0.0/8"]},
        **more,
    }
    return Site("blue", AwsCluster.model_validate(words), ".", environment="prod")


def test_what_is_right_is_accepted() -> None:
    assert Aws().problems(site(package=PACKAGE)) == []


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"management": {}}, ("management", "nothing")),
        ({"config": "a = {{x}}"}, ("config", "{{")),
        ({"version": "4.4.19"}, ("version", "4.4.19")),
        ({"version": "5.8.9", "package": PACKAGE}, ("package.uri", PACKAGE["uri"])),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_path(wrong: dict[str, Any], problem: tuple[str, str]) -> None:
    found: list[Problem] = Aws().problems(site(**wrong))
    assert [(one.path, one.value) for one in found] == [(f"emqx:clusters.blue.{problem[0]}", problem[1])]


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "frankfurt"},
        {"subnets": []},
        {"subnets": ["10.0.0.0/24"]},
        {"name": "a-name-that-is-far-too-long-for-a-role"},
        {"image": "ubuntu"},
        {"package": {"uri": "https://example.com/a.rpm", "sha256": "0" * 64}},
        {"package": {"uri": "s3://bucket/a b'.rpm", "sha256": "0" * 64}},
        {"volume": {"device": "/dev/xvda"}},
        {"management": {"ranges": ["everywhere"]}},
        {"unknown": 1},
    ],
)
def test_what_has_not_the_shape_of_it_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        site(**wrong)


def statements(**more: Any) -> dict[str, list[str]]:
    place = site(**more)
    document = json.loads(role_policy(place.settings, declared_of(place), "123456789012"))
    return {one["Action"][0]: one["Resource"] for one in document["Statement"]}


def test_an_instance_reads_its_own_parameters_and_nothing_else() -> None:
    assert list(statements()) == ["ssm:GetParameter"]
    resources = statements()["ssm:GetParameter"]
    below = "arn:aws:ssm:eu-central-1:123456789012:parameter/emqx-prod/blue/"
    assert all(one.startswith(below) and "*" not in one for one in resources)
    assert f"{below}secrets/cookie" in resources
    more = statements(package=PACKAGE, kms_key=KEY)
    assert more["s3:GetObject"] == ["arn:aws:s3:::packages/emqx-enterprise-5.8.6-amzn2023-amd64.rpm"]
    assert more["kms:Decrypt"] == [KEY]
    assert isinstance(site(package=PACKAGE).settings.package, S3Package)


@pytest.fixture(scope="module")
def subnets() -> Iterator[list[str]]:
    """An account with two subnets of one VPC, and one of another."""
    with account():
        yield [*make_subnets(), make_subnets()[0]]


def machines(subnets: list[str], **more: Any) -> Machines:
    settings = site(subnets=subnets[:2], image=make_image(), **more).settings
    assert isinstance(settings, Machines)
    return settings


def test_the_ground_is_what_the_account_has(subnets: list[str]) -> None:
    wanted = machines(subnets)
    found = ground_of(wanted)
    assert found.account == "123456789012"
    assert found.vpc.startswith("vpc-")
    assert [found.zones[wanted.subnet_of(number)][-1] for number in range(3)] == ["a", "b", "a"]
    client(REGION, "ssm").put_parameter(Name="/images/newest", Value=wanted.image, Type="String")
    assert ground_of(wanted.model_copy(update={"image": "/images/newest"})).image == wanted.image


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"subnets": (NO_SUBNET,)}, f"looking up the subnets.*{NO_SUBNET}"),
        ({"image": "/aws/service/none"}, "looking up the image.*has none of this name"),
        ({"image": "ami-00000000"}, "looking up the image.*has none of this name"),
    ],
)
def test_what_is_not_there_is_refused(subnets: list[str], wrong: dict[str, Any], line: str) -> None:
    with pytest.raises(BadInput, match=line):
        ground_of(machines(subnets).model_copy(update=wrong))


def test_subnets_of_two_networks_are_refused(subnets: list[str]) -> None:
    with pytest.raises(BadInput, match="give subnets of one VPC"):
        ground_of(machines(subnets).model_copy(update={"subnets": tuple(subnets)}))
