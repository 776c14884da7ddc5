"""A colour on Kubernetes gets fewer nodes, and more again: whoever is on a node that goes is moved first, and nobody twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.kubernetes.cluster import Cluster
from lab.kubernetes.stage import PodStage
from lab.stage import Scene
from tests.kubernetes.upgrade_bed import GATES, changes, staged

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]
CLIENTS = 30


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[PodStage]:
    scene = Scene(clients=CLIENTS, budget_per_second=30, edition="ce", nodes=2, gates=GATES)
    with staged(tmp_path_factory.mktemp("fewer"), scene, cluster, "fewer") as stage:
        stage.build_blue()
        stage.start_fleet()
        yield stage


def members(stage: PodStage) -> list[str]:
    with stage.api("blue") as api:
        return sorted(one["node"] for one in api.get("/nodes").raise_for_status().json())


def test_another_label_and_more_nodes_recreate_nothing(stage: PodStage) -> None:
    before = stage.pods, stage.nodes
    stage.pods, stage.nodes = {**stage.pods, "labels": {"team": "sensors"}}, {**stage.nodes, "blue": 3}
    stage.configure("blue", "blue")
    lines = changes(stage)
    assert [line for line in lines if "StatefulSet" in line]
    assert {line.split()[0] for line in lines} == {"~"}
    stage.pods, stage.nodes = before


def test_a_node_that_is_declared_no_more_loses_its_clients_first_and_leaves_its_cluster(stage: PodStage) -> None:
    stage.nodes = {**stage.nodes, "blue": 1}
    stage.configure("blue", "blue")
    stage.workspace.up().good()
    assert stage.live() == {"blue": CLIENTS}
    assert members(stage) == [stage.handle("blue").nodes[0].name]
    stage.cluster.until(lambda: str([*stage.pod_names("emqx")]), "['emqx-blue-0']")


def test_one_more_begins_anew_and_joins_it(stage: PodStage) -> None:
    stage.nodes = {**stage.nodes, "blue": 2}
    stage.configure("blue", "blue")
    stage.workspace.up().good()
    assert members(stage) == [node.name for node in stage.handle("blue").nodes]
    assert stage.live() == {"blue": CLIENTS}
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] == 1
    assert fleet["refused_connections"] == 0
