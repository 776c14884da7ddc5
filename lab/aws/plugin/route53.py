"""Route 53: records and health checks.

The rule: a record is made, never taken over, unless it says that it may overwrite; a change is waited for until all name servers have it.
"""

from __future__ import annotations

import uuid
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
    called,
    found,
    pairs,
    retagged,
    some,
    tags_of,
    waited,
)

ALIAS = {"name": PLAIN, "zoneId": PLAIN, "evaluateTargetHealth": PLAIN}
ASKED = {
    "type": "Type",
    "fqdn": "FullyQualifiedDomainName",
    "ipAddress": "IPAddress",
    "port": "Port",
    "resourcePath": "ResourcePath",
    "searchString": "SearchString",
    "requestInterval": "RequestInterval",
    "failureThreshold": "FailureThreshold",
    "measureLatency": "MeasureLatency",
    "invertHealthcheck": "Inverted",
    "disabled": "Disabled",
    "enableSni": "EnableSNI",
    "regions": "Regions",
}
ONCE = {"type", "requestInterval", "measureLatency"}


class Record(Kind):
    """``aws.route53.Record``: simple, weighted or multivalue."""

    token = "aws:route53/record:Record"
    regional = False
    inputs = {
        "zoneId": FIXED,
        "name": FIXED,
        "type": PLAIN,
        "ttl": PLAIN,
        "records": Property(unordered=True),
        "aliases": Property(inside=ALIAS),
        "setIdentifier": FIXED,
        "weightedRoutingPolicies": Property(inside={"weight": PLAIN}),
        "multivalueAnswerRoutingPolicy": PLAIN,
        "healthCheckId": PLAIN,
        "allowOverwrite": CHOSEN,
    }
    outputs = ("fqdn",)

    def create(self, aws: Aws, given: Props) -> str:
        """Make it, and wait until it is everywhere."""
        action = "UPSERT" if given.get("allowOverwrite") else "CREATE"
        _change(aws, given["zoneId"], action, _record(given, _name(aws, given)))
        return "_".join(
            some(
                {
                    "zone": given["zoneId"],
                    "name": given["name"],
                    "type": given["type"],
                    "set": given.get("setIdentifier"),
                }
            ).values()
        )

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `list_resource_record_sets` has it."""
        name = _name(aws, known)
        one = _listed(aws, known, name)
        if one is None:
            return None
        target = one.get("AliasTarget")
        return some(
            {
                "zoneId": known["zoneId"],
                "name": known["name"],
                "fqdn": name,
                "type": one["Type"],
                "ttl": one.get("TTL"),
                "records": [_unquoted(item["Value"]) for item in one.get("ResourceRecords", [])] or None,
                "setIdentifier": one.get("SetIdentifier"),
                "weightedRoutingPolicies": [{"weight": one["Weight"]}] if "Weight" in one else None,
                "multivalueAnswerRoutingPolicy": one.get("MultiValueAnswer"),
                "healthCheckId": one.get("HealthCheckId"),
                "aliases": [
                    {
                        "name": target["DNSName"].rstrip("."),
                        "zoneId": target["HostedZoneId"],
                        "evaluateTargetHealth": target["EvaluateTargetHealth"],
                    }
                ]
                if target
                else None,
            }
        )

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """Another value in its place."""
        _change(aws, wanted["zoneId"], "UPSERT", _record(wanted, _name(aws, wanted)))

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take away what is there now, whatever its value is."""
        one = _listed(aws, known, _name(aws, known))
        if one is not None:
            found(lambda: _change(aws, known["zoneId"], "DELETE", one), "NoSuchHostedZone", "InvalidChangeBatch")


class HealthCheck(Kind):
    """``aws.route53.HealthCheck`` of an address or a name."""

    token = "aws:route53/healthCheck:HealthCheck"
    regional = False
    inputs = {
        **{name: FIXED if name in ONCE else CHOSEN for name in ASKED},
        "referenceName": FIXED_CHOSEN,
        "tags": PLAIN,
    }
    outputs = ("arn",)

    def create(self, aws: Aws, given: Props) -> str:
        """Make it."""
        reference = f"{given.get('referenceName', 'pulumi')}-{uuid.uuid4()}"[:64]
        client = aws.client("route53")
        made = client.create_health_check(CallerReference=reference, HealthCheckConfig=called(given, **ASKED))
        id_ = str(made["HealthCheck"]["Id"])
        _tag(client, id_, {}, given.get("tags"))
        return id_

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `get_health_check` has it."""
        client = aws.client("route53")
        answer = found(lambda: client.get_health_check(HealthCheckId=id_), "NoSuchHealthCheck")
        if answer is None:
            return None
        config = answer["HealthCheck"]["HealthCheckConfig"]
        tags = client.list_tags_for_resource(ResourceType="healthcheck", ResourceId=id_)["ResourceTagSet"]["Tags"]
        seen = {ours: config[theirs] for ours, theirs in ASKED.items() if config.get(theirs) not in (None, "")}
        return {**seen, "arn": f"arn:aws:route53:::healthcheck/{id_}", "tags": tags_of(tags)}

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """In place."""
        client = aws.client("route53")
        if "tags" in changed:
            _tag(client, id_, before.get("tags"), wanted.get("tags"))
        asked = called({name: wanted.get(name) for name in changed if name not in ONCE}, **ASKED)
        if asked:
            client.update_health_check(HealthCheckId=id_, **asked)

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away."""
        found(lambda: aws.client("route53").delete_health_check(HealthCheckId=id_), "NoSuchHealthCheck")


def _name(aws: Aws, known: Mapping[str, Any]) -> str:
    """The whole name: one that is not in its zone already is put there."""
    zone = str(aws.client("route53").get_hosted_zone(Id=known["zoneId"])["HostedZone"]["Name"]).rstrip(".")
    name = str(known["name"]).rstrip(".").lower()
    return name if name == zone or name.endswith(f".{zone}") else f"{name}.{zone}".lstrip(".")


def _record(given: Mapping[str, Any], name: str) -> Props:
    asked = {
        "Name": name,
        **called(given, type="Type", ttl="TTL", setIdentifier="SetIdentifier", healthCheckId="HealthCheckId"),
    }
    if given.get("records"):
        quote = given["type"] in {"TXT", "SPF"}
        asked["ResourceRecords"] = [{"Value": f'"{value}"' if quote else value} for value in given["records"]]
    for alias in given.get("aliases") or ():
        asked["AliasTarget"] = {
            "DNSName": alias["name"],
            "HostedZoneId": alias["zoneId"],
            "EvaluateTargetHealth": alias["evaluateTargetHealth"],
        }
    for policy in given.get("weightedRoutingPolicies") or ():
        asked["Weight"] = policy["weight"]
    if given.get("multivalueAnswerRoutingPolicy"):
        asked["MultiValueAnswer"] = True
    return asked


def _unquoted(value: str) -> str:
    return value[1:-1] if value.startswith('"') and value.endswith('"') else value


def _listed(aws: Aws, known: Mapping[str, Any], name: str) -> Any:
    asked = {"HostedZoneId": known["zoneId"], "StartRecordName": name, "StartRecordType": known["type"]}
    answer = found(lambda: aws.client("route53").list_resource_record_sets(**asked), "NoSuchHostedZone")
    for one in answer["ResourceRecordSets"] if answer else ():
        if (one["Name"].rstrip("."), one["Type"], one.get("SetIdentifier")) == (
            name,
            known["type"],
            known.get("setIdentifier"),
        ):
            return one
    return None


def _change(aws: Aws, zone: str, action: str, record: Mapping[str, Any]) -> None:
    client = aws.client("route53")
    batch = {"Comment": "Managed by Pulumi", "Changes": [{"Action": action, "ResourceRecordSet": dict(record)}]}
    id_ = client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)["ChangeInfo"]["Id"]
    waited(
        lambda: True if client.get_change(Id=id_)["ChangeInfo"]["Status"] == "INSYNC" else None,
        f"change {id_} to be in sync",
    )


def _tag(client: Any, id_: str, before: Mapping[str, str] | None, wanted: Mapping[str, str] | None) -> None:
    gone, new = retagged(before, wanted)
    if gone or new:
        asked = some({"AddTags": pairs(new) or None, "RemoveTagKeys": gone or None})
        client.change_tags_for_resource(ResourceType="healthcheck", ResourceId=id_, **asked)
