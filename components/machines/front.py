"""The settings of a balancer on AWS; frozen, with the unit in each name.

The rule: whoever may connect is said here, and nobody may who is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from components.machines.words import Name, Range, Region, Subnet
from components.problems import Whole
from components.value import Value


class Front(Value):
    """A Network Load Balancer in subnets of one VPC, the nodes' own.

    ``name`` is where names begin, before the environment. ``sources`` are the ranges of addresses whose devices may connect; an ``internal`` one has private addresses only.
    ``idle_seconds`` is how long a connection may be silent (longer than any keep-alive; a listener whose TLS ends here has 350 s, which AWS does not let change), ``check_seconds`` how often
    each node is asked whether it takes clients, ``ready_seconds`` how long the first nodes may take until the balancer has them up.
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
