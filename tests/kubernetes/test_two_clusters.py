"""A fleet on Kubernetes is upgraded to another cluster, back and forth, and its old colour goes: `pulumi up` with the official plugin, 300 clients."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.kubernetes.cluster import Cluster
from lab.kubernetes.stage import PodStage
from lab.stage import Scene
from tests.kubernetes import accounts
from tests.kubernetes.upgrade_bed import GATES, changes, staged
from tests.lab.agreement import plan_and_act_agree

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

CLIENTS = 300
SCENE = Scene(
    clients=CLIENTS, budget_per_second=150, edition="ce", nodes=2, steps=({"share": 20}, {"share": 100}), gates=GATES
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[PodStage]:
    with staged(tmp_path_factory.mktemp("two"), SCENE, cluster, "two-clusters") as stage:
        stage.build_blue()
        stage.start_fleet()
        yield stage


def written(stage: PodStage) -> dict[str, str]:
    """How often each object was written to; of those whose status changes by itself, what is wanted of them."""
    counts = {"configmaps": "resourceVersion", "secrets": "resourceVersion", "statefulsets": "generation"}
    counts |= {"services": "resourceVersion", "deployments": "generation"}
    return {
        f"{kind}/{one['metadata']['name']}": str(one["metadata"][count])
        for kind, count in counts.items()
        for one in stage.cluster.get(stage.namespace, kind)["items"]
    }


def test_devices_connect_to_blue_by_the_balancers_service(stage: PodStage) -> None:
    assert stage.live() == {"blue": CLIENTS}


def test_who_may_only_read_gets_the_full_plan_from_an_empty_directory(
    stage: PodStage, cluster: Cluster, tmp_path: Path
) -> None:
    stage.configure("green", "blue", "green")
    mine = accounts.account(cluster, stage.namespace, accounts.PREVIEWS)
    reading = accounts.written(mine, tmp_path / "kubeconfig")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(reading))
        with stage.elsewhere(tmp_path / "empty") as runner:
            said = runner.workspace.preview().good().output
    assert re.search(rf"\b{CLIENTS}\b.*clients", said), said
    assert "cutover-shift-20" in said
    assert stage.pod_names("emqx").keys() == {"emqx-blue-0", "emqx-blue-1"}, "nothing was made"


def test_everybody_is_moved_to_green_with_one_disconnect(stage: PodStage) -> None:
    stage.configure("green", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert plan_and_act_agree(stage).clients == CLIENTS
    assert stage.ledger()["share.map"] == "green 10000\n"
    retained = stage.api("green")
    with retained as api:
        assert api.get("/mqtt/retainer/message/config%2F7").raise_for_status().json()["topic"] == "config/7"


def test_a_preview_right_after_it_is_empty_and_writes_to_no_object(stage: PodStage) -> None:
    before = written(stage)
    assert changes(stage) == []
    assert written(stage) == before


def test_the_way_back(stage: PodStage) -> None:
    stage.configure("blue", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": CLIENTS, "green": 0}
    assert plan_and_act_agree(stage).clients == CLIENTS


def test_finalize_takes_the_empty_colour_away_and_keeps_its_volumes(stage: PodStage) -> None:
    stage.configure("blue", "blue")
    stage.workspace.up().good()
    assert stage.live()["blue"] == CLIENTS
    stage.cluster.until(lambda: str(sorted(stage.pod_names("emqx"))), "['emqx-blue-0', 'emqx-blue-1']")
    claims = stage.cluster.kubectl("get", "pvc", "-n", stage.namespace, "-o", "name")
    assert "data-emqx-green-0" in claims
    assert "memory.origin" not in stage.ledger()


def test_nobody_lost_more_than_one_connection_for_each_move(stage: PodStage) -> None:
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] == 2
    assert fleet["refused_connections"] == 0
