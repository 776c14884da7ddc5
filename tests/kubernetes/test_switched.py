"""Without a proxy, on Enterprise: a Service is switched from blue's pods to green's, blue is evacuated, and its nodes are well though they say that they are not available."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from lab.kubernetes.cluster import Cluster
from lab.kubernetes.stage import PodStage
from lab.stage import CALM, Scene
from tests.kubernetes.upgrade_bed import quiet, staged
from tests.lab.agreement import plan_and_act_agree

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

CLIENTS = 20
"""The evaluation licence has 25 sessions."""
SCENE = Scene(clients=CLIENTS, budget_per_second=20, edition="ee", nodes=1, steps=({"share": 100},), gates=CALM)


class Switched(PodStage):
    """Nothing stands in front of the nodes but a Service."""

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        super().configure(live, *colours, **more)
        versions = {"blue": self.scene.blue, "green": self.scene.green}
        nodes = {**self.pods, "target": "kubernetes", "edition": "ee", "nodes": 1, "proxyProtocol": False}
        storage = {"storage": {"size": "64Mi"}}
        clusters = {one: {**nodes, **storage, "version": versions[one]} for one in colours}
        self.workspace.set_config({"clusters": clusters, "balancer": {"target": "service", "kubernetes": self.pods}})

    def leads_to(self) -> str:
        found = self.cluster.get(self.namespace, "service", "emqx-mqtt")
        return str(found["spec"]["selector"]["emqx-upgrade/colour"])

    def pods_shown(self) -> str:
        return re.sub(" +", " ", self.cluster.kubectl("get", "pods", "-n", self.namespace))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Switched]:
    with staged(tmp_path_factory.mktemp("switch"), SCENE, cluster, "switched", kind=Switched) as stage:
        assert isinstance(stage, Switched)
        stage.build_blue()
        stage.start_fleet()
        yield stage


def test_everybody_is_moved_with_one_disconnect_and_the_service_leads_to_green(stage: Switched) -> None:
    assert stage.leads_to() == "blue"
    stage.configure("green", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert plan_and_act_agree(stage).clients == CLIENTS
    assert stage.leads_to() == "green"
    # it is evacuated, which its probe hears some seconds later
    stage.cluster.until(stage.pods_shown, "emqx-blue-0 0/1 Running")
    assert quiet(stage)


def test_blue_leaves_and_nothing_is_remembered_of_the_cutover(stage: Switched) -> None:
    stage.configure("green", "green")
    stage.workspace.up().good()
    assert stage.live()["green"] == CLIENTS
    assert "memory.origin" not in stage.ledger()
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] == 1
    assert fleet["refused_connections"] == 0
