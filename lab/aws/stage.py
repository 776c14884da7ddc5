"""A fleet on the account of the lab: the real engine and pulumi_aws declare it, lab nodes run on its instances behind its balancer.

The rule: what a person would have is all that is used: the stack file, AWS's environment variables, the address that devices connect to.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from components.system.trusted import authorities
from lab.aws.account import PERSON
from lab.aws.cloud import Cloud
from lab.aws.standing_in import provided
from lab.node.kept.terms import licence_key
from lab.stage import ROOT, Scene, Stage
from lab.workspace import Secret

SECONDS = 900
ANYBODY = ["127.0.0.0/8"]
"""This machine: everybody who connects here."""


@contextlib.contextmanager
def at(cloud: Cloud, directory: Path, who: str = PERSON) -> Iterator[str]:
    """Be where AWS is this account, as somebody (an access key, by which calls are counted), with a plugin for Pulumi; says which plugin."""
    told = provided(directory / "home", directory / "commands")
    path = f"{directory / 'commands'}{os.pathsep}{os.environ.get('PATH', '')}"
    wanted = {**cloud.place.environment, "AWS_ACCESS_KEY_ID": who, "PATH": path}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield told
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


class AwsStage(Stage):
    """A stage whose nodes are instances, behind a balancer of the account; to be used inside `at`."""

    def __init__(self, directory: Path, scene: Scene, cloud: Cloud, name: str) -> None:
        """Make the workspace; ``name`` is where the names of its things begin, at most 20 small letters, digits and -."""
        super().__init__(directory, scene)
        self.cloud, self.name, self.sweeps = cloud, name, True
        place = cloud.place
        common: dict[str, Any] = {"region": place.region, "name": name, "subnets": list(place.subnets)}
        self.machines: dict[str, Any] = {
            **common,
            "image": place.image,
            "instanceType": "t3.small",
            "volume": {"sizeGib": 1},
            "management": {"ranges": ANYBODY},
            "readySeconds": SECONDS,
            "bootSeconds": SECONDS,
        }
        self.front: dict[str, Any] = {
            **common,
            "internal": True,
            "sources": ANYBODY,
            "checkSeconds": 10,
            "readySeconds": SECONDS,
        }
        if scene.balancer.get("target") == "aws":
            self.front["instances"] = {"image": place.image, "instanceType": "t3.small"}

    def __exit__(self, *_: object) -> None:
        """End what works here, and what this stage has left in the account."""
        try:
            super().__exit__()
        finally:
            if self.sweeps:
                self.sweep()

    @contextlib.contextmanager
    def elsewhere(self, directory: Path) -> Iterator[AwsStage]:
        """The same stack from a fresh clone in an empty directory; what it makes is this stage's to end."""
        self.workspace.clone(directory, ROOT)
        with AwsStage(directory, self.scene, self.cloud, self.name) as there:
            there.secrets, there.nodes, there.sweeps, there._configured = self.secrets, self.nodes, False, True
            yield there

    def sweep(self) -> None:
        """Take away the instances and balancers of this stage."""
        ec2, elbv2 = self.cloud.client("ec2"), self.cloud.client("elbv2")
        there = [*self.instances(), *self.balancers()]
        left = [one["InstanceId"] for one in there if one["State"]["Name"] not in {"terminated", "shutting-down"}]
        if left:
            ec2.terminate_instances(InstanceIds=left)
        for one in elbv2.describe_load_balancers()["LoadBalancers"]:
            if one["LoadBalancerName"].startswith(f"{self.name}-"):
                elbv2.delete_load_balancer(LoadBalancerArn=one["LoadBalancerArn"])

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        """The same stack file, with other targets."""
        scene = self.scene
        super().configure(live, *colours, **more)
        versions = {"blue": scene.blue, "green": scene.green}
        nodes = {**self.machines, "target": "aws", "edition": scene.edition}
        self.workspace.set_config(
            {
                "clusters": {one: {**nodes, "version": versions[one], "nodes": self.nodes[one]} for one in colours},
                "balancer": {"target": "network_load_balancer", "aws": self.front, **scene.balancer},
            }
        )

    def _credentials(self, colour: str) -> dict[str, Any]:
        """With a licence where nodes need one."""
        known = super()._credentials(colour)
        return known | ({"license": Secret(licence_key(0))} if self.scene.edition == "ee" else {})

    @property
    def mqtt(self) -> str:
        """The address of the balancer."""
        return str(self.workspace.outputs()["mqtt"])

    def instances(self, colour: str = "") -> list[Mapping[str, Any]]:
        """Those of this stage, or of one colour, in the order of their numbers."""
        prefix = f"{self.name}-"
        listed = self.cloud.client("ec2").describe_instances()["Reservations"]
        found = [(_tags(one), one) for reservation in listed for one in reservation["Instances"]]
        mine = [(tags, one) for tags, one in found if tags.get("emqx-upgrade:cluster", "").startswith(prefix)]
        if colour:
            mine = [(tags, one) for tags, one in mine if tags["emqx-upgrade:cluster"].endswith(f"-{colour}")]
        return [one for _, one in sorted(mine, key=lambda pair: int(pair[0].get("emqx-upgrade:node", 0)))]

    def balancers(self) -> list[Mapping[str, Any]]:
        """The instances of its HAProxy, where it has such."""
        mine = [
            {"Name": "tag-key", "Values": ["emqx-upgrade:balancer"]},
            {"Name": "tag:environment", "Values": ["lab"]},
        ]
        listed = self.cloud.client("ec2").describe_instances(Filters=mine)["Reservations"]
        found = [one for reservation in listed for one in reservation["Instances"]]
        return [one for one in found if _tags(one)["emqx-upgrade:balancer"].startswith(f"{self.name}-")]

    def running(self, colour: str) -> list[Mapping[str, Any]]:
        """Its instances that there are."""
        return [one for one in self.instances(colour) if one["State"]["Name"] == "running"]

    def api(self, colour: str, number: int = 0) -> httpx.Client:
        """The management API of a node."""
        key = self.key_of(colour)
        address = self.running(colour)[number]["PrivateIpAddress"]
        return httpx.Client(
            base_url=f"http://{address}:18083/api/v5",
            auth=(f"upgrade-{key}", self.secrets[key]),
            timeout=60,
            trust_env=False,
            verify=authorities(),
        )

    def ready(self, colour: str) -> dict[str, Any]:
        """Version and nodes, as the ready file of a cluster on this machine has them."""
        addresses = [one["PrivateIpAddress"] for one in self.running(colour)]
        nodes = [{"name": f"emqx@{one}", "api": f"http://{one}:18083", "mqtt": f"{one}:1883"} for one in addresses]
        return {"version": getattr(self.scene, colour), "nodes": nodes}

    def live(self) -> dict[str, int]:
        """Live connections by colour, as the brokers say."""
        counts = {}
        for colour in ("blue", "green"):
            if not (mine := {node["name"] for node in self.ready(colour)["nodes"]}):
                continue
            with contextlib.suppress(httpx.HTTPError), self.api(colour) as api:
                nodes = api.get("/nodes").raise_for_status().json()
                counts[colour] = sum(node.get("live_connections", 0) for node in nodes if node["node"] in mine)
        return counts

    def consoles(self) -> str:
        """What the consoles of its instances say, for whoever looks for a reason."""
        ec2 = self.cloud.client("ec2")
        return "\n".join(
            str(ec2.get_console_output(InstanceId=one["InstanceId"]).get("Output")) for one in self.instances()
        )


def _tags(instance: Mapping[str, Any]) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in instance.get("Tags", ())}
