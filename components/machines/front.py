"""The settings of a balancer on AWS; frozen, with the unit in each name.

The rule: whoever may connect is said here, and nobody may who is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from components.machines.words import (
    AMAZON_LINUX,
    Arn,
    Domain,
    Image,
    InstanceType,
    Name,
    Range,
    Region,
    S3Package,
    Subnet,
    Zone,
)
from components.problems import Whole, matching
from components.value import Value


class HaproxyInstances(Value):
    """The instances of balancer `aws`, which run HAProxy.

    ``version`` is which HAProxy they have (2.8 is any 2.8.x), ``package`` where it comes from: the repositories of the image's own package manager, a file in S3, or the image, which has it.
    ``key_pair`` is for people, ``kms_key`` the key of the secret parameters, ``boundary`` the permissions boundary of the role, ``boot_seconds`` how long a booting one
    waits for its parameters and for green's share.
    """

    version: Annotated[str, matching(r"\d+\.\d+(\.\d+)?", "a version like 2.8")] = "2.8"
    package: S3Package | Literal["repository", "image"] = "repository"
    instance_type: InstanceType = "c7i.large"
    image: Image = AMAZON_LINUX
    root_gib: Whole = Field(default=20, ge=8, le=1_024)
    key_pair: str | None = Field(default=None, min_length=1, max_length=255)
    kms_key: Arn | None = None
    boundary: Arn | None = None
    boot_seconds: Whole = Field(default=600, ge=30, le=3_600)


class Records(Value):
    """A name in a hosted zone, by which devices find the nodes themselves.

    ``ttl_seconds`` is for how long an answer may be kept; after ``wait_ttls`` such times everybody is taken to have asked again. ``checks`` is whether Route 53's checkers, which come from the
    internet, ask each node whether it takes clients: without them a node that is down is told to devices all the same.
    """

    zone: Zone
    name: Domain
    ttl_seconds: Whole = Field(default=60, ge=1, le=86_400)
    wait_ttls: Whole = Field(default=3, ge=1, le=20)
    checks: bool = True

    @property
    def spread_seconds(self) -> float:
        """How long devices may be told the share of before, after a change of it."""
        return float(self.ttl_seconds * self.wait_ttls)


class Front(Value):
    """A Network Load Balancer in subnets of one VPC, the nodes' own.

    ``name`` is where names begin, before the environment. ``sources`` are the ranges of addresses whose devices may connect; an ``internal`` one has private addresses only.
    ``idle_seconds`` is how long a connection may be silent (longer than any keep-alive; a listener whose TLS ends here has 350 s, which AWS does not let change), ``check_seconds`` how often
    each node is asked whether it takes clients, ``ready_seconds`` how long the first nodes may take until the balancer has them up. ``records`` are of `route53`, which has none of the rest but
    ``region``, ``name``, ``ready_seconds`` and ``tags``. ``instances`` are those of balancer `aws`.
    """

    region: Region = "eu-central-1"
    name: Name = "emqx"
    subnets: tuple[Subnet, ...] = Field(default=(), max_length=20)
    internal: bool = False
    sources: tuple[Range, ...] = ("0.0.0.0/0",)
    idle_seconds: Whole = Field(default=3_600, ge=60, le=6_000)
    check_seconds: Whole = Field(default=10, ge=5, le=300)
    tls_policy: Annotated[str, Field(pattern=r"^ELBSecurityPolicy-[A-Za-z0-9-]+$")] = (
        "ELBSecurityPolicy-TLS13-1-2-2021-06"
    )
    ready_seconds: float = Field(default=900, ge=5, le=7_200)
    tags: Mapping[str, str] = {}
    instances: HaproxyInstances = HaproxyInstances()
    records: Records | None = None
