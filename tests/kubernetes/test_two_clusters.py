"""A fleet on Kubernetes is upgraded to another cluster, back, and its old colour goes, with all that may go wrong: `pulumi up` with the official plugin, 300 clients.

Updates are killed, taken over, gone on with from an empty directory; the API server is away; pods of nodes and balancer are taken away and added. Nobody loses more
than one connection for each move.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.engine_run import EngineRun
from lab.kubernetes.cluster import Cluster, NotSeenError
from lab.kubernetes.stage import PodStage
from lab.stage import CALM, Scene
from tests.kubernetes import accounts
from tests.kubernetes.upgrade_bed import WAIT_SECONDS, changes, staged, told, until
from tests.kubernetes.way import Way
from tests.lab.agreement import plan_and_act_agree

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]

CLIENTS = 300
HALF, HOLD, ALL = {"share": 50}, {"hold": 600}, {"share": 100}
SCENE = Scene(clients=CLIENTS, budget_per_second=100, edition="ce", nodes=2, steps=(HALF, HOLD, ALL), gates=CALM)
API_AWAY_SECONDS = 20.0


@pytest.fixture(scope="module")
def way(cluster: Cluster) -> Iterator[Way]:
    with Way(cluster.server) as way:
        yield way


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster, way: Way) -> Iterator[PodStage]:
    with staged(tmp_path_factory.mktemp("two"), SCENE, cluster, "two-clusters", server=way.server) as stage:
        stage.build_blue()
        stage.start_fleet()
        yield stage


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, stage: PodStage) -> Iterator[PodStage]:
    """The same stack in an empty directory."""
    with stage.elsewhere(tmp_path_factory.mktemp("clone") / "empty") as there:
        yield there


@pytest.fixture(scope="module")
def going() -> dict[str, EngineRun]:
    """The update that one test leaves to the next."""
    return {}


def killed(stage: PodStage, when: Callable[[], bool], every_seconds: float = 0.05) -> None:
    """Start an update, kill everything of it in this moment, and take its lock away."""
    run = stage.workspace.start_up()
    until(run, when, every_seconds)
    run.kill_all()
    stage.workspace.cancel().good()


def everybody(stage: PodStage) -> None:
    """Until all are connected: a device may be on its way at any moment."""
    stage.cluster.until(lambda: str(sum(stage.live().values())), str(CLIENTS))


def evict(cluster: Cluster, namespace: str, pod: str) -> None:
    """As `kubectl drain` does: again, while its disruption budget forbids it."""
    meta = {"name": pod, "namespace": namespace}
    wanted = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"

    def answer() -> str:
        try:
            return cluster.kubectl("create", "--raw", path, "-f", "-", given=json.dumps(wanted))
        except NotSeenError as refused:
            return str(refused)

    cluster.until(answer, '"Success"')


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
    assert "cutover-shift-50" in said
    assert stage.pod_names("emqx").keys() == {"emqx-blue-0", "emqx-blue-1"}, "nothing was made"


def test_killed_while_pods_start_and_in_the_middle_of_a_step_it_leaves_everybody_connected(stage: PodStage) -> None:
    killed(stage, lambda: "emqx-green-0" in stage.pod_names("emqx"), every_seconds=1.0)
    killed(stage, lambda: told(stage, event="move", step="shift-50"))
    everybody(stage)


def test_from_an_empty_directory_it_goes_on_to_the_half_where_balancer_pods_are_replaced_and_added(
    stage: PodStage, clone: PodStage, cluster: Cluster, going: dict[str, EngineRun]
) -> None:
    going["held"] = run = clone.workspace.start_up()
    until(run, lambda: told(clone, event="link", name="cutover-hold-1", phase="begin"))
    shares: dict[str, str] = {}

    def ready(count: int, without: str = "") -> bool:
        shares.clear()
        shares.update(clone.shares())
        assert {*shares.values()} <= {"green 5000"}, "a pod has the share before it is ready"
        return len(shares) == count and without not in shares

    until(run, lambda: ready(2), every_seconds=1.0)
    gone = min(shares)
    cluster.kubectl("delete", "pod", "-n", stage.namespace, gone, "--wait=false")
    cluster.kubectl("scale", "deployment/emqx-haproxy", "-n", stage.namespace, "--replicas=4")
    until(run, lambda: ready(4, without=gone), every_seconds=1.0)
    everybody(stage)


def test_of_two_updates_at_once_the_newer_one_acts_and_ends_though_the_api_server_is_away_and_a_pod_is_evicted(
    stage: PodStage, cluster: Cluster, way: Way, going: dict[str, EngineRun]
) -> None:
    assert "locked" in stage.workspace.up().output
    stage.workspace.cancel().good()
    stage.scene = replace(SCENE, steps=(HALF, ALL), balancer={"replicas": 4})
    stage.configure("green", "blue", "green")
    run = stage.workspace.start_up()
    until(run, lambda: told(stage, event="move", step="shift-100"))
    with way.cut():
        time.sleep(API_AWAY_SECONDS)
    evict(cluster, stage.namespace, "emqx-blue-1")
    run.wait(WAIT_SECONDS).good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert stage.ledger()["share.map"] == "green 10000\n"
    with stage.api("green") as api:
        assert api.get("/mqtt/retainer/message/config%2F7").raise_for_status().json()["topic"] == "config/7"
    older = going["held"].wait(WAIT_SECONDS)
    assert older.code
    assert "the lease of this run" in older.output, older.output[-4000:]


def test_a_preview_right_after_it_is_empty_also_from_the_empty_directory_and_writes_to_no_object(
    stage: PodStage, clone: PodStage
) -> None:
    clone.scene = stage.scene
    clone.configure("green", "blue", "green")
    workload = "statefulset/emqx-blue", "-n", stage.namespace
    stage.cluster.until(lambda: stage.cluster.kubectl("get", *workload), "2/2")
    before = written(stage)
    assert changes(clone) == []
    assert written(stage) == before


def test_the_way_back_from_there(clone: PodStage) -> None:
    clone.configure("blue", "blue", "green")
    clone.workspace.up().good()
    assert clone.live() == {"blue": CLIENTS, "green": 0}
    assert plan_and_act_agree(clone).clients == CLIENTS


def test_finalize_takes_the_empty_colour_away_and_keeps_its_volumes(clone: PodStage) -> None:
    clone.configure("blue", "blue")
    clone.workspace.up().good()
    assert clone.live()["blue"] == CLIENTS
    clone.cluster.until(lambda: str(sorted(clone.pod_names("emqx"))), "['emqx-blue-0', 'emqx-blue-1']")
    assert "data-emqx-green-0" in clone.claims()
    assert "memory.origin" not in clone.ledger()


def members(stage: PodStage) -> list[str]:
    with stage.api("blue") as api:
        return sorted(one["node"] for one in api.get("/nodes").raise_for_status().json())


def test_a_node_that_is_declared_no_more_loses_its_clients_first_and_leaves_its_cluster(clone: PodStage) -> None:
    clone.nodes = {**clone.nodes, "blue": 1}
    clone.configure("blue", "blue")
    clone.workspace.up().good()
    assert clone.live() == {"blue": CLIENTS}
    assert members(clone) == [clone.handle("blue").nodes[0].name]
    clone.cluster.until(lambda: str([*clone.pod_names("emqx")]), "['emqx-blue-0']")


def test_one_more_begins_anew_and_joins_it(clone: PodStage) -> None:
    clone.nodes = {**clone.nodes, "blue": 2}
    clone.configure("blue", "blue")
    clone.workspace.up().good()
    assert members(clone) == [node.name for node in clone.handle("blue").nodes]
    assert clone.live() == {"blue": CLIENTS}


def test_nobody_lost_more_than_one_connection_for_each_move(stage: PodStage) -> None:
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] <= 3, "to green, back, and off a node that went"
    assert fleet["refused_connections"] == 0
