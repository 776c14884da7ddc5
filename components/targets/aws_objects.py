"""What a colour on AWS is made of, as Pulumi's own resources; imported only where there is such a colour, since the SDK is large.

The rule: a name is given, never made up by Pulumi, since keepers, ledger and the next run find everything by it; and nothing that is declared anew stops an
instance that there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pulumi
from pulumi_aws.cloudwatch.metric_alarm import MetricAlarm
from pulumi_aws.ebs.volume import Volume
from pulumi_aws.ec2._inputs import InstanceMetadataOptionsArgs, InstanceRootBlockDeviceArgs
from pulumi_aws.ec2.instance import Instance
from pulumi_aws.ec2.security_group import SecurityGroup
from pulumi_aws.ec2.volume_attachment import VolumeAttachment
from pulumi_aws.iam.instance_profile import InstanceProfile
from pulumi_aws.provider import Provider

from components.aws import names
from components.emqx.models import Credentials
from components.instances.ground import Ground, ground_of
from components.instances.nodes import CLUSTER, NUMBER
from components.machines.rights import partition_of, role_policy
from components.machines.user_data import Boot, user_data
from components.machines.words import Declared, Machines
from components.targets.aws_network import open_ports
from components.targets.aws_parameters import before_nodes, begins, of_nodes
from components.targets.aws_profile import profile_of

METADATA = InstanceMetadataOptionsArgs(
    http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1, instance_metadata_tags="enabled"
)
"""With a token only, from the instance itself only, and with its tags: a keeper leaves word for the next boot in one."""


class Made(NamedTuple):
    """What was declared: everything that has to be there, and the ids of the instances by their numbers."""

    all: list[pulumi.Resource]
    instances: list[pulumi.Output[str]]


class Colour(NamedTuple):
    """A colour while it is declared."""

    machines: Machines
    what: Declared
    ground: Ground
    opts: pulumi.ResourceOptions

    def tags(self, name: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Of a resource: whose it is."""
        own = {"environment": self.what.environment, "colour": self.what.colour, "Name": name}
        return {**self.machines.tags, **own, CLUSTER: names.colour(self.what.prefix, self.what.colour), **(more or {})}

    def but(self, *depends_on: pulumi.Resource, **more: Any) -> pulumi.ResourceOptions:
        """The options with what has to be there before."""
        return pulumi.ResourceOptions.merge(self.opts, pulumi.ResourceOptions(depends_on=[*depends_on], **more))


def provider(region: str) -> pulumi.ProviderResource:
    """Pulumi's own provider; who asks is the environment's to say."""
    return Provider("aws", region=region)


def declare(
    machines: Machines,
    what: Declared,
    credentials: Mapping[str, Credentials],
    beside: pulumi.Input[dict[str, Any]] | None,
    before: pulumi.Resource,
    opts: pulumi.ResourceOptions,
    *,
    born: Mapping[str, Any] | None = None,
) -> Made:
    """Everything of a colour.

    Args:
        machines: how its instances are.
        what: what they run.
        credentials: by colour; those of its own become parameters, which Pulumi encrypts in its state.
        beside: the handle of the colour whose cluster it joins.
        before: what has to let us.
        opts: of its component.
        born: what its nodes take over from the configuration of the other colour; None leaves it as it is.

    """
    colour = Colour(
        machines,
        what,
        ground_of(machines),
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[before])),
    )
    own = names.colour(what.prefix, what.colour)
    group = SecurityGroup(
        f"{what.colour}-group",
        name=own,
        description=f"Nodes of EMQX, {own}",
        vpc_id=colour.ground.vpc,
        tags=colour.tags(own),
        opts=colour.opts,
    )
    rules = open_ports(what, machines, group, beside, colour.tags(own), colour.opts)
    profile = _profile(colour, own)
    parameters = before_nodes(what, machines, credentials, colour.tags(own), colour.opts)
    parameters.append(begins(what, born, colour.tags(own), colour.opts))
    nodes = [_node(colour, number, group, profile, [*rules, *parameters]) for number in range(what.nodes)]
    instances = [node.instance for node in nodes]
    last = of_nodes(what, machines, [one.private_ip for one in instances], beside, colour.tags(own), colour.opts)
    return Made([*rules, *parameters, *(one for node in nodes for one in node), *last], [one.id for one in instances])


def _profile(colour: Colour, own: str) -> InstanceProfile:
    what, machines = colour.what, colour.machines
    policy = role_policy(machines, what, colour.ground.account)
    return profile_of(what.colour, f"{own}-{machines.region}", policy, machines.boundary, colour.tags(own), colour.opts)


class _Node(NamedTuple):
    """A node: its volume stays when the rest goes."""

    volume: Volume
    instance: Instance
    attachment: VolumeAttachment
    alarm: MetricAlarm


def _node(
    colour: Colour, number: int, group: SecurityGroup, profile: InstanceProfile, needed: list[pulumi.Resource]
) -> _Node:
    machines, what = colour.machines, colour.what
    name, own = f"{what.colour}-{number}", names.node(what.prefix, what.colour, number)
    tags, subnet = colour.tags(own, {NUMBER: f"{number}"}), machines.subnet_of(number)
    volume = _volume(colour, name, tags, colour.ground.zones[subnet])
    instance = Instance(
        f"{name}-instance",
        ami=colour.ground.image,
        instance_type=machines.instance_type,
        subnet_id=subnet,
        vpc_security_group_ids=[group.id],
        associate_public_ip_address=False,
        iam_instance_profile=profile.name,
        key_name=machines.key_pair,
        metadata_options=METADATA,
        root_block_device=InstanceRootBlockDeviceArgs(encrypted=True, volume_type="gp3", volume_size=machines.root_gib),
        user_data=volume.id.apply(lambda id_: user_data(_boot(colour, number, id_))),
        tags=tags,
        # a newer image or script is for the next colour: here it would end the instance, or stop it, with its clients
        opts=colour.but(*needed, ignore_changes=["ami", "userData"]),
    )
    attachment = VolumeAttachment(
        f"{name}-attachment",
        device_name=machines.volume.device,
        instance_id=instance.id,
        volume_id=volume.id,
        # an instance that ends shuts down in order and lets go of it; one that runs would lose it under EMQX
        skip_destroy=True,
        opts=colour.opts,
    )
    return _Node(volume, instance, attachment, _alarm(colour, name, own, instance))


def _volume(colour: Colour, name: str, tags: Mapping[str, str], zone: str) -> Volume:
    wanted = colour.machines.volume
    return Volume(
        f"{name}-data",
        availability_zone=zone,
        encrypted=True,
        kms_key_id=wanted.kms_key,
        final_snapshot=True,
        type="gp3",
        size=wanted.size_gib,
        iops=wanted.iops,
        throughput=wanted.throughput_mib,
        tags=dict(tags),
        opts=colour.but(retain_on_delete=True),
    )


def _boot(colour: Colour, number: int, volume: str) -> Boot:
    machines, what = colour.machines, colour.what
    return Boot(
        region=machines.region,
        parameters=names.parameters(what.prefix, what.colour),
        node=number,
        volume=volume,
        device=machines.volume.device,
        wait_seconds=machines.boot_seconds,
    )


def _alarm(colour: Colour, name: str, own: str, instance: Instance) -> MetricAlarm:
    machines = colour.machines
    recover = f"arn:{partition_of(machines.region)}:automate:{machines.region}:ec2:recover"
    return MetricAlarm(
        f"{name}-alarm",
        name=f"{own}-status",
        alarm_description=f"A status check of {own} fails: AWS moves the instance to other hardware, with its address and its volumes.",
        namespace="AWS/EC2",
        metric_name="StatusCheckFailed_System",
        dimensions={"InstanceId": instance.id},
        statistic="Maximum",
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=1,
        period=60,
        evaluation_periods=2,
        alarm_actions=[recover, *([machines.topic] if machines.topic else [])],
        ok_actions=[machines.topic] if machines.topic else [],
        tags=colour.tags(own),
        opts=colour.opts,
    )
