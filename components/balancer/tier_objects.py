"""A tier of HAProxy as Pulumi's own resources: instances of one role, one target group for each listener, a Network Load Balancer; imported only where there is one.

The rule: nobody reaches an instance but by the Network Load Balancer, and nobody an admin socket at all; a newer image or script is for a new instance, since it would end one
with its clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pulumi
from pulumi_aws.ec2._inputs import InstanceRootBlockDeviceArgs
from pulumi_aws.ec2.instance import Instance
from pulumi_aws.ec2.security_group import SecurityGroup
from pulumi_aws.lb._inputs import (
    ListenerDefaultActionArgs,
    TargetGroupHealthCheckArgs,
    TargetGroupTargetHealthStateArgs,
)
from pulumi_aws.lb.listener import Listener
from pulumi_aws.lb.load_balancer import LoadBalancer
from pulumi_aws.lb.target_group import TargetGroup
from pulumi_aws.lb.target_group_attachment import TargetGroupAttachment
from pulumi_aws.ssm.parameter import Parameter

from components.aws import names
from components.balancer.nlb_objects import DELAY_SECONDS, HEALTHY, UNHEALTHY, network_load_balancer
from components.cutover.words import Colour
from components.instances.ground import Ground
from components.machines import tier
from components.machines.front import Front
from components.machines.user_data import BalancerBoot, balancer_user_data
from components.routers.listed import COLOUR, PORT
from components.routers.listeners import Listener as Door
from components.system.address import port_of
from components.targets.aws_network import let_in, let_out
from components.targets.aws_objects import METADATA
from components.targets.aws_profile import profile_of

REFERENCE = "referenced_security_group_id"


class Plan(NamedTuple):
    """What is declared: names of Pulumi's and of AWS's, the account, how many instances, the doors, the handles of colours of ours and theirs, the secret files, the configuration, its digest, whether AWS refuses to delete it, and tags."""

    name: str
    own: str
    ground: Ground
    front: Front
    replicas: int
    doors: Sequence[Door]
    handles: Mapping[Colour, pulumi.Output[dict[str, Any]]]
    ours: Sequence[Colour]
    secret: Mapping[str, str]
    config: pulumi.Output[str]
    digest: pulumi.Output[str]
    protect: bool
    tags: Mapping[str, str]


class Made(NamedTuple):
    """What the balancer's own resource is told of."""

    balancer: LoadBalancer
    group: SecurityGroup
    groups: list[TargetGroup]
    instances: list[Instance]
    all: list[pulumi.Resource]


def declare(plan: Plan, before: pulumi.Resource, opts: pulumi.ResourceOptions) -> Made:
    """Everything of it; instances only after ``before``, which has written their share."""
    front = _group(plan, "front", f"{plan.own}-front", opts)
    group = _group(plan, "instances", f"{plan.own}-haproxy", opts)
    rules = [*_to_front(plan, front, opts), *_to_instances(plan, front, group, opts), *_to_nodes(plan, group, opts)]
    policy = tier.rights(plan.front, plan.own, list(plan.secret), plan.ground.account)
    role = f"{plan.own}-{names.BALANCER}-{plan.front.region}"
    profile = profile_of(plan.name, role, policy, plan.front.instances.boundary, plan.tags, opts)
    parameters = _parameters(plan, opts)
    last = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[before, *rules, *parameters]))
    instances = [_instance(plan, number, group, profile.name, last) for number in range(plan.replicas)]
    balancer = network_load_balancer(plan, front, opts)
    groups = [_targets(plan, door, opts) for door in plan.doors]
    attached = [
        TargetGroupAttachment(
            f"{plan.name}-{door.port}-{number}",
            target_group_arn=one.arn,
            target_id=instance.id,
            port=door.port,
            opts=opts,
        )
        for door, one in zip(plan.doors, groups, strict=True)
        for number, instance in enumerate(instances)
    ]
    listeners = [_listener(plan, balancer, door, one, opts) for door, one in zip(plan.doors, groups, strict=True)]
    return Made(balancer, group, groups, instances, [*parameters, *attached, *listeners])


def _group(plan: Plan, word: str, own: str, opts: pulumi.ResourceOptions) -> SecurityGroup:
    return SecurityGroup(
        f"{plan.name}-{word}",
        name=own,
        description=f"Balancer of EMQX, {own}",
        vpc_id=plan.ground.vpc,
        tags=dict(plan.tags),
        opts=opts,
    )


def _to_front(plan: Plan, front: SecurityGroup, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """From the declared sources to the doors."""
    rules: list[pulumi.Resource] = [let_out(f"{plan.name}-front-out", front.id, plan.tags, opts)]
    for door in plan.doors:
        for number, source in enumerate(plan.front.sources):
            kind = "cidr_ipv6" if ":" in source else "cidr_ipv4"
            name = f"{plan.name}-{door.port}-from-{number}"
            rules.append(let_in(name, front.id, door.port, plan.tags, opts, **{kind: source}))
    return rules


def _to_instances(
    plan: Plan, front: SecurityGroup, group: SecurityGroup, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """From the Network Load Balancer alone."""
    ports = [*(door.port for door in plan.doors), tier.READY_PORT]
    rules = [
        let_in(f"{plan.name}-in-{port}", group.id, port, plan.tags, opts, **{REFERENCE: front.id}) for port in ports
    ]
    return [let_out(f"{plan.name}-instances-out", group.id, plan.tags, opts), *rules]


def _to_nodes(plan: Plan, group: SecurityGroup, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """From the instances into the groups of nodes that have one of ours: MQTT, WebSocket, and the API for the health checks. A colour's rules go with it."""
    goes = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=False))
    rules: list[pulumi.Resource] = []
    for colour in plan.ours:
        handle = plan.handles[colour]
        nodes = handle.apply(lambda found: str(found["aws"]["group"]))
        for word in ("api", "mqtt", "ws"):
            port = handle.apply(lambda found, word=word: port_of(str(found["nodes"][0][word]).rstrip("/")))  # type: ignore[misc]
            name = f"{plan.name}-to-{colour}-{word}"
            rules.append(let_in(name, nodes, port, plan.tags, goes, **{REFERENCE: group.id}))
    return rules


def _parameters(plan: Plan, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """All that an instance reads; ``declared`` is the last, by which it knows that the others are there."""
    below, wanted = names.parameters(plan.own, names.BALANCER), plan.front.instances

    def parameter(word: str, value: pulumi.Input[str], opts: pulumi.ResourceOptions, **more: Any) -> pulumi.Resource:
        kind = {"type": "String", **more}
        tags, tiered = dict(plan.tags), "Intelligent-Tiering"
        name = f"{plan.name}-{word.replace('/', '-')}"
        return Parameter(name, name=f"{below}/{word}", tier=tiered, value=value, tags=tags, opts=opts, **kind)

    secret = {"type": "SecureString", "key_id": wanted.kms_key}
    made = [
        parameter(tier.CONFIG, plan.config.apply(tier.config), opts),
        parameter(tier.FILES, tier.files(list(plan.secret)), opts),
        *(
            parameter(f"secrets/{name}", pulumi.Output.secret(text), opts, **secret)
            for name, text in plan.secret.items()
        ),
    ]
    last = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=made))
    told = plan.digest.apply(lambda known_by: tier.declared(wanted, known_by))
    return [*made, parameter(tier.DECLARED, told, last)]


def _instance(
    plan: Plan, number: int, group: SecurityGroup, profile: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> Instance:
    front, wanted = plan.front, plan.front.instances
    boot = BalancerBoot(
        region=front.region,
        parameters=names.parameters(plan.own, names.BALANCER),
        table=names.table(plan.own),
        wait_seconds=wanted.boot_seconds,
    )
    tags = {
        **plan.tags,
        "Name": names.node(plan.own, names.BALANCER, number),
        names.TIER: plan.own,
        "colour": names.BALANCER,
    }
    root = InstanceRootBlockDeviceArgs(encrypted=True, volume_type="gp3", volume_size=wanted.root_gib)
    return Instance(
        f"{plan.name}-{number}",
        ami=plan.ground.image,
        instance_type=wanted.instance_type,
        subnet_id=front.subnets[number % len(front.subnets)],
        vpc_security_group_ids=[group.id],
        associate_public_ip_address=False,
        iam_instance_profile=profile,
        key_name=wanted.key_pair,
        metadata_options=METADATA,
        root_block_device=root,
        user_data=balancer_user_data(boot),
        tags=tags,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["ami", "userData"])),
    )


def _targets(plan: Plan, door: Door, opts: pulumi.ResourceOptions) -> TargetGroup:
    """The instances for one door. They see the devices' own addresses: behind a PROXY header HAProxy 2.8 lists its connections (`show sess`) by the balancer's, so nobody could be found and closed."""
    return TargetGroup(
        f"{plan.name}-{door.port}",
        port=door.port,
        protocol="TCP",
        target_type="instance",
        vpc_id=plan.ground.vpc,
        proxy_protocol_v2=False,
        preserve_client_ip="true",
        deregistration_delay=DELAY_SECONDS,
        connection_termination=False,
        health_check=TargetGroupHealthCheckArgs(
            enabled=True,
            protocol="TCP",
            port=str(tier.READY_PORT),
            interval=plan.front.check_seconds,
            healthy_threshold=HEALTHY,
            unhealthy_threshold=UNHEALTHY,
        ),
        target_health_states=[TargetGroupTargetHealthStateArgs(enable_unhealthy_connection_termination=False)],
        tags={**plan.tags, COLOUR: names.BALANCER, PORT: str(door.port)},
        opts=opts,
    )


def _listener(
    plan: Plan, balancer: LoadBalancer, door: Door, group: TargetGroup, opts: pulumi.ResourceOptions
) -> Listener:
    return Listener(
        f"{plan.name}-{door.port}-listener",
        load_balancer_arn=balancer.arn,
        port=door.port,
        protocol="TCP",
        tcp_idle_timeout_seconds=plan.front.idle_seconds,
        default_actions=[ListenerDefaultActionArgs(type="forward", target_group_arn=group.arn)],
        tags=dict(plan.tags),
        opts=opts,
    )
