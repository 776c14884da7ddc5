"""EBS: volumes and snapshots; each is there when AWS says that it may be used."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from lab.aws.plugin.ec2 import tag
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
    some,
    tags_of,
    waited,
)

GONE, NO_SNAPSHOT = "InvalidVolume.NotFound", "InvalidSnapshot.NotFound"
CHANGED = {"size": "Size", "type": "VolumeType", "iops": "Iops", "throughput": "Throughput"}


class Volume(Kind):
    """``aws.ebs.Volume``."""

    token = "aws:ebs/volume:Volume"
    inputs = {
        "availabilityZone": FIXED,
        "size": CHOSEN,
        "type": CHOSEN,
        "iops": CHOSEN,
        "throughput": CHOSEN,
        "encrypted": FIXED_CHOSEN,
        "kmsKeyId": FIXED_CHOSEN,
        "snapshotId": FIXED_CHOSEN,
        "finalSnapshot": Property(default=False),
        "multiAttachEnabled": FIXED_CHOSEN,
        "tags": PLAIN,
    }
    outputs = ("arn", "createTime")

    def create(self, aws: Aws, given: Props) -> str:
        """Make it, and wait until it is available."""
        asked = called(
            given,
            availabilityZone="AvailabilityZone",
            encrypted="Encrypted",
            kmsKeyId="KmsKeyId",
            snapshotId="SnapshotId",
            **CHANGED,
        )
        if given.get("tags"):
            asked["TagSpecifications"] = [{"ResourceType": "volume", "Tags": pairs(given["tags"])}]
        id_ = str(aws.client("ec2").create_volume(**asked)["VolumeId"])
        waited(lambda: True if _state(aws, id_) in {"available", "in-use"} else None, f"{id_} to be available")
        return id_

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `describe_volumes` has it."""
        one = _described(aws, id_)
        if one is None:
            return None
        return some(
            {
                "availabilityZone": one["AvailabilityZone"],
                "size": one["Size"],
                "type": one["VolumeType"],
                "iops": one.get("Iops"),
                "throughput": one.get("Throughput"),
                "encrypted": one["Encrypted"],
                "kmsKeyId": one.get("KmsKeyId"),
                "snapshotId": one.get("SnapshotId") or None,
                "arn": aws.arn("ec2", f"volume/{id_}"),
                "createTime": one["CreateTime"].isoformat(),
                "tags": tags_of(one.get("Tags")),
            }
        )

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """Tags, and a size that grows."""
        if "tags" in changed:
            tag(aws, id_, before.get("tags"), wanted.get("tags"))
        asked = called({name: wanted.get(name) for name in changed}, **CHANGED)
        if asked:
            aws.client("ec2").modify_volume(VolumeId=id_, **asked)

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away, after its last snapshot where one is wanted."""
        client = aws.client("ec2")
        if known.get("finalSnapshot"):
            snapshot = str(client.create_snapshot(VolumeId=id_)["SnapshotId"])
            waited(lambda: _completed(aws, snapshot), f"{snapshot} of {id_}")
        found(lambda: client.delete_volume(VolumeId=id_), GONE)


class Snapshot(Kind):
    """``aws.ebs.Snapshot``."""

    token = "aws:ebs/snapshot:Snapshot"
    inputs = {"volumeId": FIXED, "description": FIXED_CHOSEN, "tags": PLAIN}
    outputs = ("arn", "encrypted", "ownerId", "volumeSize")

    def create(self, aws: Aws, given: Props) -> str:
        """Make it, and wait until it is complete."""
        asked = called(given, volumeId="VolumeId", description="Description")
        if given.get("tags"):
            asked["TagSpecifications"] = [{"ResourceType": "snapshot", "Tags": pairs(given["tags"])}]
        id_ = str(aws.client("ec2").create_snapshot(**asked)["SnapshotId"])
        waited(lambda: _completed(aws, id_), f"{id_} to be completed")
        return id_

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `describe_snapshots` has it."""
        answer = found(lambda: aws.client("ec2").describe_snapshots(SnapshotIds=[id_]), NO_SNAPSHOT)
        if not answer or not answer["Snapshots"]:
            return None
        one = answer["Snapshots"][0]
        return {
            "volumeId": one["VolumeId"],
            "description": one.get("Description", ""),
            "arn": aws.arn("ec2", f"snapshot/{id_}"),
            "encrypted": one.get("Encrypted", False),
            "ownerId": one["OwnerId"],
            "volumeSize": one["VolumeSize"],
            "tags": tags_of(one.get("Tags")),
        }

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """Tags."""
        tag(aws, id_, before.get("tags"), wanted.get("tags"))

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away."""
        found(lambda: aws.client("ec2").delete_snapshot(SnapshotId=id_), NO_SNAPSHOT)


def _described(aws: Aws, id_: str) -> Any:
    answer = found(lambda: aws.client("ec2").describe_volumes(VolumeIds=[id_]), GONE)
    return answer["Volumes"][0] if answer and answer["Volumes"] else None


def _state(aws: Aws, id_: str) -> str:
    one = _described(aws, id_)
    return str(one["State"]) if one else ""


def _completed(aws: Aws, id_: str) -> bool | None:
    listed = aws.client("ec2").describe_snapshots(SnapshotIds=[id_])["Snapshots"]
    return True if listed and listed[0]["State"] == "completed" else None
