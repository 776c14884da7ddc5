"""A colour that cannot start ends the update in time with the pods' own reason, and a corrected stack file gets out of it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest

from lab.kubernetes.cluster import Cluster
from lab.kubernetes.control_plane import AUDIT
from lab.kubernetes.stage import PodStage
from lab.stage import Scene
from tests.kubernetes.upgrade_bed import staged

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]
SCENE = Scene(clients=1, edition="ce", nodes=1)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[PodStage]:
    with staged(tmp_path_factory.mktemp("stuck"), SCENE, cluster, "stuck") as stage:
        stage.pods = {**stage.pods, "readySeconds": 45}
        yield stage


def test_an_image_that_does_not_exist_is_told_with_the_pods_own_words(stage: PodStage) -> None:
    right = stage.pods
    stage.pods = {**right, "repository": "registry.example.com/does-not-exist"}
    stage.configure("blue", "blue")
    done = stage.workspace.up()
    assert done.code
    assert "0 of 1 are ready after 45 s" in done.output
    assert "emqx-blue-0" in done.output
    assert "ImagePull" in done.output
    assert stage.secrets["blue"] not in done.output
    stage.pods = {**right, "readySeconds": 240}


def test_a_corrected_stack_file_gets_out_of_it(stage: PodStage) -> None:
    stage.configure("blue", "blue")
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0}


def test_a_label_and_another_number_of_nodes_recreate_nothing(stage: PodStage) -> None:
    right, stage.nodes = stage.pods, {**stage.nodes, "blue": 2}
    stage.pods = {**right, "labels": {"team": "devices"}, "annotations": {"owner": "devices"}}
    stage.configure("blue", "blue")
    said = stage.workspace.preview().good().output
    changed = [line.split()[:3] for line in said.splitlines() if re.match(r"\s*([+~-]|\+-|-\+)\s", line)]
    assert ["~", "kubernetes:apps/v1:StatefulSet", "blue-pods"] in changed, said
    assert {sign for sign, *_ in changed} == {"~"}, said
    stage.pods, stage.nodes = right, {**stage.nodes, "blue": 1}


def test_no_secret_stands_in_the_state_in_a_log_or_in_what_was_asked_of_the_api_server(stage: PodStage) -> None:
    state = "".join(one.read_text() for one in (stage.directory / "state").rglob("*.json"))
    logs = "".join(one.read_text(errors="replace") for one in (stage.directory / "logs").glob("*.log"))
    clear = [*stage.secrets.values(), stage.cookie()]
    planted = [*clear, *(base64.b64encode(one.encode()).decode() for one in clear)]
    asked = (stage.cluster.directory / "logs" / AUDIT).read_text()
    assert stage.namespace in asked
    places = (state, logs, asked, str(stage.ledger()))
    assert [one for one in planted if any(one in place for place in places)] == []
