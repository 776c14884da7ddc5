"""Ctrl-C, flips and second engines at every point of a cutover, told in order: each test begins where the one before it ended."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab.engine_run import EngineRun, Finished
from lab.filling import DEVICE_USER
from lab.stage import Scene, Stage
from tests.lab.devices import Devices
from tools.stack import settled

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SCENE = Scene(
    clients=60, budget_per_second=15, steps=({"share": 10}, {"hold": 2}, {"share": 50}, {"share": 100}), nodes=2
)
LONG_HOLD = [{"share": 50}, {"hold": 60}, {"share": 100}]
"""Nobody gets past it before a second engine has come."""
ACTS = ("run", "share", "move", "evacuation", "imported", "drained")
GREEN, BLUE = {"blue": 0, "green": SCENE.clients}, {"blue": SCENE.clients, "green": 0}
LINK_SECONDS = 150.0


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("interruptions"), SCENE) as stage:
        stage.configure("blue", "blue", "green")
        stage.workspace.up().good()
        stage.fill("blue")
        yield stage


@pytest.fixture(scope="module")
def devices(stage: Stage) -> Iterator[Devices]:
    devices = Devices(stage.mqtt, SCENE.clients, username=DEVICE_USER, password=stage.secrets["device"])
    yield devices
    devices.end()


def declare(stage: Stage, live: str, **more: Any) -> None:
    stage.configure(live, "blue", "green", **more)


def in_the_middle(stage: Stage, run: EngineRun, where: str, *, of: str = "link") -> None:
    """Wait until this run has begun the link, or (``of="move"``) has moved somebody in the step."""
    key = "name" if of == "link" else "step"
    end = time.monotonic() + LINK_SECONDS
    while time.monotonic() < end and run.running:
        events = stage.journal()
        mine = next((event["run"] for event in reversed(events) if event["event"] == "run"), None)
        if any(one["event"] == of and one.get(key) == where and one["run"] == mine for one in events[begun(run) :]):
            return
        time.sleep(0.01)
    raise AssertionError(f"{where} did not begin:\n{run.output()[-3000:]}")


def begun(run: EngineRun) -> int:
    """How long the journal was when this run began."""
    return LENGTHS[run.engine_pid]


LENGTHS: dict[int, int] = {}


def start(stage: Stage) -> EngineRun:
    before = len(stage.journal())
    run = stage.workspace.start_up()
    LENGTHS[run.engine_pid] = before
    return run


def interrupt(stage: Stage, run: EngineRun, number: int) -> None:
    """It ends in one line, without finishing what it was about, does nothing more, and leaves nothing pending."""
    run.interrupt(number)
    done = run.wait(LINK_SECONDS)
    token = next(event["run"] for event in reversed(stage.journal()) if event["event"] == "run")
    events = [event for event in stage.journal()[begun(run) :] if event["run"] == token]
    stopped = next(at for at, one in enumerate(events) if one["event"] == "error" and one["type"] == "Stopped")
    link = events[stopped]["link"]
    assert [one for one in events if one["event"] == "link" and (one["name"], one["phase"]) == (link, "end")] == []
    assert [one for one in events[stopped:] if one["event"] in ACTS] == []
    one_error(done, "Stopped: this update: the update was cancelled", "Next: run `pulumi up` again")
    assert not stage.workspace.export_state()["deployment"].get("pending_operations"), done.output


def one_error(done: Finished, *lines: str) -> None:
    assert done.code != 0, done.output
    for line in lines:
        assert line in done.output, done.output
    assert "Traceback" not in done.output, done.output


def test_interrupted_in_the_import_and_in_the_first_step_it_can_be_flipped_back(stage: Stage, devices: Devices) -> None:
    declare(stage, "green")
    stage.control("green", "POST", "/faults", {"kind": "slow", "path": "/data/import$", "delay_seconds": 10})
    run = start(stage)
    run.wait_for("importing configuration", LINK_SECONDS)
    interrupt(stage, run, signal.SIGINT)
    stage.control("green", "DELETE", "/faults")
    assert stage.live() == BLUE
    run = start(stage)
    in_the_middle(stage, run, "shift-10", of="move")
    interrupt(stage, run, signal.SIGTERM)
    assert max(devices.disconnects()) == 1
    devices.mark()
    declare(stage, "blue")
    stage.workspace.up().good()
    assert stage.live() == BLUE
    assert max(devices.disconnects()) <= 1


def test_interrupted_in_a_hold_and_at_half_it_can_be_flipped_back(stage: Stage, devices: Devices) -> None:
    devices.mark()
    declare(stage, "green")
    run = start(stage)
    in_the_middle(stage, run, "cutover-hold-1")
    interrupt(stage, run, signal.SIGINT)
    run = start(stage)
    in_the_middle(stage, run, "shift-50", of="move")
    interrupt(stage, run, signal.SIGTERM)
    assert max(devices.disconnects()) == 1
    devices.mark()
    declare(stage, "blue")
    stage.workspace.up().good()
    assert stage.live() == BLUE
    assert max(devices.disconnects()) <= 1


def test_interrupted_in_the_drain_it_can_be_flipped_back_while_a_second_engine_is_refused(
    stage: Stage, devices: Devices
) -> None:
    devices.mark()
    declare(stage, "green")
    run = start(stage)
    in_the_middle(stage, run, "shift-100", of="move")
    interrupt(stage, run, signal.SIGINT)
    declare(stage, "blue", steps=[{"share": 50}, {"hold": 6}, {"share": 100}], budgetPerSecond=6)
    run = start(stage)
    in_the_middle(stage, run, "shift-50", of="move")
    second = stage.workspace.up()
    one_error(second, "the stack is currently locked by 1 lock(s)")
    assert "`make unlock STACK=lab`" in settled("lab", second.output)
    run.wait(LINK_SECONDS).good()
    assert stage.live() == BLUE
    assert max(devices.disconnects()) <= 2, "there and back"


def test_a_second_engine_takes_over_and_the_older_one_does_nothing_more(stage: Stage, devices: Devices) -> None:
    devices.mark()
    declare(stage, "green", steps=LONG_HOLD)
    older = start(stage)
    in_the_middle(stage, older, "cutover-hold-1")
    token = stage.journal()[-1]["run"]
    declare(stage, "green")
    stage.workspace.cancel().good()
    newer = start(stage)
    stopped = older.wait(LINK_SECONDS)
    one_error(stopped, "LeaseLost: the lease of this run on the balancer: ", "this one has done nothing more")
    assert "stack lab was taken over by a newer update" in settled("lab", stopped.output)
    newer.wait(LINK_SECONDS).good()
    assert stage.live() == GREEN
    assert set(devices.disconnects()) == {1}
    acts = [event["run"] for event in stage.journal() if event["event"] in ACTS]
    assert token not in acts[acts.index(stage.journal()[-1]["run"]) :]
    assert "updated" not in stage.workspace.up().good().output


def test_who_was_moved_while_no_update_ran_is_in_the_report_and_no_ratio_is(stage: Stage, devices: Devices) -> None:
    declare(stage, "blue", steps=[{"share": 100}])
    stage.workspace.up().good()
    devices.mark()
    declare(stage, "green", steps=[{"share": 100}], mover="evacuation", budgetPerSecond=8)
    run = start(stage)
    in_the_middle(stage, run, "shift-100", of="move")
    interrupt(stage, run, signal.SIGINT)
    devices.wait(lambda: stage.live() == GREEN)
    done = stage.workspace.up().good()
    report = json.loads((stage.work / "report" / "report.json").read_text())
    assert report["outcome"] == "done"
    assert sum(step["clients"] for step in report["steps"]) == report["clients"] == SCENE.clients
    assert 0 < report["unwatched"] < SCENE.clients
    assert report["ratio"] is None
    assert f"{report['unwatched']} of them were moved by an evacuation while no update watched" in done.output
    assert set(devices.disconnects()) == {1}
