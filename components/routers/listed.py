"""A Network Load Balancer as an account has it, found by its name: what is known of it before an update, and when nothing of it is in any state.

The rule: groups are those that its listeners name, told apart by their tags, never by their names, since a group that replaces another one has another name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from botocore.exceptions import ClientError

from components.aws import names
from components.aws.clients import client
from components.aws.place import AwsPlace
from components.cutover.words import COLOURS
from components.emqx.aws_told import code_of, told
from components.emqx.models import BalancerHandle, Tier, Weighed
from components.routers.forwarding import weights_in

COLOUR, PORT = "emqx-upgrade:colour", "emqx-upgrade:port"
"""Tags of a target group; public, since they stand in accounts."""
NO_BALANCER = "LoadBalancerNotFound"
AT_ONCE = 20
"""Whose tags AWS tells in one answer."""


class _Listener(NamedTuple):
    port: int
    arn: str


class Found(NamedTuple):
    """A balancer: the host that devices connect to, its listeners by their ports, and the groups that these name."""

    host: str
    listeners: list[_Listener]
    groups: list[str]

    @property
    def first(self) -> str:
        """Where devices connect."""
        return f"{self.host}:{self.listeners[0].port}"


def listed(region: str, name: str, table: str) -> BalancerHandle | None:
    """The handle, without the names of nodes; None where there is no such balancer, or one without a listener.

    Raises:
        Unreachable, Unauthorized, NotNow, Refused: AWS.

    """
    looked = _looked(region, name)
    if looked is None:
        return None
    found, groups = looked
    ports = [one.port for one in found.listeners]
    return BalancerHandle(
        router="network_load_balancer",
        ledger="dynamodb",
        mqtt=found.first,
        admin=(),
        maps=table,
        aws=AwsPlace(region=region),
        weighed=Weighed(
            listeners=tuple(one.arn for one in found.listeners),
            groups={
                colour: tuple(by_port[port] for port in ports)
                for colour in COLOURS
                if (by_port := groups.get(colour, {})).keys() >= set(ports)
            },
        ),
    )


def tier_listed(region: str, name: str, table: str) -> BalancerHandle | None:
    """That of instances of HAProxy behind such a balancer; None where there is none.

    Raises:
        Unreachable, Unauthorized, NotNow, Refused: AWS.

    """
    looked = _looked(region, name)
    if looked is None:
        return None
    found, groups = looked[0], looked[1].get(names.BALANCER, {})
    return BalancerHandle(
        router="haproxy_instances",
        ledger="dynamodb",
        mqtt=found.first,
        admin=(),
        maps=table,
        aws=AwsPlace(region=region),
        tier=Tier(name=name, groups=tuple(arn for _, arn in sorted(groups.items()))),
    )


def _looked(region: str, name: str) -> tuple[Found, dict[str, dict[int, str]]] | None:
    """The balancer, and its groups by what they are of and the port of their listener; None where there is none."""
    with told("looking for the load balancer", name):
        found = _found(region, name)
        return None if found is None else (found, _groups(region, found.groups))


def _found(region: str, name: str) -> Found | None:
    api = client(region, "elbv2")
    try:
        (balancer,) = api.describe_load_balancers(Names=[name])["LoadBalancers"]
    except ClientError as failure:
        if code_of(failure) == NO_BALANCER:
            return None
        raise
    arn = balancer.get("LoadBalancerArn", "")
    there = api.describe_listeners(LoadBalancerArn=arn)["Listeners"]
    listeners = sorted(_Listener(one.get("Port", 0), one.get("ListenerArn", "")) for one in there)
    groups = sorted({group for one in there for group in weights_in(one)})
    return Found(balancer.get("DNSName", ""), listeners, groups) if listeners else None


def _groups(region: str, arns: Sequence[str]) -> dict[str, dict[int, str]]:
    """Groups by what their tag says (a colour, or that they are of the balancer's own instances), and the port of their listener."""
    api = client(region, "elbv2")
    groups: dict[str, dict[int, str]] = {}
    for first in range(0, len(arns), AT_ONCE):
        for one in api.describe_tags(ResourceArns=arns[first : first + AT_ONCE])["TagDescriptions"]:
            tags = {tag["Key"]: tag.get("Value", "") for tag in one.get("Tags", ())}
            if tags.get(COLOUR) and tags.get(PORT, "").isdigit():
                groups.setdefault(tags[COLOUR], {})[int(tags[PORT])] = one.get("ResourceArn", "")
    return groups
