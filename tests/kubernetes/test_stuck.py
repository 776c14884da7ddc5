"""A colour that cannot start ends the update in time with the pods' own reason, and a corrected stack file gets out of it."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from lab.kubernetes.cluster import Cluster
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


def test_no_secret_stands_in_the_state_or_in_a_log(stage: PodStage) -> None:
    state = "".join(one.read_text() for one in (stage.directory / "state").rglob("*.json"))
    logs = "".join(one.read_text(errors="replace") for one in (stage.directory / "logs").glob("*.log"))
    clear = [*stage.secrets.values(), stage.cookie()]
    planted = [*clear, *(base64.b64encode(one.encode()).decode() for one in clear)]
    assert [one for one in planted if one in state or one in logs or one in str(stage.ledger())] == []
