"""Security groups and their rules.

The rule: a group that the program makes lets nothing out that is not declared: the official plugin takes AWS's own rule for that away.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lab.aws.plugin.ec2 import tag
from lab.aws.plugin.kind import (
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
    tags_of,
)

GONE, NO_RULE = "InvalidGroup.NotFound", "InvalidSecurityGroupRuleId.NotFound"
RULE = {
    "description": PLAIN,
    "fromPort": PLAIN,
    "toPort": PLAIN,
    "protocol": PLAIN,
    "self": Property(default=False),
    "cidrBlocks": PLAIN,
    "securityGroups": Property(unordered=True),
}


class SecurityGroup(Kind):
    """``aws.ec2.SecurityGroup``."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    inputs = {
        "name": named(100),
        "description": Property(default="Managed by Pulumi", replace=True),
        "vpcId": FIXED_CHOSEN,
        "ingress": Property(computed=True, unordered=True, inside=RULE),
        "egress": Property(computed=True, unordered=True, inside=RULE),
        "revokeRulesOnDelete": Property(default=False),
        "tags": PLAIN,
    }
    outputs = ("arn", "ownerId")

    def create(self, aws: Aws, given: Props) -> str:
        """Make it."""
        asked = called(given, name="GroupName", description="Description", vpcId="VpcId")
        if given.get("tags"):
            asked["TagSpecifications"] = [{"ResourceType": "security-group", "Tags": pairs(given["tags"])}]
        return str(aws.client("ec2").create_security_group(**asked)["GroupId"])

    def finish(self, aws: Aws, id_: str, given: Props) -> None:
        """The rules that are declared, and AWS's own one gone."""
        client, everything = aws.client("ec2"), [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        found(
            lambda: again(lambda: client.revoke_security_group_egress(GroupId=id_, IpPermissions=everything), GONE),
            "InvalidPermission.NotFound",
        )
        _permit(aws, id_, given)

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `describe_security_groups` has it; rules that are resources of their own are not the group's."""
        answer = found(lambda: aws.client("ec2").describe_security_groups(GroupIds=[id_]), GONE)
        if not answer or not answer["SecurityGroups"]:
            return None
        one = answer["SecurityGroups"][0]
        return {
            "name": one["GroupName"],
            "description": one["Description"],
            "vpcId": one.get("VpcId"),
            "ownerId": one["OwnerId"],
            "arn": aws.arn("ec2", f"security-group/{id_}"),
            "tags": tags_of(one.get("Tags")),
        }

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """Tags, and its rules anew."""
        if "tags" in changed:
            tag(aws, id_, before.get("tags"), wanted.get("tags"))
        rules = {"ingress", "egress"} & set(changed)
        client = aws.client("ec2")
        for name in sorted(rules):
            old = [permission(one, id_) for one in before.get(name) or ()]
            if old:
                getattr(client, f"revoke_security_group_{name}")(GroupId=id_, IpPermissions=old)
        _permit(aws, id_, {name: wanted.get(name) for name in rules})

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away, once nothing of a moment ago needs it any more."""
        client = aws.client("ec2")
        found(lambda: again(lambda: client.delete_security_group(GroupId=id_), "DependencyViolation"), GONE)


def permission(rule: Mapping[str, Any], own: str) -> Props:
    """A rule inside a group, as AWS takes it."""
    groups = [*(rule.get("securityGroups") or ()), *([own] if rule.get("self") else ())]
    said = called(rule, description="Description")
    asked = {"IpProtocol": str(rule["protocol"]), **called(rule, fromPort="FromPort", toPort="ToPort")}
    asked["IpRanges"] = [{"CidrIp": one, **said} for one in rule.get("cidrBlocks") or ()]
    asked["UserIdGroupPairs"] = [{"GroupId": one, **said} for one in groups]
    return {name: value for name, value in asked.items() if value != []}


def _permit(aws: Aws, id_: str, given: Mapping[str, Any]) -> None:
    client = aws.client("ec2")
    for name in ("ingress", "egress"):
        rules = [permission(one, id_) for one in given.get(name) or ()]
        if rules:
            authorize = getattr(client, f"authorize_security_group_{name}")
            again(lambda authorize=authorize, rules=rules: authorize(GroupId=id_, IpPermissions=rules), GONE)  # type: ignore[misc]


class _Rule(Kind):
    """A rule that is a resource of its own."""

    way: str
    inputs = {
        "securityGroupId": FIXED,
        "ipProtocol": PLAIN,
        "fromPort": PLAIN,
        "toPort": PLAIN,
        "cidrIpv4": PLAIN,
        "cidrIpv6": PLAIN,
        "referencedSecurityGroupId": PLAIN,
        "description": PLAIN,
        "tags": PLAIN,
    }
    outputs = ("arn", "securityGroupRuleId")

    def create(self, aws: Aws, given: Props) -> str:
        """Authorize it."""
        asked = {"GroupId": given["securityGroupId"], "IpPermissions": [_single(given)]}
        if given.get("tags"):
            asked["TagSpecifications"] = [{"ResourceType": "security-group-rule", "Tags": pairs(given["tags"])}]
        client = aws.client("ec2")
        answer = again(lambda: getattr(client, f"authorize_security_group_{self.way}")(**asked), GONE)
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `describe_security_group_rules` has it."""
        asked = {"SecurityGroupRuleIds": [id_]}
        answer = found(lambda: aws.client("ec2").describe_security_group_rules(**asked), NO_RULE, GONE)
        listed = [one for one in (answer or {}).get("SecurityGroupRules", ()) if one["SecurityGroupRuleId"] == id_]
        if not listed:
            return None
        one = listed[0]
        everything = one["IpProtocol"] == "-1"
        return some(
            {
                "securityGroupId": one.get("GroupId") or known.get("securityGroupId"),
                "ipProtocol": one["IpProtocol"],
                "fromPort": None if everything else one.get("FromPort"),
                "toPort": None if everything else one.get("ToPort"),
                "cidrIpv4": one.get("CidrIpv4"),
                "cidrIpv6": one.get("CidrIpv6"),
                "referencedSecurityGroupId": one.get("ReferencedGroupInfo", {}).get("GroupId"),
                "description": one.get("Description") or None,
                "securityGroupRuleId": id_,
                "arn": aws.arn("ec2", f"security-group-rule/{id_}"),
                "tags": tags_of(one.get("Tags")),
            }
        )

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """Tags, and what it allows."""
        if "tags" in changed:
            tag(aws, id_, before.get("tags"), wanted.get("tags"))
        if set(changed) - {"tags"}:
            rule = called(
                wanted,
                ipProtocol="IpProtocol",
                fromPort="FromPort",
                toPort="ToPort",
                cidrIpv4="CidrIpv4",
                cidrIpv6="CidrIpv6",
                referencedSecurityGroupId="ReferencedGroupId",
                description="Description",
            )
            listed = [{"SecurityGroupRuleId": id_, "SecurityGroupRule": rule}]
            aws.client("ec2").modify_security_group_rules(GroupId=wanted["securityGroupId"], SecurityGroupRules=listed)

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Revoke it."""
        revoke = getattr(aws.client("ec2"), f"revoke_security_group_{self.way}")
        found(lambda: revoke(GroupId=known["securityGroupId"], SecurityGroupRuleIds=[id_]), NO_RULE, GONE)


def _single(given: Mapping[str, Any]) -> Props:
    said = called(given, description="Description")
    asked = {"IpProtocol": given["ipProtocol"], **called(given, fromPort="FromPort", toPort="ToPort")}
    if given.get("cidrIpv4"):
        asked["IpRanges"] = [{"CidrIp": given["cidrIpv4"], **said}]
    if given.get("cidrIpv6"):
        asked["Ipv6Ranges"] = [{"CidrIpv6": given["cidrIpv6"], **said}]
    if given.get("referencedSecurityGroupId"):
        asked["UserIdGroupPairs"] = [{"GroupId": given["referencedSecurityGroupId"], **said}]
    return asked


class IngressRule(_Rule):
    """``aws.vpc.SecurityGroupIngressRule``."""

    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    way = "ingress"


class EgressRule(_Rule):
    """``aws.vpc.SecurityGroupEgressRule``."""

    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    way = "egress"
