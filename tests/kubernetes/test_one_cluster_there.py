"""A cluster on Kubernetes keeps its data and gets other versions: in place, pod by pod, then by pods that join it, back and forth, until the old ones leave; 300 clients."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.keepers import snapshots
from components.keepers.copies import Manifest
from lab.kubernetes.cluster import Cluster
from lab.kubernetes.snapshots import CLASS
from lab.kubernetes.stage import PodStage
from lab.stage import Scene
from tests.kubernetes.manifests import Object, shell
from tests.kubernetes.upgrade_bed import GATES, WAIT_SECONDS, changes, staged, told, until
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
    gates=GATES,
)
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


def reader(claim: str) -> Object:
    """A pod that lists what is in a claim, as confined as its namespace asks for."""
    mount = [{"name": "v", "mountPath": "/v"}]
    confined = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = shell("reader", "ls /v", volumeMounts=mount, securityContext=confined)
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
    seccomp = {"type": "RuntimeDefault"}
    pod["spec"] |= {
        "volumes": volumes,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": seccomp},
    }
    return pod


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


async def test_a_snapshot_is_taken_of_a_volume_and_a_claim_that_is_made_of_it_has_the_same_files(
    stage: PodStage, tmp_path: Path
) -> None:
    about = Manifest(node=BLUE[0], cluster="emqx-blue", version="5.8.8", edition="ce", belongs={}, files=())
    held = snapshots.Held(stage.place, "emqx-blue", BLUE[0])
    await snapshots.refuse_unknown(stage.place, CLASS, "blue")
    copy = await snapshots.keep(held, CLASS, tmp_path / "since" / "copy", about, lambda: None)
    assert copy.size == 64 << 20
    claim = json.loads((copy.place / snapshots.CLAIM_FILE).read_text())
    claim["metadata"]["name"] = "again"
    stage.cluster.apply(stage.namespace, claim, reader("again"))
    shown = ("logs", "-n", stage.namespace, "pod/reader")
    stage.cluster.kubectl("wait", "-n", stage.namespace, shown[-1], "--for=jsonpath={.status.phase}=Succeeded")
    there = ("exec", "-n", stage.namespace, BLUE[0], "-c", "emqx", "--", "ls", "/opt/emqx/data")
    assert stage.cluster.kubectl(*shown).split() == stage.cluster.kubectl(*there).split() != []


def test_nobody_was_disconnected_more_often_than_a_roll_may(stage: PodStage) -> None:
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] <= SCENE.most_disconnects
    assert fleet["refused_connections"] == 0
    assert fleet["messages"]["lost_qos1"] == 0


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
