"""A fleet on AWS is upgraded to another cluster behind a Network Load Balancer, back and forth, and its old colour goes: the real engine, 300 clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.aws.cloud import Cloud
from lab.aws.stage import AwsStage, at
from lab.stage import Scene
from tests.lab.agreement import plan_and_act_agree

pytestmark = [pytest.mark.aws, pytest.mark.timeout(1800)]

CLIENTS = 300
SCENE = Scene(
    clients=CLIENTS,
    budget_per_second=100,
    edition="ce",
    nodes=2,
    steps=({"share": 20}, {"share": 100}),
    cutover={"portions": [30, 100]},
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Iterator[AwsStage]:
    directory = tmp_path_factory.mktemp("two")
    with at(cloud, directory), AwsStage(directory, SCENE, cloud, "two") as stage:
        stage.configure("blue", "blue")
        stage.workspace.up().good()
        stage.start_fleet()
        yield stage


def test_devices_connect_to_blue_by_the_balancer(stage: AwsStage) -> None:
    assert stage.live() == {"blue": CLIENTS}


def test_everybody_is_moved_to_green_with_one_disconnect(stage: AwsStage) -> None:
    stage.configure("green", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert plan_and_act_agree(stage).clients == CLIENTS
