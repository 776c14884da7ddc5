"""EC2: instances, and the attachment of a volume to one.

The rule: an instance is there when it runs; what can only be changed in one that is stopped is changed by stopping and starting it.
"""

from __future__ import annotations

import base64
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
    pairs,
    retagged,
    some,
    tags_of,
    waited,
)

GONE = ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed")
STOPPED = {"instanceType", "userData", "userDataBase64"}
METADATA = {
    "httpTokens": "HttpTokens",
    "httpEndpoint": "HttpEndpoint",
    "httpPutResponseHopLimit": "HttpPutResponseHopLimit",
    "instanceMetadataTags": "InstanceMetadataTags",
}
DISK = {
    "volumeType": ("VolumeType", FIXED_CHOSEN),
    "volumeSize": ("VolumeSize", FIXED_CHOSEN),
    "encrypted": ("Encrypted", FIXED_CHOSEN),
    "kmsKeyId": ("KmsKeyId", FIXED_CHOSEN),
    "iops": ("Iops", FIXED_CHOSEN),
    "throughput": ("Throughput", FIXED_CHOSEN),
    "deleteOnTermination": ("DeleteOnTermination", Property(default=True)),
}


class Instance(Kind):
    """``aws.ec2.Instance``."""

    token = "aws:ec2/instance:Instance"
    inputs = {
        "ami": FIXED,
        "instanceType": PLAIN,
        "subnetId": FIXED_CHOSEN,
        "availabilityZone": FIXED_CHOSEN,
        "privateIp": FIXED_CHOSEN,
        "vpcSecurityGroupIds": Property(unordered=True, computed=True),
        "iamInstanceProfile": CHOSEN,
        "keyName": FIXED_CHOSEN,
        "associatePublicIpAddress": FIXED_CHOSEN,
        "userData": CHOSEN,
        "userDataBase64": CHOSEN,
        "userDataReplaceOnChange": Property(default=False),
        "disableApiTermination": CHOSEN,
        "disableApiStop": CHOSEN,
        "ebsOptimized": FIXED_CHOSEN,
        "monitoring": CHOSEN,
        "sourceDestCheck": Property(default=True),
        "instanceInitiatedShutdownBehavior": CHOSEN,
        "metadataOptions": Property(computed=True, inside=dict.fromkeys(METADATA, CHOSEN)),
        "rootBlockDevice": Property(
            computed=True, inside={**{ours: rule for ours, (_, rule) in DISK.items()}, "tags": CHOSEN}
        ),
        "volumeTags": PLAIN,
        "tags": PLAIN,
    }
    outputs = ("arn", "instanceState", "primaryNetworkInterfaceId", "privateDns", "publicDns", "publicIp", "tenancy")

    def create(self, aws: Aws, given: Props) -> str:
        """Run it; the profile may have been made a moment ago."""
        asked = called(
            given,
            ami="ImageId",
            instanceType="InstanceType",
            subnetId="SubnetId",
            privateIp="PrivateIpAddress",
            vpcSecurityGroupIds="SecurityGroupIds",
            keyName="KeyName",
            userData="UserData",
            ebsOptimized="EbsOptimized",
            disableApiTermination="DisableApiTermination",
            disableApiStop="DisableApiStop",
            instanceInitiatedShutdownBehavior="InstanceInitiatedShutdownBehavior",
        )
        if given.get("userDataBase64"):
            asked["UserData"] = base64.b64decode(given["userDataBase64"])
        if given.get("iamInstanceProfile"):
            asked["IamInstanceProfile"] = {"Name": given["iamInstanceProfile"]}
        if given.get("metadataOptions"):
            asked["MetadataOptions"] = called(given["metadataOptions"], **METADATA)
        if given.get("availabilityZone"):
            asked["Placement"] = {"AvailabilityZone": given["availabilityZone"]}
        if given.get("rootBlockDevice"):
            disk = called(given["rootBlockDevice"], **{ours: theirs for ours, (theirs, _) in DISK.items()})
            device, size = _root_of(aws, given["ami"])
            # what AWS does by itself, and moto does not: as large as the image's own
            asked["BlockDeviceMappings"] = [{"DeviceName": device, "Ebs": {"VolumeSize": size, **disk}}]
        if given.get("monitoring") is not None:
            asked["Monitoring"] = {"Enabled": given["monitoring"]}
        tagged = [("instance", given.get("tags")), ("volume", given.get("volumeTags"))]
        asked["TagSpecifications"] = [{"ResourceType": kind, "Tags": pairs(tags)} for kind, tags in tagged if tags]
        client = aws.client("ec2")
        ran = again(
            lambda: client.run_instances(MinCount=1, MaxCount=1, **asked), "Invalid IAM Instance Profile", "not found"
        )
        return str(ran["Instances"][0]["InstanceId"])

    def finish(self, aws: Aws, id_: str, given: Props) -> None:
        """Wait until it runs."""
        _until(aws, id_, "running")

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `describe_instances` has it; one that ends is none."""
        one = _described(aws, id_)
        if one is None or one["State"]["Name"] in {"terminated", "shutting-down"}:
            return None
        client = aws.client("ec2")
        profile = one.get("IamInstanceProfile", {}).get("Arn", "")
        options = one.get("MetadataOptions", {})
        seen = some(
            {
                "ami": one["ImageId"],
                "instanceType": one["InstanceType"],
                "subnetId": one.get("SubnetId"),
                "availabilityZone": one["Placement"]["AvailabilityZone"],
                "privateIp": one.get("PrivateIpAddress"),
                "keyName": one.get("KeyName"),
                "ebsOptimized": one.get("EbsOptimized"),
                "sourceDestCheck": one.get("SourceDestCheck", True),
                "arn": aws.arn("ec2", f"instance/{id_}"),
                "instanceState": one["State"]["Name"],
                "tenancy": one["Placement"].get("Tenancy"),
                "publicIp": one.get("PublicIpAddress"),
                "publicDns": one.get("PublicDnsName"),
                "privateDns": one.get("PrivateDnsName"),
                "primaryNetworkInterfaceId": one["NetworkInterfaces"][0]["NetworkInterfaceId"],
                "metadataOptions": {ours: options[theirs] for ours, theirs in METADATA.items() if theirs in options},
                "vpcSecurityGroupIds": [group["GroupId"] for group in one["NetworkInterfaces"][0]["Groups"]],
            }
        )
        seen["iamInstanceProfile"] = profile.rpartition("/")[2]
        seen["tags"] = tags_of(one.get("Tags"))
        if "userDataBase64" not in known:
            said = client.describe_instance_attribute(InstanceId=id_, Attribute="userData").get("UserData", {})
            seen["userData"] = base64.b64decode(said.get("Value", "")).decode()
        return seen

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """In place; it is stopped and started where it has to be."""
        client = aws.client("ec2")
        if "tags" in changed:
            tag(aws, id_, before.get("tags"), wanted.get("tags"))
        if "vpcSecurityGroupIds" in changed:
            client.modify_instance_attribute(InstanceId=id_, Groups=wanted["vpcSecurityGroupIds"])
        if "metadataOptions" in changed:
            client.modify_instance_metadata_options(InstanceId=id_, **called(wanted["metadataOptions"], **METADATA))
        for name, theirs in (
            ("disableApiTermination", "DisableApiTermination"),
            ("sourceDestCheck", "SourceDestCheck"),
        ):
            if name in changed:
                client.modify_instance_attribute(InstanceId=id_, **{theirs: {"Value": bool(wanted.get(name))}})
        if "iamInstanceProfile" in changed:
            _profile(client, id_, wanted.get("iamInstanceProfile"))
        if STOPPED & set(changed):
            client.stop_instances(InstanceIds=[id_])
            _until(aws, id_, "stopped")
            if "instanceType" in changed:
                client.modify_instance_attribute(InstanceId=id_, InstanceType={"Value": wanted["instanceType"]})
            if {"userData", "userDataBase64"} & set(changed):
                text = wanted.get("userData", "").encode() or base64.b64decode(wanted.get("userDataBase64", ""))
                client.modify_instance_attribute(InstanceId=id_, UserData={"Value": text})
            client.start_instances(InstanceIds=[id_])
            _until(aws, id_, "running")

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Terminate it, and wait until it is."""
        client = aws.client("ec2")
        if found(lambda: client.terminate_instances(InstanceIds=[id_]), *GONE) is not None:
            _until(aws, id_, "terminated")


class VolumeAttachment(Kind):
    """``aws.ec2.VolumeAttachment``."""

    token = "aws:ec2/volumeAttachment:VolumeAttachment"
    inputs = {
        "deviceName": FIXED,
        "instanceId": FIXED,
        "volumeId": FIXED,
        "forceDetach": PLAIN,
        "skipDestroy": PLAIN,
        "stopInstanceBeforeDetaching": PLAIN,
    }

    def create(self, aws: Aws, given: Props) -> str:
        """Attach it to an instance that runs or is stopped, and wait until it is."""
        client = aws.client("ec2")
        wanted = {"VolumeId": given["volumeId"], "InstanceId": given["instanceId"], "Device": given["deviceName"]}
        _until(aws, given["instanceId"], "running", "stopped")
        if not _attached(aws, given):
            client.attach_volume(**wanted)
        waited(lambda: _attached(aws, given) or None, f"{given['volumeId']} to be attached to {given['instanceId']}")
        return f"vai-{given['deviceName']}-{given['instanceId']}-{given['volumeId']}".replace("/", "-")

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """It is there while it is attached."""
        return dict(known) if _attached(aws, known) else None

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """They are about its end."""

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Detach it, unless it is to be left."""
        if known.get("skipDestroy") or not _attached(aws, known):
            return
        client = aws.client("ec2")
        if known.get("stopInstanceBeforeDetaching"):
            client.stop_instances(InstanceIds=[known["instanceId"]])
            _until(aws, known["instanceId"], "stopped")
        asked = {"VolumeId": known["volumeId"], "InstanceId": known["instanceId"]}
        client.detach_volume(**asked, Force=bool(known.get("forceDetach")))
        waited(lambda: None if _attached(aws, known) else True, f"{known['volumeId']} to be detached")


def tag(aws: Aws, id_: str, before: Mapping[str, str] | None, wanted: Mapping[str, str] | None) -> None:
    """Bring the tags of anything of EC2's to what is wanted."""
    gone, new = retagged(before, wanted)
    if gone:
        aws.client("ec2").delete_tags(Resources=[id_], Tags=[{"Key": key} for key in gone])
    if new:
        aws.client("ec2").create_tags(Resources=[id_], Tags=pairs(new))


def _described(aws: Aws, id_: str) -> Any:
    answer = found(lambda: aws.client("ec2").describe_instances(InstanceIds=[id_]), *GONE)
    listed = answer["Reservations"] if answer else []
    return listed[0]["Instances"][0] if listed else None


def _until(aws: Aws, id_: str, *states: str) -> None:
    """Until it is in one of the states; one that was made a moment ago may not be known yet, one that is gone is terminated."""
    last = ["not known"]

    def look() -> bool | None:
        one = _described(aws, id_)
        last[:] = [one["State"]["Name"] if one else "not known"]
        if "running" in states and last == ["terminated"]:
            reason = one.get("StateReason", {}).get("Message") or one.get("StateTransitionReason", "")
            raise ValueError(f"unexpected state 'terminated', wanted target {', '.join(states)}. last error: {reason}")
        return last[0] in states or (states == ("terminated",) and one is None) or None

    try:
        waited(look, f"{id_} to be {' or '.join(states)}")
    except TimeoutError as late:
        raise TimeoutError(f"{late}; last state: {last[0]}") from None


def _attached(aws: Aws, known: Mapping[str, Any]) -> bool:
    client = aws.client("ec2")
    answer = found(lambda: client.describe_volumes(VolumeIds=[known["volumeId"]]), "InvalidVolume.NotFound")
    attachments = answer["Volumes"][0].get("Attachments", []) if answer else []
    return any(one["InstanceId"] == known["instanceId"] and one["State"] == "attached" for one in attachments)


def _root_of(aws: Aws, image: str) -> tuple[str, int]:
    one = aws.client("ec2").describe_images(ImageIds=[image])["Images"][0]
    device = str(one.get("RootDeviceName", "/dev/xvda"))
    sizes = [
        item["Ebs"].get("VolumeSize") for item in one.get("BlockDeviceMappings", ()) if item["DeviceName"] == device
    ]
    return device, int(next(filter(None, sizes), 8))


def _profile(client: Any, id_: str, name: str | None) -> None:
    asked = [{"Name": "instance-id", "Values": [id_]}]
    associated = client.describe_iam_instance_profile_associations(Filters=asked)["IamInstanceProfileAssociations"]
    for one in associated:
        client.disassociate_iam_instance_profile(AssociationId=one["AssociationId"])
    if name:
        client.associate_iam_instance_profile(InstanceId=id_, IamInstanceProfile={"Name": name})
