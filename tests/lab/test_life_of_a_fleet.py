"""One fleet from its first upgrade to its end, told in order: each test begins where the one before it ended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.local import balancer as balancing
from components.local import cluster as local
from lab.engine_run import Finished
from lab.stage import Scene, Stage
from tests.lab.agreement import plan_and_act_agree
from tests.lab.untouched import only_looked

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SCENE = Scene(
    clients=150, budget_per_second=75, steps=({"share": 20}, {"hold": 1}, {"share": 100}), persistent_fraction=0.5
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("fleet"), SCENE) as stage:
        stage.build_blue()
        stage.start_fleet()
        yield stage


def runs(stage: Stage) -> int:
    return sum(event["event"] == "run" for event in stage.journal())


def refused(done: Finished, *words: str) -> None:
    assert done.code != 0, done.output
    for word in words:
        assert word in done.output, done.output
    assert "Traceback" not in done.output


def test_preview_refuses_a_loss_of_sessions_that_nobody_acknowledged(stage: Stage) -> None:
    stage.configure("green", "blue", "green")
    refused(stage.workspace.preview(), "74 persistent sessions", "acknowledge: [sessions]")
    refused(stage.workspace.up(), "74 persistent sessions")
    assert stage.live() == {"blue": 150}


def test_an_empty_green_beside_a_live_blue_moves_nothing(stage: Stage) -> None:
    stage.configure("blue", "blue", "green", acknowledge=["sessions"])
    stage.workspace.up().good()
    assert runs(stage) == 0
    assert stage.live() == {"blue": 150, "green": 0}


def test_preview_shows_the_plan_with_real_counts(stage: Stage) -> None:
    stage.configure("green", "blue", "green", acknowledge=["sessions"])
    with only_looked(stage):
        output = stage.workspace.preview(policy_pack=stage.workspace.project / "policies").good().output
    assert "cutover forward to green: 150 clients, at most 75/s" in output
    assert "mover: close (each connection ends at the balancer with a FIN" in output
    assert "; 0 MQTT 5 clients get a DISCONNECT by it" in output
    assert "sessions ended" in output


def test_one_up_moves_everybody_to_green(stage: Stage) -> None:
    output = stage.workspace.up(policy_pack=stage.workspace.project / "policies").good().output
    assert stage.live() == {"blue": 0, "green": 150}
    assert "cutover: done" in output
    assert plan_and_act_agree(stage).clients == 150


def test_up_right_after_up_is_empty(stage: Stage) -> None:
    before = runs(stage)
    output = stage.workspace.up().good().output
    assert "updated" not in output
    assert "created" not in output
    assert runs(stage) == before


def test_an_edit_of_pace_gates_steps_or_a_scaled_green_runs_nothing_again(stage: Stage) -> None:
    before = runs(stage)
    stage.nodes["green"] = 4
    stage.configure(
        "green",
        "blue",
        "green",
        acknowledge=["sessions"],
        budgetPerSecond=1,
        gates={"stallSeconds": 5},
        steps=[{"share": 5}, {"hold": 60}, {"share": 60}, {"share": 100}],
    )
    stage.workspace.up(seconds=45).good()
    assert runs(stage) == before
    assert len(stage.ready("green")["nodes"]) == 4
    assert stage.live() == {"blue": 0, "green": 150}


def test_finalize_is_refused_before_the_soak_is_over(stage: Stage) -> None:
    stage.configure("green", "green", soakSeconds=3600)
    refused(stage.workspace.preview(), "removing blue", "3600 s of soak")
    refused(stage.workspace.up(), "removing blue")
    assert local.running(stage.work / "clusters" / "blue")


def test_destroy_is_refused_while_clients_are_connected(stage: Stage) -> None:
    refused(stage.workspace.destroy(), "protected", "pulumi state unprotect")
    stage.workspace.unprotect().good()
    refused(stage.workspace.destroy(), "removing green", "clients are connected")
    assert stage.live() == {"blue": 0, "green": 150}
    assert balancing.running(stage.work / "balancer")


def test_the_way_back_moves_everybody_back(stage: Stage) -> None:
    with stage.api("green") as api:
        api.post("/publish", json={"topic": "since/green", "payload": "1", "qos": 1, "retain": True}).raise_for_status()
    stage.configure("blue", "blue", "green", acknowledge=["sessions"])
    output = stage.workspace.up().good().output
    assert stage.live() == {"blue": 150, "green": 0}
    assert "since/green" in output
    run = [event for event in stage.journal() if event["event"] == "run"][-1]
    assert run["direction"] == "back"
    assert plan_and_act_agree(stage).clients == 150


def test_removing_the_colour_that_serves_is_refused(stage: Stage) -> None:
    stage.configure("green", "green")
    refused(stage.workspace.preview(), "removing blue", "100 % of the share")
    refused(stage.workspace.up(), "removing blue")
    assert stage.live() == {"blue": 150, "green": 0}


def test_what_was_left_on_green_is_named_before_anybody_moves_there_again(stage: Stage) -> None:
    stage.configure("green", "blue", "green", acknowledge=["sessions"])
    refused(stage.workspace.up(), "since/green", "left there earlier", "acknowledge [leftovers]")
    assert stage.live() == {"blue": 150, "green": 0}


def test_it_can_go_forward_again_over_its_own_import(stage: Stage) -> None:
    stage.configure("green", "blue", "green", acknowledge=["sessions", "leftovers"], mover="kick")
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": 150}
    assert {step.mover for step in plan_and_act_agree(stage).steps if step.clients} == {"kick"}


def test_finalize_removes_the_old_colour_and_disturbs_nobody(stage: Stage) -> None:
    stage.configure("green", "green")
    stage.workspace.up(policy_pack=stage.workspace.project / "policies").good()
    assert local.running(stage.work / "clusters" / "blue") is None
    assert stage.live()["green"] == 150
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] == 3, "there, back, and there again"
    assert fleet["refused_connections"] == 0


def test_destroy_ends_everything_once_nobody_is_connected(stage: Stage) -> None:
    stage.workspace.unprotect().good()
    stage.workspace.destroy().good()
    assert local.running(stage.work / "clusters" / "green") is None
    assert not balancing.running(stage.work / "balancer")
