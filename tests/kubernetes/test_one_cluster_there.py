"""A cluster on Kubernetes keeps its data and gets other versions: in place, pod by pod, then by pods that join it, back and forth, until the old ones leave; 300 clients."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from components.keepers import snapshots
from components.keepers.__main__ import app
from components.keepers.copies import Manifest
from lab.kubernetes.cluster import Cluster
from lab.kubernetes.snapshots import CLASS
from lab.kubernetes.stage import PodStage
from lab.stage import CALM, Scene
from tests.kubernetes.upgrade_bed import WAIT_SECONDS, changes, staged, told, until
from tests.lab.agreement import plan_and_act_agree

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]

CLIENTS = 300
SCENE = Scene(
    clients=CLIENTS,
    budget_per_second=150,
    edition="ce",
    green="5.8.8",
    nodes=2,
    steps=({"share": 20}, {"share": 100}),
    persistent_fraction=1.0,
    strategy="rolling",
    gates=CALM,
)
DATA, HOLDS = "/opt/emqx/data", "emqx-blue-hold"
BLUE, GREEN = ("emqx-blue-0", "emqx-blue-1"), ("emqx-green-0", "emqx-green-1")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[PodStage]:
    with staged(tmp_path_factory.mktemp("one"), SCENE, cluster, "one-cluster") as stage:
        stage.build_blue()
        stage.start_fleet()
        yield stage


def nodes(stage: PodStage, colour: str, what: str = "node_status") -> dict[str, str]:
    """A fact of each node that the colour's first one lists, by their pods."""
    with stage.api(colour) as api:
        listed = api.get("/nodes").raise_for_status().json()
    return {re.sub(r".*@([^.]+).*", r"\1", one["node"]): one[what].split("-")[0] for one in listed}


def retained(stage: PodStage, colour: str) -> str:
    with stage.api(colour) as api:
        return str(api.get("/mqtt/retainer/message/config%2F7").raise_for_status().json()["topic"])


def held(stage: PodStage) -> list[str]:
    found = stage.cluster.get(stage.namespace, "configmaps")["items"]
    return [pod for one in found if one["metadata"]["name"].endswith("-hold") for pod in one.get("data") or {}]


def hold(stage: PodStage, pod: str) -> None:
    """Step 1 of docs/kubernetes.md#copies, of a node whose data are spoilt."""
    own = ("-n", stage.namespace)
    stage.cluster.kubectl("exec", *own, pod, "-c", "emqx", "--", "touch", f"{DATA}/spoilt")
    stage.cluster.kubectl("patch", "configmap", HOLDS, *own, "--patch", json.dumps({"data": {pod: "unknown"}}))
    stage.cluster.kubectl("delete", "pod", pod, *own)
    waits = f"pod/{pod}", "--for=jsonpath={.status.initContainerStatuses[0].state.running.startedAt}"
    stage.cluster.kubectl("wait", *own, *waits, "--timeout=100s")


def let_go(stage: PodStage, pod: str) -> None:
    """Step 3."""
    patch = "--type", "merge", "--patch", json.dumps({"data": {pod: None}})
    stage.cluster.kubectl("patch", "configmap", HOLDS, "-n", stage.namespace, *patch)


def has_its_data_again(stage: PodStage, pod: str) -> None:
    running = sorted(dict.fromkeys(BLUE, "running").items())
    stage.cluster.until(
        lambda: f"{stage.pod_names('emqx').get(pod)} {sorted(nodes(stage, 'blue').items())}", f"Running {running}"
    )
    there = stage.cluster.kubectl("exec", "-n", stage.namespace, pod, "-c", "emqx", "--", "ls", DATA).split()
    assert there
    assert "spoilt" not in there
    assert retained(stage, "blue") == "config/7"


def test_a_roll_brings_the_declared_version_to_each_pod_and_its_volume_stays_though_a_node_crashes_in_a_step(
    stage: PodStage,
) -> None:
    assert nodes(stage, "blue", "version") == dict.fromkeys(BLUE, "5.8.6")
    claims = stage.claims()
    stage.change()
    run = stage.workspace.start_up()
    booting = {"event": "roll", "step": "roll-1", "does": "ready"}
    until(run, lambda: told(stage, **booting))
    node = next(str(one["node"]) for one in stage.journal() if booting.items() <= one.items())
    pod = next(one for one in BLUE if one in node)
    crash = "--force", "--grace-period=0", "--wait=false"
    stage.cluster.kubectl("delete", "pod", pod, "-n", stage.namespace, *crash)
    if (done := run.wait(WAIT_SECONDS)).code:  # it did not come back within what a node may take
        assert pod in done.output
        stage.workspace.up().good()
    assert changes(stage) == []
    assert nodes(stage, "blue", "version") == dict.fromkeys(BLUE, "5.8.8")
    assert stage.live() == {"blue": CLIENTS}
    assert stage.claims() == claims
    assert retained(stage, "blue") == "config/7"
    assert held(stage) == []
    assert plan_and_act_agree(stage).direction == "roll"


def test_each_copy_of_the_roll_says_what_its_node_ran(stage: PodStage) -> None:
    copies = sorted(one.name for one in (stage.work / "backups").glob("*/*"))
    assert [name.rpartition("@")[2].partition(".")[0] for name in copies] == [*BLUE]
    assert all("5.8.6-ce" in name for name in copies)
    manifests = [one.read_text() for one in (stage.work / "backups").glob("*/*/manifest.json")]
    assert [re.search(r'"version": "([^"]+)"', text)[1] for text in manifests] == ["5.8.6"] * 2  # type: ignore[index]


def test_nobody_was_disconnected_more_often_than_a_roll_may(stage: PodStage) -> None:
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] <= SCENE.most_disconnects
    assert fleet["refused_connections"] == 0
    assert fleet["messages"]["lost_qos1"] == 0


def test_the_archive_of_a_node_is_put_back_as_it_is_documented(
    stage: PodStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = BLUE[1]
    (copy,) = (one for one in (stage.work / "backups").glob("*/*") if f"@{pod}." in one.name)
    hold(stage, pod)
    monkeypatch.setenv("PATH", str(Path(stage.cluster.program).parent), prepend=os.pathsep)
    done = CliRunner().invoke(app, ["restore", str(copy)])
    assert done.exit_code == 0, done.output
    let_go(stage, pod)
    has_its_data_again(stage, pod)


def test_the_snapshot_of_a_volume_is_put_back_as_it_is_documented(stage: PodStage, tmp_path: Path) -> None:
    pod, own = BLUE[0], ("-n", stage.namespace)
    about = Manifest(node=pod, cluster="emqx-blue", version="5.8.8", edition="ce", belongs={}, files=())
    held = snapshots.Held(stage.place, "emqx-blue", pod)
    asyncio.run(snapshots.refuse_unknown(stage.place, CLASS, "blue"))
    copy = asyncio.run(snapshots.keep(held, CLASS, tmp_path / "since" / "copy", about, lambda: None))
    assert copy.size == 64 << 20
    before = stage.claims()
    hold(stage, pod)
    stage.cluster.kubectl("delete", "statefulset", "emqx-blue", *own, "--cascade=orphan")
    stage.cluster.kubectl("delete", "pod", pod, *own)
    stage.cluster.kubectl("delete", "pvc", f"data-{pod}", *own)
    stage.cluster.kubectl("create", *own, "--filename", str(copy.place / snapshots.CLAIM_FILE))
    let_go(stage, pod)
    stage.workspace.start("up", "--refresh", "--yes", "--skip-preview").wait(WAIT_SECONDS).good()
    has_its_data_again(stage, pod)
    assert stage.claims()[f"data-{BLUE[1]}"] == before[f"data-{BLUE[1]}"], "the other one goes on"
    assert stage.claims()[f"data-{pod}"] != before[f"data-{pod}"]
    assert changes(stage) == []


def test_everybody_is_taken_over_by_pods_that_have_joined(stage: PodStage) -> None:
    stage.scene = replace(stage.scene, strategy="same-cluster", green="5.8.9")
    stage.start_fleet()
    stage.configure("green", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert nodes(stage, "green") == dict.fromkeys(BLUE + GREEN, "running")
    assert nodes(stage, "green", "version") == dict.fromkeys(BLUE, "5.8.8") | dict.fromkeys(GREEN, "5.8.9")
    assert changes(stage) == []
    assert "memory.servers" not in stage.ledger(), "every node is in service"
    assert plan_and_act_agree(stage).clients == CLIENTS


def test_the_way_back_takes_everybody_along(stage: PodStage) -> None:
    stage.configure("blue", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": CLIENTS, "green": 0}


def test_the_old_pods_leave_in_order_and_none_comes_back_by_itself(stage: PodStage) -> None:
    stage.configure("green", "blue", "green")
    stage.workspace.up().good()
    stage.configure("green", "green")
    output = stage.workspace.up().good().output
    assert "has left the cluster of green" in output
    assert nodes(stage, "green") == dict.fromkeys(GREEN, "running")
    assert stage.live() == {"green": CLIENTS}
    stage.cluster.until(lambda: str(tuple(sorted(stage.pod_names("emqx")))), str(GREEN))
    assert {f"data-{pod}" for pod in BLUE} <= set(stage.claims())
    assert held(stage) == []
    assert retained(stage, "green") == "config/7"


def test_the_nodes_that_stay_look_for_each_other_and_for_no_node_that_left(stage: PodStage) -> None:
    found = stage.cluster.get(stage.namespace, "statefulset", "emqx-green")
    (node,) = found["spec"]["template"]["spec"]["containers"]
    seeds = next(one["value"] for one in node["env"] if one["name"] == "EMQX_CLUSTER__DNS__NAME")
    assert seeds == f"emqx-green-nodes.{stage.namespace}.svc.cluster.local"
    assert changes(stage) == []


def test_nobody_lost_more_than_one_connection_for_each_move_and_no_message(stage: PodStage) -> None:
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] <= 3, "there, back, and there again"
    assert fleet["refused_connections"] == 0
    assert fleet["messages"]["lost_qos1"] == 0
