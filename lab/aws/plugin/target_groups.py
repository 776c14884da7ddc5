"""Target groups of load balancers, and the targets in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lab.aws.plugin.kind import (
    CHOSEN,
    FIXED,
    FIXED_CHOSEN,
    PLAIN,
    Aws,
    Kind,
    Property,
    Props,
    again,
    called,
    found,
    named,
    pairs,
    some,
)
from lab.aws.plugin.lb_words import NO_GROUP, retag, switched, tags, text

CHECK = {
    "enabled": ("HealthCheckEnabled", Property(default=True)),
    "healthyThreshold": ("HealthyThresholdCount", Property(default=3)),
    "interval": ("HealthCheckIntervalSeconds", Property(default=30)),
    "matcher": ("Matcher", CHOSEN),
    "path": ("HealthCheckPath", CHOSEN),
    "port": ("HealthCheckPort", Property(default="traffic-port")),
    "protocol": ("HealthCheckProtocol", Property(default="HTTP")),
    "timeout": ("HealthCheckTimeoutSeconds", CHOSEN),
    "unhealthyThreshold": ("UnhealthyThresholdCount", Property(default=3)),
}
ATTRIBUTES = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "connectionTermination": "deregistration_delay.connection_termination.enabled",
    "preserveClientIp": "preserve_client_ip.enabled",
    "proxyProtocolV2": "proxy_protocol_v2.enabled",
    "loadBalancingCrossZoneEnabled": "load_balancing.cross_zone.enabled",
}
UNHEALTHY = {
    "enableUnhealthyConnectionTermination": "target_health_state.unhealthy.connection_termination.enabled",
    "unhealthyDrainingInterval": "target_health_state.unhealthy.draining_interval_seconds",
}


class TargetGroup(Kind):
    """``aws.lb.TargetGroup``."""

    token = "aws:lb/targetGroup:TargetGroup"
    inputs = {
        "name": named(32),
        "port": FIXED,
        "protocol": FIXED,
        "targetType": Property(default="instance", replace=True),
        "vpcId": FIXED,
        "ipAddressType": FIXED_CHOSEN,
        "deregistrationDelay": Property(default=300),
        "connectionTermination": CHOSEN,
        "preserveClientIp": CHOSEN,
        "proxyProtocolV2": Property(default=False),
        "loadBalancingCrossZoneEnabled": CHOSEN,
        "healthCheck": Property(computed=True, inside={ours: rule for ours, (_, rule) in CHECK.items()}),
        "stickiness": Property(computed=True, inside={"enabled": Property(default=True), "type": PLAIN}),
        "targetHealthStates": Property(computed=True, inside=dict.fromkeys(UNHEALTHY, CHOSEN)),
        "tags": PLAIN,
    }
    outputs = ("arn", "arnSuffix", "loadBalancerArns")

    def create(self, aws: Aws, given: Props) -> str:
        """Make it."""
        asked = called(
            given,
            name="Name",
            port="Port",
            protocol="Protocol",
            targetType="TargetType",
            vpcId="VpcId",
            ipAddressType="IpAddressType",
        )
        asked |= _checked(given.get("healthCheck") or {})
        if given.get("tags"):
            asked["Tags"] = pairs(given["tags"])
        return str(aws.client("elbv2").create_target_group(**asked)["TargetGroups"][0]["TargetGroupArn"])

    def finish(self, aws: Aws, id_: str, given: Props) -> None:
        """Its attributes."""
        _attributes(aws, id_, given)

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `describe_target_groups` and its attributes have it."""
        client = aws.client("elbv2")
        answer = found(lambda: client.describe_target_groups(TargetGroupArns=[id_]), NO_GROUP)
        if not answer or not answer["TargetGroups"]:
            return None
        one = answer["TargetGroups"][0]
        listed = client.describe_target_group_attributes(TargetGroupArn=id_)["Attributes"]
        attributes = {item["Key"]: item["Value"] for item in listed}
        check = {ours: one[theirs] for ours, (theirs, _) in CHECK.items() if theirs in one and ours != "matcher"}
        if one.get("Matcher"):
            check["matcher"] = one["Matcher"].get("HttpCode")
        seen = {
            **{ours: switched(attributes[theirs]) for ours, theirs in ATTRIBUTES.items() if theirs in attributes},
            "name": one["TargetGroupName"],
            "port": one.get("Port"),
            "protocol": one.get("Protocol"),
            "targetType": one["TargetType"],
            "vpcId": one.get("VpcId"),
            "ipAddressType": one.get("IpAddressType"),
            "healthCheck": check,
            "arn": id_,
            "arnSuffix": id_.rpartition(":")[2],
            "loadBalancerArns": one.get("LoadBalancerArns", []),
            "tags": tags(aws, id_),
        }
        unhealthy = {ours: switched(attributes[theirs]) for ours, theirs in UNHEALTHY.items() if theirs in attributes}
        if unhealthy:
            seen["targetHealthStates"] = [unhealthy]
        for name in ("preserveClientIp", "loadBalancingCrossZoneEnabled"):
            if name in seen:
                seen[name] = str(seen[name]).lower()
        return some(seen)

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """Tags, checks and attributes."""
        retag(aws, id_, before, wanted, changed)
        if "healthCheck" in changed:
            aws.client("elbv2").modify_target_group(TargetGroupArn=id_, **_checked(wanted["healthCheck"]))
        _attributes(aws, id_, {name: wanted.get(name) for name in changed})

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away, once no listener of a moment ago names it."""
        found(
            lambda: again(lambda: aws.client("elbv2").delete_target_group(TargetGroupArn=id_), "ResourceInUse"),
            NO_GROUP,
        )


class TargetGroupAttachment(Kind):
    """``aws.lb.TargetGroupAttachment``."""

    token = "aws:lb/targetGroupAttachment:TargetGroupAttachment"
    inputs = {"targetGroupArn": FIXED, "targetId": FIXED, "port": FIXED, "availabilityZone": FIXED}

    def create(self, aws: Aws, given: Props) -> str:
        """Register it."""
        client = aws.client("elbv2")
        again(
            lambda: client.register_targets(TargetGroupArn=given["targetGroupArn"], Targets=[_target(given)]),
            "InvalidTarget",
        )
        return f"{given['targetGroupArn']}-{given['targetId']}-{given.get('port', '')}"

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """It is there while it is registered, or is being drained."""
        client, target = aws.client("elbv2"), _target(known)
        asked = {"TargetGroupArn": known["targetGroupArn"], "Targets": [target]}
        answer = found(lambda: client.describe_target_health(**asked), NO_GROUP, "InvalidTarget")
        listed = answer["TargetHealthDescriptions"] if answer else []
        gone = {"Target.NotRegistered", "Target.DeregistrationInProgress"}
        return dict(known) if any(one["TargetHealth"].get("Reason") not in gone for one in listed) else None

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Deregister it."""
        client = aws.client("elbv2")
        asked = {"TargetGroupArn": known["targetGroupArn"], "Targets": [_target(known)]}
        found(lambda: client.deregister_targets(**asked), NO_GROUP, "InvalidTarget")


def _target(given: Mapping[str, Any]) -> Props:
    return called(given, targetId="Id", port="Port", availabilityZone="AvailabilityZone")


def _attributes(aws: Aws, arn: str, given: Mapping[str, Any]) -> None:
    listed = [
        {"Key": theirs, "Value": text(given[ours])}
        for ours, theirs in ATTRIBUTES.items()
        if given.get(ours) is not None
    ]
    for state in given.get("targetHealthStates") or ():
        listed += [
            {"Key": theirs, "Value": text(state[ours])}
            for ours, theirs in UNHEALTHY.items()
            if state.get(ours) is not None
        ]
    if given.get("stickiness"):
        sticky = given["stickiness"]
        listed += [
            {"Key": "stickiness.enabled", "Value": text(sticky["enabled"])},
            {"Key": "stickiness.type", "Value": sticky["type"]},
        ]
    if listed:
        aws.client("elbv2").modify_target_group_attributes(TargetGroupArn=arn, Attributes=listed)


def _checked(check: Mapping[str, Any]) -> Props:
    asked: Props = {theirs: check[ours] for ours, (theirs, _) in CHECK.items() if check.get(ours) not in (None, "")}
    if "Matcher" in asked:
        asked["Matcher"] = {"HttpCode": str(asked["Matcher"])}
    return asked
