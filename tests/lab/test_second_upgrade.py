"""The upgrade after the next: the colours change their parts, and nothing that the first upgrade left behind is in the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from components.local import cluster as local
from lab.stage import Scene, Stage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

CLIENTS = 60
SCENE = Scene(clients=CLIENTS, budget_per_second=60, steps=({"share": 25}, {"share": 100}), persistent_fraction=0.5)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Blue is upgraded to green and gone."""
    with Stage(tmp_path_factory.mktemp("second"), SCENE) as stage:
        stage.build_blue()
        stage.start_fleet()
        stage.configure("green", "blue", "green", acknowledge=["sessions"])
        stage.workspace.up().good()
        stage.configure("green", "green")
        stage.workspace.up().good()
        assert stage.live() == {"green": CLIENTS}
        yield stage


def test_the_plan_of_the_second_upgrade_goes_the_other_way(stage: Stage) -> None:
    stage.scene = replace(stage.scene, blue="5.8.11")
    stage.configure("blue", "blue", "green", acknowledge=["sessions"])
    output = stage.workspace.preview(policy_pack=stage.workspace.project / "policies").good().output
    assert f"cutover forward to blue: {CLIENTS} clients, at most 60/s" in output


def test_the_second_upgrade_moves_everybody_to_the_new_blue(stage: Stage) -> None:
    with stage.api("green") as api:
        api.post("/publish", json={"topic": "since/green", "payload": "1", "qos": 1, "retain": True}).raise_for_status()
    stage.workspace.up(policy_pack=stage.workspace.project / "policies").good()
    assert stage.live() == {"blue": CLIENTS, "green": 0}
    with stage.api("blue") as api:
        assert api.get("/mqtt/retainer/message/since%2Fgreen").raise_for_status().json()["topic"] == "since/green"
    begun = [event for event in stage.journal() if event["event"] == "run"][-1]
    assert (begun["direction"], begun["origin"], begun["to"]) == ("forward", "green", "blue")


def test_up_right_after_it_is_empty(stage: Stage) -> None:
    before = len(stage.journal())
    output = stage.workspace.up().good().output
    assert "updated" not in output
    assert len(stage.journal()) == before


def test_its_way_back_leads_to_green(stage: Stage) -> None:
    stage.configure("green", "blue", "green", acknowledge=["sessions"])
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert [event for event in stage.journal() if event["event"] == "run"][-1]["direction"] == "back"


def test_forward_again_and_finalize_removes_green(stage: Stage) -> None:
    stage.configure("blue", "blue", "green", acknowledge=["sessions"])
    stage.workspace.up().good()
    stage.configure("blue", "blue")
    stage.workspace.up().good()
    assert local.running(stage.work / "clusters" / "green") is None
    assert stage.live()["blue"] == CLIENTS
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] == 4, "one for each time that they were moved"
    assert fleet["refused_connections"] == 0
