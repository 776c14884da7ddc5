"""What an account has before anything of ours is in it: whose it is, where the declared subnets are, which image is meant.

The rule: what is declared and not there is refused here, before the first resource exists.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from botocore.exceptions import ClientError

from components.aws.clients import client
from components.emqx.aws_told import code_of, told
from components.emqx.errors import BadInput

NO_SUBNET, NO_PARAMETER, NO_IMAGE = "InvalidSubnetID", "ParameterNotFound", "InvalidAMIID"


class Wanted(Protocol):
    """Instances that are declared."""

    @property
    def region(self) -> str:
        """Where."""
        ...

    @property
    def subnets(self) -> Sequence[str]:
        """In which subnets."""
        ...

    @property
    def image(self) -> str:
        """Of which image."""
        ...


class Place(NamedTuple):
    """The same, where nothing else is told of them."""

    region: str
    subnets: Sequence[str]
    image: str


class Ground(NamedTuple):
    """The account's number, the VPC of the subnets, the zone of each, the image's id."""

    account: str
    vpc: str
    zones: Mapping[str, str]
    image: str


def ground_of(machines: Wanted) -> Ground:
    """What the settings mean.

    Raises:
        BadInput: a subnet or an image is not there, or the subnets are of several VPCs.
        Unreachable, Unauthorized, NotNow, Refused: AWS.

    """
    with told("asking whose account this is", machines.region):
        account = client(machines.region, "sts").get_caller_identity()["Account"]
    vpc, zones = subnets_of(machines.region, machines.subnets)
    return Ground(account, vpc, zones, _image(machines))


def subnets_of(region: str, subnets: Collection[str]) -> tuple[str, Mapping[str, str]]:
    """The VPC of subnets, and the zone of each.

    Raises:
        BadInput: one is not there, or they are of several VPCs.
        Unreachable, Unauthorized, NotNow, Refused: AWS.

    """
    tried, wanted = "looking up the subnets", sorted(set(subnets))
    with told(tried, region):
        try:
            found = client(region, "ec2").describe_subnets(SubnetIds=wanted)["Subnets"]
        except ClientError as failure:
            if not code_of(failure).startswith(NO_SUBNET):
                raise
            seen, todo = str(failure)[:300], "give subnets of this account and region in `subnets`"
            raise BadInput(tried, node=region, seen=seen, todo=todo) from None
    vpcs = sorted({one["VpcId"] for one in found})
    if len(vpcs) != 1:
        seen, todo = (
            f"they are of {', '.join(vpcs)}",
            "give subnets of one VPC: nodes of a cluster reach each other by private addresses",
        )
        raise BadInput(tried, node=region, seen=seen, todo=todo)
    return vpcs[0], {one["SubnetId"]: one["AvailabilityZone"] for one in found}


def _image(machines: Wanted) -> str:
    """The id; of a public parameter the one that it has now, which an instance that there is does not hear of."""
    image = machines.image
    with told("looking up the image", image):
        try:
            if image.startswith("/"):
                image = client(machines.region, "ssm").get_parameter(Name=image)["Parameter"]["Value"]
            found = client(machines.region, "ec2").describe_images(ImageIds=[image])["Images"]
        except ClientError as failure:
            if not code_of(failure).startswith((NO_PARAMETER, NO_IMAGE)):
                raise
            found = []
    if not found:
        todo = "give one of this region in `image`: ami-.., or the name of a public parameter (/aws/service/..)"
        raise BadInput("looking up the image", node=image, seen=f"{machines.region} has none of this name", todo=todo)
    return image
