"""The records of a name as an account has them: what is known of them before an update, and whether they can be in their zone at all."""

from __future__ import annotations

from botocore.exceptions import ClientError

from components.aws.clients import client
from components.aws.place import AwsPlace
from components.cutover.words import COLOURS
from components.emqx.aws_told import code_of, told
from components.emqx.errors import BadInput
from components.emqx.models import BalancerHandle, Named
from components.machines.front import Records

NO_ZONE = "NoSuchHostedZone"


def listed(region: str, records: Records, port: int, table: str) -> BalancerHandle | None:
    """The handle, without nodes; None where the name has no record of a colour.

    Raises:
        Unreachable, Unauthorized, NotNow, Refused: AWS.

    """
    with told("looking up the name", records.name):
        try:
            found = client(region, "route53").list_resource_record_sets(
                HostedZoneId=records.zone, StartRecordName=records.name, StartRecordType="A", MaxItems="100"
            )["ResourceRecordSets"]
        except ClientError as failure:
            if code_of(failure) == NO_ZONE:
                return None
            raise
    there = {one.get("SetIdentifier") for one in found if one["Name"].rstrip(".").lower() == records.name}
    colours = {colour: f"{colour}.{records.name}" for colour in COLOURS if colour in there}
    if not colours:
        return None
    return BalancerHandle(
        router="route53",
        ledger="dynamodb",
        mqtt=f"{records.name}:{port}",
        admin=(),
        maps=table,
        aws=AwsPlace(region=region),
        named=Named(
            zone=records.zone,
            name=records.name,
            ttl_seconds=records.ttl_seconds,
            wait_ttls=records.wait_ttls,
            colours=colours,
        ),
    )


def refuse_outside(region: str, zone: str, name: str) -> None:
    """Refuse a name that is not below the zone.

    Raises:
        BadInput: it is not, or there is no such zone.
        Unreachable, Unauthorized, NotNow, Refused: AWS.

    """
    tried = f"looking up the hosted zone of {name}"
    with told(tried, zone):
        try:
            domain = client(region, "route53").get_hosted_zone(Id=zone)["HostedZone"]["Name"].rstrip(".")
        except ClientError as failure:
            if code_of(failure) != NO_ZONE:
                raise
            todo = "give the id of one in emqx:balancer.aws.records.zone"
            raise BadInput(tried, node=zone, seen="there is no such zone in this account", todo=todo) from None
    if not name.endswith(f".{domain}"):
        todo = f"give a name that ends in .{domain} in emqx:balancer.aws.records.name (the zone's own name cannot have a CNAME)"
        raise BadInput(tried, node=zone, seen=f"the zone is {domain}", todo=todo)
