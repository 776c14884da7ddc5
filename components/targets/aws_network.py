"""Who reaches the nodes of a colour on AWS: each port from where it is needed, and from nowhere else.

The rule: distribution and RPC are for nodes of the same EMQX cluster only; the balancer opens its own way, since it comes after the nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pulumi
from pulumi_aws.ec2.security_group import SecurityGroup
from pulumi_aws.vpc.security_group_egress_rule import SecurityGroupEgressRule
from pulumi_aws.vpc.security_group_ingress_rule import SecurityGroupIngressRule

from components.machines.parameters import API, DISTRIBUTION, MQTT, RPC, WEBSOCKET
from components.machines.words import Declared, Machines, Reached

REFERENCE = "referenced_security_group_id"
AMONG_NODES = {"distribution": DISTRIBUTION, "rpc": RPC}


class _Door(NamedTuple):
    """A port of a group, and from where it is reached."""

    name: str
    port: int
    into: pulumi.Input[str]
    source: Mapping[str, pulumi.Input[str]]


def open_ports(
    what: Declared,
    machines: Machines,
    group: SecurityGroup,
    beside: pulumi.Input[dict[str, Any]] | None,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """The rules of a colour's group; ``beside`` is the handle of the colour whose cluster it joins, whose group is opened to it as well.

    Those between the two go with the first of them that goes, also while the other one serves.
    """
    out = let_out(f"{what.colour}-out", group.id, tags, opts)
    goes = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=False))
    among = [_Door(word, port, group.id, {REFERENCE: group.id}) for word, port in AMONG_NODES.items()]
    own = [_opened(what, door, tags, opts) for door in (*among, *_from_outside(group.id, machines))]
    return [out, *own, *(_opened(what, door, tags, goes) for door in _between(group.id, beside))]


def _between(group: pulumi.Output[str], beside: pulumi.Input[dict[str, Any]] | None) -> Iterator[_Door]:
    if beside is None:
        return
    other = pulumi.Output.from_input(beside).apply(lambda handle: str(handle["aws"]["group"]))
    for word, port in AMONG_NODES.items():
        yield _Door(f"{word}-from-beside", port, group, {REFERENCE: other})
        yield _Door(f"{word}-to-beside", port, other, {REFERENCE: group})


def _from_outside(group: pulumi.Output[str], machines: Machines) -> Iterator[_Door]:
    for word, port, reached in (
        ("management", API, machines.management),
        ("mqtt", MQTT, machines.clients),
        ("ws", WEBSOCKET, machines.clients),
    ):
        for number, source in enumerate(_sources(reached)):
            yield _Door(f"{word}-{number}", port, group, source)


def _opened(
    what: Declared, door: _Door, tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> SecurityGroupIngressRule:
    return let_in(f"{what.colour}-{door.name}", door.into, door.port, tags, opts, **door.source)


def let_in(
    name: str,
    into: pulumi.Input[str],
    port: pulumi.Input[int],
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
    **source: pulumi.Input[str],
) -> SecurityGroupIngressRule:
    """A rule for one port of a group; ``source`` is a range, or another group."""
    return SecurityGroupIngressRule(
        name,
        security_group_id=into,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        tags=dict(tags),
        opts=opts,
        **source,
    )


def let_out(
    name: str, group: pulumi.Input[str], tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> SecurityGroupEgressRule:
    """A rule for whatever begins inside."""
    return SecurityGroupEgressRule(
        name, security_group_id=group, ip_protocol="-1", cidr_ipv4="0.0.0.0/0", tags=dict(tags), opts=opts
    )


def _sources(reached: Reached) -> list[dict[str, pulumi.Input[str]]]:
    found: list[dict[str, pulumi.Input[str]]] = []
    found += [{"cidr_ipv6" if ":" in one else "cidr_ipv4": one} for one in reached.ranges]
    found += [{REFERENCE: one} for one in reached.groups]
    return found
