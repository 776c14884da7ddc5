"""The Network Load Balancer as Pulumi's own resources; imported only where there is one, since the SDK is large.

The rule: the cutover owns the weights. A listener is made with those of the moment and never changed by Pulumi again; a node that becomes unhealthy keeps its
connections, since one that evacuates says that it takes nobody, and would lose all of its clients at once. Where nodes get the PROXY header, checks get it too, so
they connect to MQTT then: the management API would answer them 400.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import pulumi
from pulumi_aws.ec2.security_group import SecurityGroup
from pulumi_aws.lb._inputs import (
    ListenerDefaultActionArgs,
    ListenerDefaultActionForwardArgs,
    ListenerDefaultActionForwardTargetGroupArgs,
    TargetGroupHealthCheckArgs,
    TargetGroupTargetHealthStateArgs,
)
from pulumi_aws.lb.listener import Listener
from pulumi_aws.lb.load_balancer import LoadBalancer
from pulumi_aws.lb.target_group import TargetGroup
from pulumi_aws.lb.target_group_attachment import TargetGroupAttachment
from pulumi_aws.vpc.security_group_egress_rule import SecurityGroupEgressRule
from pulumi_aws.vpc.security_group_ingress_rule import SecurityGroupIngressRule

from components.cutover.weights import OF_TARGET_GROUPS, weights_of
from components.cutover.words import TLS, WEBSOCKET, Colour
from components.emqx.registry import dialect_of
from components.machines.front import Front
from components.routers.listed import COLOUR, PORT
from components.routers.listeners import Listener as Door
from components.settings import ClusterSettings
from components.system.address import parsed, port_of

DELAY_SECONDS = 3_599
"""The deregistration delay, just below the most that AWS takes: a target that is taken out keeps its connections for as long as AWS lets it, which is as long as a drain may take."""
HEALTHY, UNHEALTHY = 2, 2


class Behind(NamedTuple):
    """A colour behind the balancer: its settings, and its handle when it is there."""

    settings: ClusterSettings
    handle: pulumi.Output[dict[str, Any]]


class Plan(NamedTuple):
    """What is declared: names of Pulumi's and of AWS's, the VPC, the doors, the colours, green's share of the moment, whether AWS refuses to delete it, and tags."""

    name: str
    own: str
    vpc: str
    front: Front
    doors: Sequence[Door]
    colours: Mapping[Colour, Behind]
    green_parts: int
    protect: bool
    tags: Mapping[str, str]


class Made(NamedTuple):
    """The balancer, its security group, its listeners, and the groups of each colour in the listeners' order."""

    balancer: LoadBalancer
    group: SecurityGroup
    listeners: list[Listener]
    groups: dict[Colour, list[TargetGroup]]
    all: list[pulumi.Resource]


class Placed(Protocol):
    """What a Network Load Balancer is made with."""

    @property
    def name(self) -> str:
        """Where the names of Pulumi's begin."""
        ...

    @property
    def own(self) -> str:
        """Its own name."""
        ...

    @property
    def front(self) -> Front:
        """Where it stands."""
        ...

    @property
    def protect(self) -> bool:
        """Whether AWS refuses to delete it."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags."""
        ...


def network_load_balancer(placed: Placed, group: SecurityGroup, opts: pulumi.ResourceOptions) -> LoadBalancer:
    """The balancer itself, which spreads over all zones."""
    return LoadBalancer(
        f"{placed.name}-nlb",
        name=placed.own,
        load_balancer_type="network",
        internal=placed.front.internal,
        subnets=list(placed.front.subnets),
        security_groups=[group.id],
        enable_cross_zone_load_balancing=True,
        enable_deletion_protection=placed.protect,
        tags=dict(placed.tags),
        opts=opts,
    )


def declare(plan: Plan, opts: pulumi.ResourceOptions) -> Made:
    """Everything of it."""
    group, rules = _reached(plan, opts)
    # What is of a colour goes with it.
    goes = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=False))
    balancer = network_load_balancer(plan, group, opts)
    groups: dict[Colour, list[TargetGroup]] = {}
    attached: list[pulumi.Resource] = []
    for colour, behind in plan.colours.items():
        groups[colour] = [_group(plan, colour, door, goes) for door in plan.doors]
        for door, one in zip(plan.doors, groups[colour], strict=True):
            attached += _attached(f"{plan.name}-{colour}-{door.port}", behind, door, one, goes)
    listeners = [
        _listener(plan, balancer, door, {colour: groups[colour][number] for colour in groups}, opts)
        for number, door in enumerate(plan.doors)
    ]
    return Made(balancer, group, listeners, groups, [balancer, *rules, *attached, *listeners])


def _reached(plan: Plan, opts: pulumi.ResourceOptions) -> tuple[SecurityGroup, list[pulumi.Resource]]:
    """Its security group: from the declared sources to its doors, from it to the nodes, and into the groups of nodes that have one of ours."""
    group = SecurityGroup(
        f"{plan.name}-group",
        name=plan.own,
        description=f"Balancer of EMQX, {plan.own}",
        vpc_id=plan.vpc,
        tags=dict(plan.tags),
        opts=opts,
    )
    out = SecurityGroupEgressRule(
        f"{plan.name}-out",
        security_group_id=group.id,
        ip_protocol="-1",
        cidr_ipv4="0.0.0.0/0",
        tags=dict(plan.tags),
        opts=opts,
    )
    rules: list[pulumi.Resource] = [out]
    for door in plan.doors:
        for number, source in enumerate(plan.front.sources):
            kind = "cidr_ipv6" if ":" in source else "cidr_ipv4"
            rules.append(_let_in(plan, f"{door.port}-{number}", group.id, door.port, opts, **{kind: source}))
    goes = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=False))
    for colour, behind in plan.colours.items():
        if behind.settings.target == "aws":
            nodes = behind.handle.apply(lambda handle: str(handle["aws"]["group"]))
            for word in sorted({"api", *map(_word, plan.doors)}):
                source_of = {"referenced_security_group_id": group.id}
                rules.append(_let_in(plan, f"to-{colour}-{word}", nodes, _port(behind, word), goes, **source_of))
    return group, rules


def _let_in(
    plan: Plan,
    name: str,
    into: pulumi.Input[str],
    port: pulumi.Input[int],
    opts: pulumi.ResourceOptions,
    **source: pulumi.Input[str],
) -> SecurityGroupIngressRule:
    return SecurityGroupIngressRule(
        f"{plan.name}-{name}",
        security_group_id=into,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        tags=dict(plan.tags),
        opts=opts,
        **source,
    )


def _group(plan: Plan, colour: Colour, door: Door, opts: pulumi.ResourceOptions) -> TargetGroup:
    """The nodes of a colour for one door."""
    behind, name = plan.colours[colour], f"{plan.name}-{colour}-{door.port}"
    return TargetGroup(
        name,
        port=_port(behind, _word(door)),
        protocol="TCP",
        target_type="ip",
        vpc_id=plan.vpc,
        proxy_protocol_v2=behind.settings.proxy_protocol,
        preserve_client_ip="false",
        deregistration_delay=DELAY_SECONDS,
        connection_termination=False,
        health_check=_check(plan, behind),
        target_health_states=[TargetGroupTargetHealthStateArgs(enable_unhealthy_connection_termination=False)],
        tags={**plan.tags, COLOUR: colour, PORT: str(door.port)},
        opts=opts,
    )


def _check(plan: Plan, behind: Behind) -> TargetGroupHealthCheckArgs:
    """By EMQX's own answer, or by a connection that has the header."""
    bounds: Mapping[str, Any] = {
        "enabled": True,
        "interval": plan.front.check_seconds,
        "healthy_threshold": HEALTHY,
        "unhealthy_threshold": UNHEALTHY,
    }
    if behind.settings.proxy_protocol:
        return TargetGroupHealthCheckArgs(protocol="TCP", port="traffic-port", **bounds)
    path, port = dialect_of(behind.settings.version).health_check(behind.settings.edition), _port(behind, "api")
    return TargetGroupHealthCheckArgs(protocol="HTTP", port=port.apply(str), path=path, matcher="200", **bounds)


def _attached(
    name: str, behind: Behind, door: Door, group: TargetGroup, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """Each node as a target."""
    return [
        TargetGroupAttachment(
            f"{name}-{number}",
            target_group_arn=group.arn,
            target_id=behind.handle.apply(partial(_target, number)),
            port=_port(behind, _word(door)),
            opts=opts,
        )
        for number in range(behind.settings.size)
    ]


def _listener(
    plan: Plan, balancer: LoadBalancer, door: Door, groups: Mapping[Colour, TargetGroup], opts: pulumi.ResourceOptions
) -> Listener:
    weights = weights_of(plan.green_parts, OF_TARGET_GROUPS)
    forward = ListenerDefaultActionForwardArgs(
        target_groups=[
            ListenerDefaultActionForwardTargetGroupArgs(arn=group.arn, weight=weights[colour])
            for colour, group in groups.items()
        ]
    )
    ends_tls = door.certificate is not None
    return Listener(
        f"{plan.name}-{door.port}",
        load_balancer_arn=balancer.arn,
        port=door.port,
        protocol="TLS" if ends_tls else "TCP",
        certificate_arn=door.certificate.acm if door.certificate is not None else None,
        ssl_policy=plan.front.tls_policy if ends_tls else None,
        tcp_idle_timeout_seconds=None if ends_tls else plan.front.idle_seconds,
        default_actions=[ListenerDefaultActionArgs(type="forward", forward=forward)],
        tags=dict(plan.tags),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["default_actions"])),
    )


def _word(door: Door) -> str:
    """Which port of the nodes a door leads to: a port of its own where TLS is passed on."""
    if door.protocol in TLS and door.certificate is None:
        return str(door.node_port or door.port)
    return "ws" if door.protocol in WEBSOCKET else "mqtt"


def _port(behind: Behind, word: str) -> pulumi.Output[int]:
    if word.isdigit():
        return pulumi.Output.from_input(int(word))
    return behind.handle.apply(lambda handle: port_of(str(handle["nodes"][0][word]).rstrip("/")))


def _target(number: int, handle: Mapping[str, Any]) -> str:
    return parsed(str(handle["nodes"][number]["mqtt"])).host
