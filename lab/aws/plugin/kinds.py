"""All resource types that the plugin serves, by their token."""

from __future__ import annotations

from lab.aws.plugin.cloudwatch import MetricAlarm
from lab.aws.plugin.dynamodb import Table
from lab.aws.plugin.ebs import Snapshot, Volume
from lab.aws.plugin.ec2 import Instance, VolumeAttachment
from lab.aws.plugin.iam import InstanceProfile, Role, RolePolicy, RolePolicyAttachment
from lab.aws.plugin.kind import Kind
from lab.aws.plugin.lb import Listener, LoadBalancer
from lab.aws.plugin.route53 import HealthCheck, Record
from lab.aws.plugin.security import EgressRule, IngressRule, SecurityGroup
from lab.aws.plugin.ssm import Parameter
from lab.aws.plugin.target_groups import TargetGroup, TargetGroupAttachment

KINDS: dict[str, Kind] = {
    kind.token: kind
    for kind in (
        EgressRule(),
        HealthCheck(),
        IngressRule(),
        Instance(),
        InstanceProfile(),
        Listener(),
        LoadBalancer(),
        MetricAlarm(),
        Parameter(),
        Record(),
        Role(),
        RolePolicy(),
        RolePolicyAttachment(),
        SecurityGroup(),
        Snapshot(),
        Table(),
        TargetGroup(),
        TargetGroupAttachment(),
        Volume(),
        VolumeAttachment(),
    )
}
