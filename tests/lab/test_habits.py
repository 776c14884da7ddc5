"""Habits of people who use Pulumi, on a stack that serves: whatever they replace, taint or leave out, nobody is cut off; told in order."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from components.local import cluster as local
from components.routers.haproxy import process
from lab.engine_run import Finished
from lab.stage import Scene, Stage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SCENE = Scene(clients=60, budget_per_second=60, steps=({"share": 100},), nodes=1, edition="ce")
OURS = "pulumi-python:dynamic"
CLIENTS = 60
UP_SECONDS = 280.0


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("habits"), SCENE) as stage:
        stage.build_blue()
        stage.start_fleet()
        yield stage


def urns(stage: Stage, *, protected: bool | None = None) -> list[str]:
    """Our dynamic resources in the state; None: whether they are protected or not."""
    resources = stage.workspace.export_state()["deployment"]["resources"]
    return [
        one["urn"] for one in resources if OURS in one["type"] and protected in {None, bool(one.get("protect", False))}
    ]


def names(found: list[str]) -> set[str]:
    return {urn.rpartition("::")[2] for urn in found}


def running(stage: Stage) -> list[int | None]:
    """The processes of the balancer and of both clusters."""
    clusters = [local.running(stage.work / "clusters" / colour) or {} for colour in ("blue", "green")]
    return [process.running(stage.work / "balancer" / "1"), *(ready.get("pid") for ready in clusters)]


def replaced(stage: Stage, found: list[str]) -> Finished:
    options = [option for urn in found for option in ("--replace", urn)]
    return stage.workspace.start("up", "--yes", "--skip-preview", *options).wait(UP_SECONDS)


def test_an_update_that_leaves_the_chain_out_says_who_serves(stage: Stage) -> None:
    assert stage.workspace.outputs()["live"] == "blue"
    stage.configure("green", "blue", "green", acknowledge=["sessions"])
    stage.workspace.start("up", "--yes", "--skip-preview", "--target", "**green**").wait(UP_SECONDS).good()
    assert stage.live() == {"blue": CLIENTS, "green": 0}
    assert stage.workspace.outputs()["live"] == "blue", "green is built, and nobody moved"


def test_the_plan_is_a_file_and_no_output(stage: Stage) -> None:
    stage.workspace.up().good()
    outputs = stage.workspace.outputs()
    assert outputs["live"] == "green"
    assert set(outputs) == {"live", "mqtt", "workDirectory"}
    plan = json.loads((stage.work / "plan.json").read_text())
    assert (stage.work / "plan.md").read_text().startswith(f"# {CLIENTS} devices reconnect, once each, ")
    assert plan["to"] == "green"
    assert plan["clients"] == CLIENTS


def test_whatever_is_replaced_right_after_the_cutover_nobody_is_cut_off(stage: Stage) -> None:
    replaced(stage, urns(stage, protected=False)).good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}


def test_the_engine_itself_refuses_to_replace_what_serves(stage: Stage) -> None:
    guarded = urns(stage, protected=True)
    assert names(guarded) == {"green-nodes", "green-guard", "balancer-haproxy"}
    for urn in guarded:
        done = replaced(stage, [urn])
        assert done.code != 0
        assert "marked for protection" in done.output
    assert stage.live() == {"blue": 0, "green": CLIENTS}


def test_whatever_is_tainted_nobody_is_cut_off(stage: Stage) -> None:
    for urn in urns(stage):
        assert stage.workspace.run("state", "taint", urn, "--yes").code == 0
    refused = stage.workspace.up()
    assert refused.code != 0
    assert "marked for protection" in refused.output
    for urn in urns(stage, protected=True):
        stage.workspace.run("state", "untaint", urn, "--yes").good()
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    quiet = stage.workspace.up().good().output
    assert "created" not in quiet
    assert "replaced" not in quiet


def test_where_the_engine_lets_it_pass_what_a_replacement_takes_over_is_not_ended(stage: Stage) -> None:
    stage.workspace.set_config({"protect": False})
    stage.workspace.unprotect().good()
    everything = urns(stage)
    assert names(everything) >= {
        "blue-nodes",
        "green-nodes",
        "blue-guard",
        "green-guard",
        "balancer-haproxy",
        "cutover",
    }
    before = running(stage)
    replaced(stage, everything).good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    for urn in everything:
        assert stage.workspace.run("state", "taint", urn, "--yes").code == 0
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert running(stage) == before, "the very same processes serve"
    stage.workspace.set_config({"protect": True})


def test_a_new_version_for_the_idle_colour_is_told_to_finalize_first(stage: Stage) -> None:
    stage.nodes["blue"], before = 1, stage.scene
    stage.scene = Scene(**{**vars(before), "blue": "5.8.8"})
    stage.configure("green", "blue", "green", acknowledge=["sessions"])
    done = stage.workspace.preview()
    stage.scene = before
    assert done.code != 0
    assert "blue serves nobody: finalize it first (pulumi config rm --path emqx:clusters.blue" in done.output


def test_a_renamed_stack_goes_on_once_it_has_said_what_it_was_called(stage: Stage) -> None:
    old = stage.workspace.stack
    stage.workspace.run("stack", "rename", "other").good()
    stage.workspace.stack = "other"
    refused = stage.workspace.preview()
    assert refused.code != 0
    assert f"Where {old} was renamed to other: cutover.acknowledge [stack:{old}]" in refused.output
    stage.configure("green", "blue", "green", acknowledge=["sessions", f"stack:{old}"])
    stage.workspace.up().good()
    stage.configure("green", "blue", "green", acknowledge=["sessions"])
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}


def test_each_device_was_disconnected_once(stage: Stage) -> None:
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] == 1
    assert fleet["refused_connections"] == 0
