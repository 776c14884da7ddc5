"""Load balancers: the balancer and its listeners, those of a Network Load Balancer."""

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
    waited,
)
from lab.aws.plugin.lb_words import NO_BALANCER, NO_GROUP, NO_LISTENER, retag, switched, tags, text

SWITCHES = {
    "enableCrossZoneLoadBalancing": "load_balancing.cross_zone.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "dnsRecordClientRoutingPolicy": "dns_record.client_routing_policy",
}


class LoadBalancer(Kind):
    """``aws.lb.LoadBalancer`` of the type ``network``."""

    token = "aws:lb/loadBalancer:LoadBalancer"
    inputs = {
        "name": named(32),
        "loadBalancerType": Property(default="application", replace=True),
        "internal": FIXED_CHOSEN,
        "subnets": Property(computed=True, unordered=True),
        "securityGroups": Property(computed=True, unordered=True),
        "ipAddressType": CHOSEN,
        "enableCrossZoneLoadBalancing": Property(default=False),
        "enableDeletionProtection": Property(default=False),
        "dnsRecordClientRoutingPolicy": PLAIN,
        "tags": PLAIN,
    }
    outputs = ("arn", "arnSuffix", "dnsName", "vpcId", "zoneId")

    def create(self, aws: Aws, given: Props) -> str:
        """Make it."""
        if given["loadBalancerType"] != "network":
            raise ValueError(f"load balancers of the type {given['loadBalancerType']} are not served here")
        asked = called(
            given, name="Name", subnets="Subnets", securityGroups="SecurityGroups", ipAddressType="IpAddressType"
        )
        asked |= {"Type": "network", "Scheme": "internal" if given.get("internal") else "internet-facing"}
        if given.get("tags"):
            asked["Tags"] = pairs(given["tags"])
        client = aws.client("elbv2")
        return str(
            again(lambda: client.create_load_balancer(**asked), "InvalidSubnet")["LoadBalancers"][0]["LoadBalancerArn"]
        )

    def finish(self, aws: Aws, id_: str, given: Props) -> None:
        """Its attributes, and the wait until it is active."""
        _switch(aws, id_, given)
        waited(
            lambda: True if (_balancer(aws, id_) or {}).get("State", {}).get("Code") == "active" else None,
            f"{id_} to be active",
        )

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `describe_load_balancers` has it."""
        one = _balancer(aws, id_)
        if one is None:
            return None
        listed = aws.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=id_)["Attributes"]
        attributes = {item["Key"]: item["Value"] for item in listed}
        switches = {ours: switched(attributes[theirs]) for ours, theirs in SWITCHES.items() if theirs in attributes}
        return {
            **switches,
            "name": one["LoadBalancerName"],
            "loadBalancerType": one["Type"],
            "internal": one["Scheme"] == "internal",
            "subnets": [zone["SubnetId"] for zone in one["AvailabilityZones"]],
            "securityGroups": one.get("SecurityGroups", []),
            "ipAddressType": one.get("IpAddressType"),
            "arn": id_,
            "arnSuffix": id_.partition(":loadbalancer/")[2],
            "dnsName": one["DNSName"],
            "vpcId": one["VpcId"],
            "zoneId": one["CanonicalHostedZoneId"],
            "tags": tags(aws, id_),
        }

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """Tags, attributes, subnets and groups."""
        client = aws.client("elbv2")
        retag(aws, id_, before, wanted, changed)
        if "subnets" in changed:
            client.set_subnets(LoadBalancerArn=id_, Subnets=wanted["subnets"])
        if "securityGroups" in changed:
            client.set_security_groups(LoadBalancerArn=id_, SecurityGroups=wanted["securityGroups"])
        if "ipAddressType" in changed:
            client.set_ip_address_type(LoadBalancerArn=id_, IpAddressType=wanted["ipAddressType"])
        if SWITCHES.keys() & set(changed):
            _switch(aws, id_, {name: wanted.get(name) for name in changed})

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away."""
        found(lambda: aws.client("elbv2").delete_load_balancer(LoadBalancerArn=id_), NO_BALANCER)


WEIGHTED = {"arn": PLAIN, "weight": Property(default=1)}
STICKY = {"duration": PLAIN, "enabled": Property(default=False)}
ACTION = {
    "type": PLAIN,
    "order": CHOSEN,
    "targetGroupArn": PLAIN,
    "forward": Property(
        inside={
            "targetGroups": Property(unordered=True, inside=WEIGHTED),
            "stickiness": Property(computed=True, inside=STICKY),
        }
    ),
}


class Listener(Kind):
    """``aws.lb.Listener``."""

    token = "aws:lb/listener:Listener"
    inputs = {
        "loadBalancerArn": FIXED,
        "port": PLAIN,
        "protocol": CHOSEN,
        "certificateArn": PLAIN,
        "sslPolicy": CHOSEN,
        "alpnPolicy": PLAIN,
        "tcpIdleTimeoutSeconds": CHOSEN,
        "defaultActions": Property(inside=ACTION),
        "tags": PLAIN,
    }
    outputs = ("arn",)

    def create(self, aws: Aws, given: Props) -> str:
        """Make it."""
        asked = {"LoadBalancerArn": given["loadBalancerArn"], **_listened(given)}
        if given.get("tags"):
            asked["Tags"] = pairs(given["tags"])
        client = aws.client("elbv2")
        arn = str(
            again(lambda: client.create_listener(**asked), "CertificateNotFound", NO_GROUP)["Listeners"][0][
                "ListenerArn"
            ]
        )
        _idle(client, arn, given)
        return arn

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `describe_listeners` has it; its action in the form in which it is declared."""
        answer = found(lambda: aws.client("elbv2").describe_listeners(ListenerArns=[id_]), NO_LISTENER, NO_BALANCER)
        if not answer or not answer["Listeners"]:
            return None
        one = answer["Listeners"][0]
        certificates = one.get("Certificates") or [{}]
        return some(
            {
                "loadBalancerArn": one["LoadBalancerArn"],
                "port": one["Port"],
                "protocol": one["Protocol"],
                "sslPolicy": one.get("SslPolicy") or None,
                "certificateArn": certificates[0].get("CertificateArn"),
                "alpnPolicy": (one.get("AlpnPolicy") or [None])[0],
                "defaultActions": [_action(action) for action in one["DefaultActions"]],
                "arn": id_,
                "tags": tags(aws, id_),
            }
        )

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """In place."""
        client = aws.client("elbv2")
        retag(aws, id_, before, wanted, changed)
        asked = _listened({name: wanted.get(name) for name in changed})
        if asked:
            client.modify_listener(ListenerArn=id_, **asked)
        if "tcpIdleTimeoutSeconds" in changed:
            _idle(client, id_, wanted)

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away."""
        found(lambda: aws.client("elbv2").delete_listener(ListenerArn=id_), NO_LISTENER)


def _balancer(aws: Aws, arn: str) -> Any:
    answer = found(lambda: aws.client("elbv2").describe_load_balancers(LoadBalancerArns=[arn]), NO_BALANCER)
    return answer["LoadBalancers"][0] if answer and answer["LoadBalancers"] else None


def _switch(aws: Aws, arn: str, given: Mapping[str, Any]) -> None:
    listed = [
        {"Key": theirs, "Value": text(given[ours])} for ours, theirs in SWITCHES.items() if given.get(ours) is not None
    ]
    if listed:
        aws.client("elbv2").modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=listed)


def _listened(given: Mapping[str, Any]) -> Props:
    asked = called(given, port="Port", protocol="Protocol", sslPolicy="SslPolicy")
    if given.get("certificateArn"):
        asked["Certificates"] = [{"CertificateArn": given["certificateArn"]}]
    if given.get("alpnPolicy"):
        asked["AlpnPolicy"] = [given["alpnPolicy"]]
    if given.get("defaultActions"):
        asked["DefaultActions"] = [_asked_action(one) for one in given["defaultActions"]]
    return asked


def _asked_action(action: Mapping[str, Any]) -> Props:
    asked = called(action, type="Type", order="Order", targetGroupArn="TargetGroupArn")
    if action.get("forward"):
        forward = action["forward"]
        groups = [called(one, arn="TargetGroupArn", weight="Weight") for one in forward["targetGroups"]]
        asked["ForwardConfig"] = {"TargetGroups": groups}
        if forward.get("stickiness"):
            sticky = called(forward["stickiness"], enabled="Enabled", duration="DurationSeconds")
            asked["ForwardConfig"]["TargetGroupStickinessConfig"] = sticky
    return asked


def _action(action: Mapping[str, Any]) -> Props:
    groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
    seen: Props = {"type": action["Type"], "order": action.get("Order")}
    if action.get("TargetGroupArn"):
        seen["targetGroupArn"] = action["TargetGroupArn"]
    if groups:
        seen["forward"] = {
            "targetGroups": [{"arn": one["TargetGroupArn"], "weight": one.get("Weight", 1)} for one in groups]
        }
    return some(seen)


def _idle(client: Any, arn: str, given: Mapping[str, Any]) -> None:
    if given.get("tcpIdleTimeoutSeconds") is not None:
        listed = [{"Key": "tcp.idle_timeout.seconds", "Value": text(given["tcpIdleTimeoutSeconds"])}]
        client.modify_listener_attributes(ListenerArn=arn, Attributes=listed)
