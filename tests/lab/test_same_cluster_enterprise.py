"""The same inside one Enterprise cluster: the old nodes are evacuated to the new ones, stay shut, open again for the way back, and leave."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.stage import Stage
from tests.lab import one_cluster_stage as one
from tests.lab.agreement import plan_and_act_agree
from tests.lab.one_cluster_company import company

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

CLIENTS = 60


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with one.asleep_and_awake(tmp_path_factory.mktemp("ee"), "ee", CLIENTS) as stage:
        yield stage


def states(stage: Stage) -> dict[str, str]:
    with stage.api("green") as api:
        found = api.get("/load_rebalance/global_status").raise_for_status().json()["evacuations"]
    return {entry["node"]: entry["state"] for entry in found}


def test_one_up_moves_everybody_and_every_session_and_shuts_the_old_nodes(stage: Stage) -> None:
    stage.configure("green", "blue", "green")
    assert "those of offline clients: evacuated to the new nodes" in stage.workspace.preview().good().output
    with company(stage) as there:
        seen = one.up_with_a_witness(stage)
    there.judge(moves=1)
    assert seen.done is not None
    assert f"sessions     {one.SLEEPERS}" in seen.done.good().output
    plan_and_act_agree(stage)
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert one.sessions_on(stage, "blue") == set()
    assert [sent for sent in seen.sent if sent not in seen.got] == []
    assert states(stage) == dict.fromkeys(one.names(stage, "blue"), "prohibiting")
    assert one.wake_up(stage) == [[f"m{number}" for number in range(one.QUEUED)]] * one.SLEEPERS


def test_the_way_back_opens_the_old_nodes_and_shuts_the_new_ones(stage: Stage) -> None:
    stage.configure("blue", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": CLIENTS, "green": 0}
    plan_and_act_agree(stage)
    assert one.sessions_on(stage, "green") == set()
    assert states(stage) == dict.fromkeys(one.names(stage, "green"), "prohibiting")


def test_there_again_and_then_blue_leaves(stage: Stage) -> None:
    stage.configure("green", "blue", "green")
    stage.workspace.up().good()
    stage.configure("green", "green")
    assert "has left the cluster of green" in stage.workspace.up().good().output
    assert one.rows(stage, "green") == dict.fromkeys(one.names(stage, "green"), "running")
    assert states(stage) == {}
    assert stage.live() == {"green": CLIENTS}


def test_nobody_was_refused_and_nothing_was_lost(stage: Stage) -> None:
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] <= 3, "there, back, and there again"
    assert fleet["refused_connections"] == 0
    assert fleet["messages"]["lost_qos1"] == 0, "QoS 0 on a connection that ends is nobody's to keep"
