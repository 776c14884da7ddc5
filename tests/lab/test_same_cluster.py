"""One cluster from its first upgrade inside itself to the old nodes' leaving, in open source, told in order: nobody loses a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.local import cluster as local
from lab.stage import Stage
from tests.lab import one_cluster_stage as one
from tests.lab.agreement import plan_and_act_agree
from tests.lab.one_cluster_company import company
from tests.lab.untouched import only_looked

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

CLIENTS = 60


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with one.asleep_and_awake(tmp_path_factory.mktemp("ce"), "ce", CLIENTS) as stage:
        yield stage


def test_the_plan_says_that_sessions_come_along(stage: Stage) -> None:
    stage.configure("green", "blue", "green")
    with only_looked(stage):
        output = stage.workspace.preview().good().output
    assert "sessions come along; those of offline clients: taken over one by one" in output
    assert "mover: close" in output
    assert "no data moves: green joins the cluster of blue" in output


def test_one_up_moves_everybody_and_both_colours_exchange_messages_all_the_while_with_shared_ones_and_wills_as_recorded(
    stage: Stage,
) -> None:
    with company(stage) as there:
        seen = one.up_with_a_witness(stage)
    there.judge(moves=1)
    assert seen.done is not None
    output = seen.done.good().output
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert f"sessions     {one.SLEEPERS}" in output
    assert plan_and_act_agree(stage).direction == "forward"
    assert one.sessions_on(stage, "blue") == set()
    assert [sent for sent in seen.sent if sent not in seen.got] == []
    assert {"blue", "green"} <= {sent.partition("-")[2] for sent in seen.sent}


def test_sessions_of_devices_that_were_offline_are_on_green_with_their_queues_in_order(stage: Stage) -> None:
    assert one.wake_up(stage) == [[f"m{number}" for number in range(one.QUEUED)]] * one.SLEEPERS
    assert {f"sleeper-{number}" for number in range(one.SLEEPERS)} <= one.sessions_on(stage, "green")


def test_up_right_after_up_is_empty(stage: Stage) -> None:
    output = stage.workspace.up().good().output
    assert "updated" not in output
    assert "created" not in output


def test_the_way_back_takes_the_sessions_along_too(stage: Stage) -> None:
    stage.configure("blue", "blue", "green")
    stage.workspace.up().good()
    assert stage.live() == {"blue": CLIENTS, "green": 0}
    assert one.sessions_on(stage, "green") == set()
    assert {f"sleeper-{number}" for number in range(one.SLEEPERS)} <= one.sessions_on(stage, "blue")


def test_blue_may_not_leave_while_it_serves(stage: Stage) -> None:
    stage.configure("green", "green")
    done = stage.workspace.up()
    assert done.code != 0
    assert "no removing blue while it has 100 % of the share" in done.output
    assert one.runs(stage, "blue")


def test_blue_leaves_in_order_and_is_gone_from_every_list(stage: Stage) -> None:
    stage.configure("green", "blue", "green")
    stage.workspace.up().good()
    stage.configure("green", "green")
    output = stage.workspace.up().good().output
    assert "has left the cluster of green" in output
    assert one.rows(stage, "green") == dict.fromkeys(one.names(stage, "green"), "running")
    assert not one.runs(stage, "blue")
    assert stage.live() == {"green": CLIENTS}


def test_the_devices_were_disconnected_once_for_each_move_and_lost_nothing(stage: Stage) -> None:
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] <= 3, "there, back, and there again"
    assert fleet["refused_connections"] == 0
    assert fleet["messages"]["lost_qos1"] == 0, "QoS 0 on a connection that ends is nobody's to keep"


def test_green_restarts_with_all_that_the_cluster_had_and_joins_nobody_that_has_left(stage: Stage) -> None:
    local.stop(stage.work / "clusters" / "green")
    stage.workspace.up().good()
    assert one.rows(stage, "green") == dict.fromkeys(one.names(stage, "green"), "running")
    with stage.api("green") as api:
        users = api.get("/authentication/password_based%3Abuilt_in_database/users").raise_for_status().json()
    assert [row["user_id"] for row in users["data"]] == ["device"]
    assert "to update" not in stage.workspace.preview().good().output
