"""A Network Load Balancer as an account has it, found by its name: what is known of it before an update, and when nothing of it is in any state.

The rule: groups are told apart by their tags, never by their names, since a group that replaces another one has another name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from components.aws.clients import client
from components.aws.place import AwsPlace
from components.cutover.words import COLOURS, Colour
from components.emqx.aws_told import code_of, told
from components.emqx.models import BalancerHandle, Weighed

if TYPE_CHECKING:
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

COLOUR, PORT = "emqx-upgrade:colour", "emqx-upgrade:port"
"""Tags of a target group; public, since they stand in accounts."""
NO_BALANCER = "LoadBalancerNotFound"
AT_ONCE = 20
"""Whose tags AWS tells in one answer."""


class _Listener(NamedTuple):
    port: int
    arn: str


def listed(region: str, name: str, table: str) -> BalancerHandle | None:
    """The handle, without the names of nodes; None where there is no such balancer, or one without a listener.

    Raises:
        Unreachable, Unauthorized, NotNow, Refused: AWS.

    """
    api = client(region, "elbv2")
    with told("looking for the load balancer", name):
        try:
            (found,) = api.describe_load_balancers(Names=[name])["LoadBalancers"]
        except ClientError as failure:
            if code_of(failure) == NO_BALANCER:
                return None
            raise
        arn, host = found.get("LoadBalancerArn", ""), found.get("DNSName", "")
        listeners = sorted(
            _Listener(one.get("Port", 0), one.get("ListenerArn", ""))
            for one in api.describe_listeners(LoadBalancerArn=arn)["Listeners"]
        )
        groups = _groups(api, arn)
    if not listeners:
        return None
    ports = [one.port for one in listeners]
    return BalancerHandle(
        router="network_load_balancer",
        ledger="dynamodb",
        mqtt=f"{host}:{ports[0]}",
        admin=(),
        maps=table,
        aws=AwsPlace(region=region),
        weighed=Weighed(
            listeners=tuple(one.arn for one in listeners),
            groups={
                colour: tuple(by_port[port] for port in ports)
                for colour, by_port in groups.items()
                if by_port.keys() >= set(ports)
            },
        ),
    )


def _groups(api: ElasticLoadBalancingv2Client, balancer: str) -> dict[Colour, dict[int, str]]:
    """The groups behind it by colour and port of their listener."""
    arns = [
        one.get("TargetGroupArn", "") for one in api.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]
    ]
    groups: dict[Colour, dict[int, str]] = {}
    for first in range(0, len(arns), AT_ONCE):
        for one in api.describe_tags(ResourceArns=arns[first : first + AT_ONCE])["TagDescriptions"]:
            tags = {tag["Key"]: tag.get("Value", "") for tag in one.get("Tags", ())}
            for colour in COLOURS:
                if tags.get(COLOUR) == colour and tags.get(PORT, "").isdigit():
                    groups.setdefault(colour, {})[int(tags[PORT])] = one.get("ResourceArn", "")
    return groups
