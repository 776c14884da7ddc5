"""Instances of the lab: user data is executed, rights are those of the profile, volumes outlive machines, and states are true."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from lab.aws.cloud import Cloud
from tests.aws.waiting import until

pytestmark = [pytest.mark.aws, pytest.mark.timeout(400)]
BOOT = """#!/bin/sh
set -eu
echo "boot of $(hostname)"
token=$(curl -sf -X PUT http://169.254.169.254/latest/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 60')
address=$(curl -sf -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/local-ipv4)
get() { aws ssm get-parameter --name "$1" --with-decryption --query Parameter.Value --output text; }
version=$(get /machines/version)
get /elsewhere/secret || echo "not mine: $?"
apt-get install -y "emqx=$version"
echo "installed $(dpkg-query -W -f '${Version}' emqx)"
device=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_$(cat /etc/emqx-upgrade/volume)
until [ -e "$device" ]; do sleep 0.2; done
blkid -p "$device" || { [ $? = 2 ] && mkfs.xfs -L emqx "$device" && echo formatted; }
mkdir -p /var/lib/emqx
mount -o noatime "$device" /var/lib/emqx
echo "boots so far: $(cat /var/lib/emqx/boots 2>/dev/null || echo none)"
echo "$version" >> /var/lib/emqx/boots
printf 'node.name = "emqx@%s"\\nnode.cookie = "%s"\\nlisteners.ws.default.enable = false\\n' "$address" "$(get /machines/cookie)" > /etc/emqx/emqx.conf
echo 'api_key.bootstrap_file = "/etc/emqx/api-keys"' >> /etc/emqx/emqx.conf
echo 'key:secret:administrator' > /etc/emqx/api-keys
systemctl restart emqx
"""
ROLE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}],
}
RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "arn:aws:ssm:*:*:parameter/machines/*"}
    ],
}


class Node:
    """An instance with a volume, whose boot script makes it a node."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.ec2, ssm, iam = cloud, cloud.client("ec2"), cloud.client("ssm"), cloud.client("iam")
        for name, value in (
            ("/machines/version", "5.8.6"),
            ("/machines/cookie", "of-machines"),
            ("/elsewhere/secret", "x"),
        ):
            ssm.put_parameter(Name=name, Value=value, Type="SecureString")
        iam.create_role(RoleName="machine", AssumeRolePolicyDocument=json.dumps(ROLE))
        iam.put_role_policy(RoleName="machine", PolicyName="read", PolicyDocument=json.dumps(RIGHTS))
        iam.create_instance_profile(InstanceProfileName="machine")
        iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName="machine")
        self.volume = self.ec2.create_volume(AvailabilityZone="eu-central-1a", Size=1)["VolumeId"]
        files = [
            {
                "path": "/var/lib/cloud/scripts/per-boot/10-test",
                "permissions": "0755",
                "encoding": "b64",
                "content": base64.b64encode(BOOT.encode()).decode(),
            },
            {"path": "/etc/emqx-upgrade/volume", "content": self.volume.replace("-", "")},
        ]
        user_data = "#cloud-config\n" + json.dumps(
            {"write_files": files, "runcmd": ["echo once", ["echo", "two words"]]}
        )
        self.id = self.ec2.run_instances(
            ImageId=cloud.place.image,
            MinCount=1,
            MaxCount=1,
            InstanceType="t3.small",
            SubnetId=cloud.place.subnets[0],
            UserData=user_data,
            IamInstanceProfile={"Name": "machine"},
        )["Instances"][0]["InstanceId"]
        until(lambda: self.state() == "running", "running")
        self.ec2.attach_volume(VolumeId=self.volume, InstanceId=self.id, Device="/dev/sdf")

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ec2.describe_instances(InstanceIds=[self.id])["Reservations"][0]["Instances"][0]
        return found

    def state(self) -> str:
        return str(self.told()["State"]["Name"])

    def console(self) -> str:
        return str(self.ec2.get_console_output(InstanceId=self.id).get("Output", ""))

    def version(self) -> str | None:
        try:
            answer = httpx.get(
                f"http://{self.told()['PrivateIpAddress']}:18083/api/v5/nodes",
                auth=("key", "secret"),
                timeout=10,
                trust_env=False,
            )
        except httpx.HTTPError:
            return None
        return str(answer.json()[0]["version"]) if answer.status_code == 200 else None


@pytest.fixture(scope="module")
def node(cloud: Cloud) -> Node:
    return Node(cloud)


def test_user_data_make_an_instance_a_node_at_its_own_address(node: Node) -> None:
    until(node.version, "a node")
    assert node.version() == "5.8.6"
    assert node.told()["PrivateIpAddress"].startswith(node.cloud.place.network)
    said = until(lambda: (text := node.console()) and "two words" in text and text, "the end of the first boot")
    for line in ("formatted", "boots so far: none", "installed 5.8.6", "once"):
        assert line in said


def test_a_machine_may_read_what_its_profile_allows_and_nothing_else(node: Node) -> None:
    assert "not mine: 254" in node.console()
    assert "is not authorized to perform: ssm:GetParameter" in node.console()


def test_a_command_runs_in_the_machine_that_is_named_and_in_no_other(node: Node, cloud: Cloud) -> None:
    ssm = cloud.client("ssm")
    there = node.ec2.run_instances(ImageId=cloud.place.image, MinCount=1, MaxCount=1, SubnetId=cloud.place.subnets[0])
    other = there["Instances"][0]["InstanceId"]
    node.ec2.terminate_instances(InstanceIds=[other])

    commands = {"commands": ["hostname", "exit 3"]}
    told = ssm.send_command(InstanceIds=[node.id], DocumentName="AWS-RunShellScript", Parameters=commands)
    assert told["Command"]["InstanceIds"] == [node.id]
    asked = {"CommandId": told["Command"]["CommandId"], "InstanceId": node.id}
    until(lambda: ssm.get_command_invocation(**asked)["Status"] != "InProgress", "the command's end")
    answer = ssm.get_command_invocation(**asked)
    assert answer["StandardOutputContent"].startswith("ip-127-")
    assert (answer["ResponseCode"], answer["Status"]) == (3, "Failed")


def test_what_is_declared_meanwhile_takes_effect_at_the_next_boot_and_the_volume_stays(
    node: Node, cloud: Cloud
) -> None:
    before = node.told()["PrivateIpAddress"]
    cloud.client("ssm").put_parameter(Name="/machines/version", Value="5.8.9", Type="SecureString", Overwrite=True)
    snapshot = node.ec2.create_snapshot(VolumeId=node.volume)["SnapshotId"]
    node.ec2.stop_instances(InstanceIds=[node.id])
    until(lambda: node.state() == "stopped", "stopped")
    assert node.version() is None
    node.ec2.start_instances(InstanceIds=[node.id])
    until(lambda: node.version() == "5.8.9", "the declared version")
    assert node.told()["PrivateIpAddress"] == before
    said = node.console()
    assert "boots so far: 5.8.6" in said
    assert said.count("formatted") == said.count("two words") == 1
    assert node.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["State"] == "completed"


def test_an_instance_that_dies_fails_its_status_check_until_it_is_stopped_and_started(node: Node, cloud: Cloud) -> None:
    def status() -> str:
        listed = node.ec2.describe_instance_status(InstanceIds=[node.id])["InstanceStatuses"]
        return str(listed[0]["InstanceStatus"]["Status"])

    assert status() == "ok"
    cloud.ask("instances/fail", node.id)
    assert (status(), node.state()) == ("impaired", "running")
    until(lambda: node.version() is None, "the node's end")
    node.ec2.stop_instances(InstanceIds=[node.id])
    until(lambda: node.state() == "stopped", "stopped")
    node.ec2.start_instances(InstanceIds=[node.id])
    until(lambda: node.version() == "5.8.9", "the node again")
    assert status() == "ok"


def test_the_end_of_an_instance_frees_its_volume(node: Node) -> None:
    node.ec2.terminate_instances(InstanceIds=[node.id])
    until(lambda: node.state() == "terminated", "terminated")
    assert node.ec2.describe_volumes(VolumeIds=[node.volume])["Volumes"][0]["State"] == "available"
