"""A Pulumi program that declares one of each type that the plugin serves; `variant` in its configuration changes something of most of them."""

from __future__ import annotations

import json

import pulumi
from pulumi_aws.cloudwatch.metric_alarm import MetricAlarm
from pulumi_aws.dynamodb.table import Table
from pulumi_aws.ebs.snapshot import Snapshot
from pulumi_aws.ebs.volume import Volume
from pulumi_aws.ec2._inputs import SecurityGroupIngressArgs
from pulumi_aws.ec2.instance import Instance
from pulumi_aws.ec2.security_group import SecurityGroup
from pulumi_aws.ec2.volume_attachment import VolumeAttachment
from pulumi_aws.iam.instance_profile import InstanceProfile
from pulumi_aws.iam.role import Role
from pulumi_aws.iam.role_policy import RolePolicy
from pulumi_aws.iam.role_policy_attachment import RolePolicyAttachment
from pulumi_aws.lb._inputs import (
    ListenerDefaultActionArgs,
    ListenerDefaultActionForwardArgs,
    ListenerDefaultActionForwardTargetGroupArgs,
)
from pulumi_aws.lb.listener import Listener
from pulumi_aws.lb.load_balancer import LoadBalancer
from pulumi_aws.lb.target_group import TargetGroup
from pulumi_aws.lb.target_group_attachment import TargetGroupAttachment
from pulumi_aws.route53.health_check import HealthCheck
from pulumi_aws.route53.record import Record
from pulumi_aws.ssm.parameter import Parameter
from pulumi_aws.vpc.security_group_egress_rule import SecurityGroupEgressRule
from pulumi_aws.vpc.security_group_ingress_rule import SecurityGroupIngressRule

config = pulumi.Config("declared")
place = config.require_object("place")
second = config.get("variant") == "second"
tags = {"of": "second" if second else "first", "made": "here"}

assumed = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}],
}
read = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*"}]}
role = Role("node", assume_role_policy=json.dumps(assumed), tags=tags)
RolePolicy("read", role=role.name, policy=json.dumps(read))
RolePolicyAttachment("managed", role=role.name, policy_arn="arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")
profile = InstanceProfile("node", role=role.name)

group = SecurityGroup("nodes", vpc_id=place["vpc"], description="nodes", tags=tags)
inline = SecurityGroupIngressArgs(protocol="tcp", from_port=22, to_port=22, cidr_blocks=["10.0.0.0/8"])
SecurityGroup("inline", vpc_id=place["vpc"], ingress=[inline])
SecurityGroupIngressRule(
    "mqtt",
    security_group_id=group.id,
    ip_protocol="tcp",
    from_port=1883,
    to_port=1883,
    cidr_ipv4="10.0.0.0/8" if second else "10.1.0.0/16",
)
SecurityGroupIngressRule(
    "own",
    security_group_id=group.id,
    ip_protocol="tcp",
    from_port=4370,
    to_port=4370,
    referenced_security_group_id=group.id,
)
SecurityGroupEgressRule("out", security_group_id=group.id, ip_protocol="-1", cidr_ipv4="0.0.0.0/0")

node = Instance(
    "node",
    ami=place["image"],
    instance_type="c7g.large" if second else "t3.small",
    subnet_id=place["subnets"][0],
    vpc_security_group_ids=[group.id],
    iam_instance_profile=profile.name,
    metadata_options={"http_tokens": "required", "instance_metadata_tags": "enabled"},
    root_block_device={"encrypted": True, "volume_type": "gp3"},
    user_data="#cloud-config\n",
    tags=tags,
)
volume = Volume("data", availability_zone=node.availability_zone, size=8, type="gp3", encrypted=True, tags=tags)
VolumeAttachment("data", instance_id=node.id, volume_id=volume.id, device_name="/dev/sdf")
Snapshot("kept", volume_id=volume.id, tags=tags)
MetricAlarm(
    "status",
    comparison_operator="GreaterThanThreshold",
    evaluation_periods=2,
    metric_name="StatusCheckFailed",
    namespace="AWS/EC2",
    period=60,
    statistic="Maximum",
    threshold=0.0,
    dimensions={"InstanceId": node.id},
    tags=tags,
)
Parameter("version", name="/declared/version", type="String", value="5.8.9" if second else "5.8.6", tags=tags)
Parameter("secret", name="/declared/secret", type="SecureString", value="hidden")
table = Table(
    "ledger",
    hash_key="item",
    attributes=[{"name": "item", "type": "S"}],
    billing_mode="PAY_PER_REQUEST",
    point_in_time_recovery={"enabled": True},
    tags=tags,
)

balancer = LoadBalancer(
    "mqtt",
    load_balancer_type="network",
    internal=True,
    subnets=place["subnets"],
    enable_cross_zone_load_balancing=True,
    tags=tags,
)
groups = [
    TargetGroup(
        colour,
        port=1883,
        protocol="TCP",
        target_type="ip",
        vpc_id=place["vpc"],
        proxy_protocol_v2=True,
        deregistration_delay=60 if second else 120,
        health_check={"protocol": "HTTP", "port": "18083", "path": "/status", "matcher": "200", "interval": 10},
        target_health_states=[{"enable_unhealthy_connection_termination": False}],
    )
    for colour in ("blue", "green")
]
TargetGroupAttachment("node", target_group_arn=groups[0].arn, target_id=node.private_ip, port=1883)
weights = (50, 50) if second else (100, 0)
forward = ListenerDefaultActionForwardArgs(
    target_groups=[
        ListenerDefaultActionForwardTargetGroupArgs(arn=one.arn, weight=weight)
        for one, weight in zip(groups, weights, strict=True)
    ]
)
listener = Listener(
    "mqtt",
    load_balancer_arn=balancer.arn,
    port=1883,
    protocol="TCP",
    default_actions=[ListenerDefaultActionArgs(type="forward", forward=forward)],
)

check = HealthCheck(
    "node",
    type="HTTP",
    fqdn="node.lab.test",
    port=18083,
    resource_path="/status",
    request_interval=10,
    failure_threshold=2,
)
Record(
    "mqtt",
    zone_id=place["zone"],
    name="declared.lab.test",
    type="CNAME",
    ttl=30,
    records=[balancer.dns_name],
    set_identifier="blue",
    weighted_routing_policies=[{"weight": 10 if second else 100}],
    health_check_id=check.id,
)
Record("node", zone_id=place["zone"], name="node.declared", type="A", ttl=30, records=[node.private_ip])
pulumi.export("node", node.id)
pulumi.export("address", node.private_ip)
pulumi.export("group", group.name)
pulumi.export("groups", [one.arn for one in groups])
pulumi.export("listener", listener.arn)
pulumi.export("table", table.name)
pulumi.export("volume", volume.id)
if config.get_bool("wrong"):
    Volume("wrong", availability_zone="eu-central-1a", size=1, volume_initialization_rate=100)
