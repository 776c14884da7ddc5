"""Clusters of somebody's are taken as blue where their pods are found, and moved to a green of ours: a Helm chart's 4.4, whose Service is led to the balancer and whose data are converted, and the Operator's."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.emqx.models import ClusterHandle, Node
from lab.filling import DEVICE_USER
from lab.kubernetes.cluster import Cluster
from lab.kubernetes.stage import PodStage
from lab.node.kept.terms import licence_key
from lab.stage import CALM, Scene
from lab.workspace import Secret
from tests.kubernetes.theirs import HELM, OPERATOR, Theirs
from tests.kubernetes.upgrade_bed import quiet, staged
from tests.lab.agreement import plan_and_act_agree

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

CLIENTS = 60
READER = "reader"
ACCEPTED = {"acknowledge": ["conversion", "sessions", "permissions", "backup"]}
"""What a conversion from 4.x asks for."""


def scene(nodes: int) -> Scene:
    rest: dict[str, Any] = {"edition": "ce", "steps": ({"share": 100},), "gates": CALM, "cutover": ACCEPTED}
    return Scene(clients=CLIENTS, budget_per_second=60, nodes=nodes, **rest)


class Adoption(PodStage):
    """Blue is somebody's, and found by its labels; ``address`` is where its devices connect."""

    theirs: Theirs
    address: str | None = None
    takes: Sequence[Any] = ()
    before: Any = None
    license: str | None = None

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        super().configure(live, *colours, **more)
        edition = "ce" if self.license is None else "ee"
        green = {**self.pods, "target": "kubernetes", "edition": edition, "storage": {"size": "64Mi"}}
        found = {"namespace": self.namespace, "selector": self.theirs.labels}
        clusters = {
            "blue": {
                "target": "external",
                "edition": "ce",
                "version": self.theirs.version,
                "kubernetes": {**found, "api": self.theirs.api},
                **(self.files() if self.theirs.old else {}),
            },
            "green": {**green, "version": self.scene.green, "nodes": self.nodes["green"]},
        }
        balancer = {"target": "kubernetes", "replicas": 1, "kubernetes": {**self.pods, "takes": [*self.takes]}}
        self.workspace.set_config({"clusters": {one: clusters[one] for one in colours}, "balancer": balancer})

    def files(self) -> dict[str, Any]:
        """Of a 4.x: what its API does not say, and how an export comes out of its pod."""
        kubectl = (self.cluster.program, "exec", "-n", self.namespace)
        way = {"command": [*kubectl, "{pod}", "--", "cat", "{path}"], "directory": "/opt/emqx/data"}
        etc = self.directory / "theirs" / "etc"
        if not etc.exists():
            etc.mkdir(parents=True)
            packed = subprocess.run(
                [*kubectl, f"{self.theirs.workload}-0", "--", "tar", "-C", "/opt/emqx/data", "-cf", "-", "etc"],
                capture_output=True,
                check=True,
            )
            subprocess.run(["tar", "-C", str(etc.parent), "-xf", "-"], input=packed.stdout, check=True)
            (etc / "node.env").write_text("EMQX_ALLOW_ANONYMOUS=false\n")
        return {"configuration": [str(etc)], "exports": way}

    def _credentials(self, colour: str) -> dict[str, Any]:
        known = super()._credentials(colour)
        if colour == "green":
            return known | ({"license": Secret(self.license)} if self.license else {})
        if not self.theirs.old:
            return known
        reader = {"username": READER, "password": Secret(self.secrets["admin"])}
        device = {"username": DEVICE_USER, "password": Secret(self.secrets["device"])}
        return {**known, "retained": reader, "accounts": [device]}

    def fill(self, colour: str) -> None:
        """With somebody who may read all retained messages of a 4.x."""
        super().fill(colour)
        calls = (
            ("/auth_username", {"username": READER, "password": self.secrets["admin"]}),
            ("/acl", {"username": READER, "topic": "#", "action": "sub", "access": "allow"}),
        )
        if self.theirs.old:
            with self.api(colour) as api:
                assert [api.post(path, json=body).json()["code"] for path, body in calls] == [0, 0]

    def begin(self, replicas: int) -> None:
        """Their cluster, with what a cluster has."""
        key = f"upgrade-blue:{self.secrets['blue']}:administrator"
        self.cluster.apply(self.namespace, *self.theirs.objects(self.namespace, replicas, key, self.secrets["admin"]))
        where = f"statefulset/{self.theirs.workload}"
        self.cluster.until(
            lambda: self.cluster.kubectl("get", where, "-n", self.namespace), f"{replicas}/{replicas}", 180
        )
        self.nodes["blue"] = replicas
        self.cluster.until(self.answers, "fleet" if self.theirs is HELM else "sensors", 180)
        self.fill("blue")

    def answers(self) -> str:
        """What its management API says of its nodes; nothing while it does not answer."""
        with contextlib.suppress(httpx.HTTPError), self.api("blue") as api:
            return api.get("/nodes").raise_for_status().text
        return ""

    def handle(self, colour: str) -> Any:
        if colour == "green":
            return super().handle(colour)
        hosts = [self.theirs.host(self.namespace, number) for number in range(self.nodes["blue"])]
        called, port = self.theirs.node, self.theirs.api
        nodes = [Node(name=f"{called}@{host}", api=f"http://{host}:{port}", mqtt=f"{host}:1883") for host in hosts]
        return ClusterHandle(colour="blue", nodes=tuple(nodes), version=self.theirs.version, pods=self.place)

    @property
    def mqtt(self) -> str:
        return self.address or super().mqtt

    def made(self) -> Any:
        """Their workload, as it was declared."""
        found = self.cluster.get(self.namespace, "statefulset", self.theirs.workload)
        return found["metadata"]["generation"], found["spec"]

    def service(self) -> Any:
        return self.cluster.get(self.namespace, "service", self.theirs.service)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Adoption]:
    with staged(tmp_path_factory.mktemp("helm"), scene(1), cluster, "from-helm", kind=Adoption) as stage:
        assert isinstance(stage, Adoption)
        stage.theirs = HELM
        stage.takes = [{"service": HELM.service, "leaves": [8883]}]
        stage.begin(1)
        stage.cluster.until(lambda: str(stage.service()["status"]["loadBalancer"]), "127.")
        stage.address = f"{stage.service()['status']['loadBalancer']['ingress'][0]['ip']}:1883"
        stage.start_fleet()
        yield stage


def test_a_chart_is_taken_as_blue_and_its_service_leads_to_the_balancer_with_nobody_disconnected(
    stage: Adoption,
) -> None:
    stage.before = stage.made()
    stage.configure("blue", "blue")
    stage.workspace.up().good()
    assert stage.live() == {"blue": CLIENTS}
    service = stage.service()
    assert service["spec"]["selector"] == {"app.kubernetes.io/name": "haproxy", "app.kubernetes.io/instance": "emqx"}
    assert json.loads(service["metadata"]["annotations"]["emqx-upgrade/before"])["selector"] == HELM.labels


def test_everybody_is_moved_to_green_who_came_before_there_was_a_balancer(stage: Adoption) -> None:
    stage.configure("green", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert plan_and_act_agree(stage).clients == CLIENTS
    with stage.api("green") as api:
        assert api.get("/mqtt/retainer/message/config%2F7").raise_for_status().json()["topic"] == "config/7"
    assert quiet(stage), "shares that the cutover has moved are no drift"


def test_nothing_of_the_chart_was_changed_and_it_stays_when_blue_is_not_declared_any_more(stage: Adoption) -> None:
    stage.configure("green", "green")
    stage.workspace.up().good()
    assert stage.made() == stage.before
    assert stage.live() == {"blue": 0, "green": CLIENTS}


def test_each_device_was_disconnected_once(stage: Adoption) -> None:
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] == 1
    assert fleet["refused_connections"] == 0


def test_the_operators_core_nodes_are_taken_as_blue_and_their_devices_moved_to_a_green_of_ours_of_the_newest_line(
    tmp_path: Path, cluster: Cluster
) -> None:
    newest = replace(scene(1), green="5.10.4")
    with staged(tmp_path, newest, cluster, "from-operator", kind=Adoption) as stage:
        assert isinstance(stage, Adoption)
        stage.theirs, stage.license = OPERATOR, licence_key(1_000)
        stage.begin(1)
        stage.configure("blue", "blue")
        stage.workspace.up().good()
        stage.start_fleet()
        stage.configure("green", "blue", "green")
        stage.workspace.up().good()
        assert stage.live() == {"blue": 0, "green": CLIENTS}
        with stage.api("green") as api:
            (node,) = api.get("/nodes").raise_for_status().json()
        assert (node["version"], node["edition"]) == ("5.10.4", "Enterprise")
        assert stage.end_fleet()["disconnects"]["max"] == 1
