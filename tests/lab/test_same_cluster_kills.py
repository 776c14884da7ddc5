"""A green that cannot boot or loses its data ends the update with the reason; killed or interrupted in the middle of a link, or without its balancer, the next update goes on; blue serves on all the while.

The tests are one story, each goes on where the one before ended.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from lab.stage import Stage
from tests.lab import one_cluster_stage as one
from tests.lab.balancer_life_bed import until
from tests.lab.test_kills import in_the_middle, kill, kill_balancer, size

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

CLIENTS = 60
END_SECONDS = 150.0


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with one.asleep_and_awake(tmp_path_factory.mktemp("kills"), "ce", CLIENTS) as stage:
        yield stage


SAID = {
    "ctrl-c": "Stopped: this update: the update was cancelled",
    "balancer": "see that this HAProxy runs; pulumi up starts it again",
}


def cut_off(stage: Stage, link: str, way: str) -> None:
    """Kill or interrupt an update as soon as the link has begun."""
    seen = size(stage)
    run = stage.workspace.start_up()
    in_the_middle(stage, run, link, seen)
    if way in SAID:
        kill_balancer(stage) if way == "balancer" else run.interrupt(signal.SIGINT)
        done = run.wait(END_SECONDS)
        assert done.code != 0
        assert SAID[way] in done.output
        return
    kill(run, way)
    run.kill_all()
    if way != "provider":
        stage.workspace.cancel().good()


def test_a_green_whose_disk_is_full_ends_the_update_with_the_reason_and_blue_serves_on(stage: Stage) -> None:
    stage.configure("green", "blue", "green", joinSeconds=8)
    stage.control("blue", "POST", "/faults", {"kind": "joins", "full_disk": True})
    failed = stage.workspace.up()
    assert failed.code != 0
    assert "No space left on device" in failed.output
    assert one.rows(stage, "blue") == dict.fromkeys(one.names(stage, "blue"), "running")
    assert stage.live()["blue"] == CLIENTS
    stage.control("blue", "DELETE", "/faults")


def test_a_green_that_dies_and_loses_its_data_while_it_is_verified_ends_the_update_within_its_deadline(
    stage: Stage,
) -> None:
    seen = size(stage)
    stage.control("blue", "POST", "/faults", {"kind": "status", "path": "/cluster$"})  # it is not ready before
    run = stage.workspace.start_up()
    in_the_middle(stage, run, "cutover-verification", seen)
    lost = stage.ready("green")
    with contextlib.suppress(ProcessLookupError):
        os.kill(lost["pid"], signal.SIGKILL)
    dead = {node["name"]: "stopped" for node in lost["nodes"]}  # one that is about to die is missing in the list
    until(lambda: dead.items() <= one.rows(stage, "blue").items())
    shutil.rmtree(stage.work / "clusters" / "green" / "data")
    stage.control("blue", "DELETE", "/faults")
    failed = run.wait(END_SECONDS)
    assert failed.code != 0
    assert "waiting until green is ready on green: not ready after 8 s, last:" in failed.output
    assert lost["nodes"][0]["name"].partition("@")[2] in failed.output
    assert stage.live()["blue"] == CLIENTS
    stage.configure("green", "blue", "green")


@pytest.mark.parametrize(
    ("link", "way"),
    [
        ("cutover-verification", "provider"),
        ("cutover-shift-30", "balancer"),
        ("cutover-shift-100", "engine"),
        ("cutover-drain", "ctrl-c"),
    ],
)
def test_cut_off_in_the_middle_of_a_link_nobody_is_lost(stage: Stage, link: str, way: str) -> None:
    cut_off(stage, link, way)
    assert sum(stage.live().values()) <= CLIENTS


def test_the_next_update_goes_on_and_nobody_was_disconnected_twice_or_lost_a_session(stage: Stage) -> None:
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": CLIENTS}
    assert one.sessions_on(stage, "blue") == set()
    assert one.wake_up(stage) == [[f"m{number}" for number in range(one.QUEUED)]] * one.SLEEPERS


def test_killed_while_the_old_nodes_leave_they_have_left_after_the_next_update(stage: Stage) -> None:
    stage.configure("green", "green")
    cut_off(stage, "cutover-leave", "group")
    stage.workspace.up().good()
    assert one.rows(stage, "green") == dict.fromkeys(one.names(stage, "green"), "running")
    assert not one.runs(stage, "blue")
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] <= 2, "by the move, and by the balancer that was killed"
    answered = {reason for reason in fleet["refused_by_reason"] if reason.startswith("connack")}
    assert not answered, "without a balancer nobody answers at all"
