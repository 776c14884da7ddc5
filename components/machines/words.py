"""The settings of a colour's instances; frozen, with the unit in each name, and a sane default for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from components.problems import Whole, matching
from components.value import Value

Region = Annotated[str, matching(r"[a-z]{2}(-[a-z]+)+-\d", "a region like eu-central-1")]
Name = Annotated[str, matching(r"[a-z]([-a-z0-9]{0,18}[a-z0-9])?", "small letters, digits and -, at most 20")]
Subnet = Annotated[str, matching(r"subnet-[0-9a-f]{8,17}", "the id of a subnet, like subnet-0a1b2c3d4e5f67890")]
Group = Annotated[str, matching(r"sg-[0-9a-f]{8,17}", "the id of a security group, like sg-0a1b2c3d4e5f67890")]
Range = Annotated[str, matching(r"[0-9.]+/\d{1,2}|[0-9a-fA-F:]+/\d{1,3}", "a range of addresses, like 10.0.0.0/16")]
Image = Annotated[
    str,
    matching(
        r"ami-[0-9a-f]{8,17}|/[A-Za-z0-9_./-]+",
        "the id of an image (ami-..), or the name of a public parameter that has one (/aws/service/..)",
    ),
]
InstanceType = Annotated[str, matching(r"[a-z0-9-]+\.[a-z0-9-]+", "a type like m7i.large")]
Zone = Annotated[str, matching(r"[A-Z0-9]{5,32}", "the id of a hosted zone, like Z0123456789ABCDEFGHIJ")]
Domain = Annotated[
    str,
    matching(
        r"(?=.{4,200}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?){2,}",
        "a name below a hosted zone, in small letters, like mqtt.example.com",
    ),
]
AMAZON_LINUX = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
Arn = Annotated[str, matching(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:\d{12}:.+", "an ARN with an account in it")]
Sha256 = Annotated[str, matching(r"[0-9a-f]{64}", "64 hexadecimal digits")]


class S3Package(Value):
    """A package file in a bucket that the instances may read: ``s3://bucket/emqx-enterprise-5.8.6-amzn2023-amd64.rpm``."""

    uri: Annotated[
        str, matching(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\s'\"$\\]+\.(rpm|deb)", "s3://BUCKET/KEY.rpm")
    ]
    sha256: Sha256

    @property
    def arn(self) -> str:
        """As IAM names the object; the partition is filled in."""
        return f"arn:{{partition}}:s3:::{self.uri.removeprefix('s3://')}"


class Volume(Value):
    """The data volume of a node, gp3: its size, and what it may do; ``kms_key`` None is the account's own key for EBS, ``device`` the name under which it is attached."""

    size_gib: Whole = Field(default=50, ge=1, le=65_536)
    iops: Whole = Field(default=3_000, ge=3_000, le=80_000)
    throughput_mib: Whole = Field(default=125, ge=125, le=2_000)
    kms_key: Arn | None = None
    device: Annotated[str, matching(r"/dev/sd[f-p]", "/dev/sdf to /dev/sdp")] = "/dev/sdf"


class Reached(Value):
    """From where something is reached: ranges of addresses, and security groups."""

    ranges: tuple[Range, ...] = ()
    groups: tuple[Group, ...] = ()


class Machines(Value):
    """Instances in subnets of one VPC.

    ``name`` is where the names of our things begin, before the environment. ``management`` is from where the API is reached (the machine that runs Pulumi must be
    in it), ``clients`` from where MQTT is reached beside the balancer. ``package`` is where EMQX's package comes from: the repositories of the image's own package manager, a file in S3,
    or the image, which has it. ``key_pair`` is for people, ``kms_key`` the key of the secret parameters (None: the account's own key for Parameter
    Store), ``topic`` gets the alarms, ``boundary`` is the permissions boundary of the role. ``boot_seconds`` is how long a booting instance waits for its
    volume and its parameters, ``ready_seconds`` how long nodes may take until all of them answer.
    """

    region: Region
    name: Name = "emqx"
    subnets: tuple[Subnet, ...] = Field(min_length=1, max_length=20)
    instance_type: InstanceType = "m7i.large"
    image: Image = AMAZON_LINUX
    package: S3Package | Literal["repository", "image"] = "repository"
    volume: Volume = Volume()
    root_gib: Whole = Field(default=20, ge=8, le=1_024)
    management: Reached
    clients: Reached = Reached()
    key_pair: str | None = Field(default=None, min_length=1, max_length=255)
    kms_key: Arn | None = None
    topic: Arn | None = None
    boundary: Arn | None = None
    tags: Mapping[str, str] = {}
    config: str = Field(default="", max_length=6_000)
    boot_seconds: Whole = Field(default=600, ge=30, le=3_600)
    ready_seconds: float = Field(default=900, ge=5, le=7_200)

    def subnet_of(self, number: int) -> str:
        """The subnet of a node: they are spread over all of them."""
        return self.subnets[number % len(self.subnets)]


class Declared(Value):
    """One colour: what its nodes run, how many there are, whose cluster they join (their own where it is one of its own), where names begin, and what the stack is called in tags."""

    colour: str
    version: str
    edition: str
    nodes: int
    proxy_protocol: bool
    joins: str
    prefix: str
    environment: str
