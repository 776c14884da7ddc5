"""The data volumes of a colour: their snapshots, and what of them stays in the account when the colour is gone.

The rule: a snapshot is of one copy of one volume, which its tag says, so that a run which was cut off takes up the one that it began.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from components.aws.clients import client
from components.emqx.aws_told import told
from components.emqx.errors import GaveUp, Refused
from components.instances.nodes import CLUSTER, NUMBER, Running

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import TagTypeDef

COPY = "emqx-upgrade:copy"
GIB = 1 << 30
POLL_SECONDS = 5.0
SNAPSHOT_SECONDS = 3_600.0


class Snapshot(NamedTuple):
    """A snapshot that is whole: its id, the size of its volume, and the zone that this is in."""

    id: str
    size_bytes: int
    zone: str

    def restore(self, region: str) -> tuple[str, ...]:
        """What makes a volume of it, where it came from."""
        where = ("--region", region, "--availability-zone", self.zone)
        return ("aws", "ec2", "create-volume", "--volume-type", "gp3", "--snapshot-id", self.id, *where)


async def snapshot(region: str, instance: str, copy: str, interrupted: Callable[[], None]) -> Snapshot:
    """The snapshot of the data volume of an instance, which is stopped; ``copy`` is what the copy is called.

    Raises:
        Refused: the instance has no data volume.
        GaveUp: it is not whole after an hour; the next run goes on waiting for the same one.

    """
    tried, end = f"taking a snapshot of the data volume of {instance}", time.monotonic() + SNAPSHOT_SECONDS
    with told(tried, instance):
        begun = await asyncio.to_thread(_begun, region, instance, copy)
    while True:
        interrupted()
        with told(tried, begun.id):
            found = await asyncio.to_thread(_state, region, begun.id)
        if found.startswith("completed"):
            return begun
        if found.startswith("error") or time.monotonic() >= end:
            todo = f"see aws ec2 describe-snapshots --snapshot-ids {begun.id}, delete it where it failed, then run pulumi up again"
            raise GaveUp(tried, node=begun.id, seen=found, todo=todo)
        await asyncio.sleep(POLL_SECONDS)


def _begun(region: str, instance: str, copy: str) -> Snapshot:
    ec2 = client(region, "ec2")
    attached = [
        {"Name": "attachment.instance-id", "Values": [instance]},
        {"Name": "tag-key", "Values": [CLUSTER]},
    ]
    volumes = ec2.describe_volumes(Filters=attached)["Volumes"]  # type: ignore[arg-type]  # plain dicts
    if len(volumes) != 1:
        todo = f"see that its data volume is attached and has the tags {CLUSTER} and {NUMBER}"
        raise Refused(
            "taking a snapshot", node=instance, seen=f"{len(volumes)} data volumes of ours are attached", todo=todo
        )
    volume = volumes[0]
    mine = [
        {"Name": "volume-id", "Values": [volume["VolumeId"]]},
        {"Name": f"tag:{COPY}", "Values": [copy]},
        {"Name": "status", "Values": ["pending", "completed"]},
    ]
    before = ec2.describe_snapshots(OwnerIds=["self"], Filters=mine)["Snapshots"]  # type: ignore[arg-type]
    if before:
        made = before[0]["SnapshotId"]
    else:
        tags: list[TagTypeDef] = [tag for tag in volume.get("Tags", ()) if not tag["Key"].startswith("aws:")]
        tags.append({"Key": COPY, "Value": copy})
        made = ec2.create_snapshot(
            VolumeId=volume["VolumeId"],
            Description=copy,
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
        )["SnapshotId"]
    return Snapshot(made, volume["Size"] * GIB, volume["AvailabilityZone"])


def _state(region: str, snapshot: str) -> str:
    found = client(region, "ec2").describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
    return f"{found['State']} {found.get('Progress', '')}".strip()


def kept(running: Running) -> list[str]:
    """What stays when the colour is gone, each with the command that deletes it.

    Raises:
        Unreachable, Unauthorized, NotNow, Refused: AWS.

    """
    ours = [{"Name": f"tag:{CLUSTER}", "Values": [running.cluster]}]
    with told("looking for what stays", running.region):
        ec2 = client(running.region, "ec2")
        volumes = ec2.describe_volumes(Filters=ours)["Volumes"]  # type: ignore[arg-type]
        snapshots = ec2.describe_snapshots(OwnerIds=["self"], Filters=ours)["Snapshots"]  # type: ignore[arg-type]
    where = f"--region {running.region}"
    return [
        *(f"aws ec2 delete-volume {where} --volume-id {one['VolumeId']}  # {one['Size']} GiB" for one in volumes),
        *(
            f"aws ec2 delete-snapshot {where} --snapshot-id {one['SnapshotId']}  # {one.get('Description', '')}"
            for one in snapshots
        ),
    ]
