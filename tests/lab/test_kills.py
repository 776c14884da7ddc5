"""SIGKILL in the middle of each link, three ways: the next `pulumi up` goes on, and no device is disconnected twice in all."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from components.routers.haproxy import process
from lab.engine_run import EngineRun
from lab.stage import Scene, Stage, upgraded

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

LINKS = (
    "cutover",
    "cutover-export",
    "cutover-import",
    "cutover-verification",
    "cutover-shift-10",
    "cutover-shift-50",
    "cutover-shift-100",
    "cutover-drain",
)
WAYS = ("provider", "engine", "group")
SCENE = Scene(clients=120, budget_per_second=40, steps=({"share": 10}, {"share": 50}, {"share": 100}))
WATCH_SECONDS = 1.5
LINK_SECONDS = 90.0


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[dict[str, Any]]]]:
    """What the devices of three fleets saw, one for each way; the three wait most of the time, so they do it together."""
    with ThreadPoolExecutor(max_workers=len(WAYS)) as together:
        yield {way: together.submit(killed_in_each_link, tmp_path_factory.mktemp(way), way) for way in WAYS}


@pytest.mark.parametrize("way", WAYS)
def test_killed_in_each_link_in_turn_the_upgrade_ends_green_and_nobody_is_disconnected_twice(
    told: dict[str, Future[dict[str, Any]]], way: str
) -> None:
    fleet = told[way].result()
    assert fleet["disconnects"]["max"] == 1, fleet
    assert fleet["refused_connections"] == 0, fleet


def killed_in_each_link(directory: Path, way: str) -> dict[str, Any]:
    """Kill one `up` after the other, each in the next link; the last one is left alone."""
    with upgraded(directory, SCENE) as stage:
        stage.configure("green", "blue", "green", initialDelaySeconds=0.5)
        for link in LINKS:
            seen = size(stage)
            run = stage.workspace.start_up()
            in_the_middle(stage, run, link, seen)
            tokens = {event["run"] for event in stage.journal()}
            orphans = kill(run, way)
            killed_at = time.time()
            watch_for_acts(stage, tokens, killed_at, seconds=WATCH_SECONDS if way == "engine" else 0.0)
            run.kill_all()
            assert way != "engine" or orphans, "the provider should have outlived its engine"
            if way != "provider":
                stage.workspace.cancel().good()
        done = stage.workspace.up()
        assert done.code == 0, done.output
        assert stage.live() == {"blue": 0, "green": SCENE.clients}
        return stage.end_fleet()


def kill_balancer(stage: Stage) -> None:
    """SIGKILL to the only HAProxy, with its workers."""
    replica = next((stage.work / "balancer").glob("*/haproxy.cfg")).parent
    pid = process.running(replica)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def size(stage: Stage) -> int:
    """How long the journal is."""
    path = stage.work / "journal.jsonl"
    return path.stat().st_size if path.exists() else 0


def in_the_middle(stage: Stage, run: EngineRun, link: str, seen: int) -> None:
    """Wait until the link has begun in this run; only what is new is read, since some links last a few tenths of a second."""
    end = time.monotonic() + LINK_SECONDS
    begun = re.compile(rf'"event": "link", "name": "{link}", "phase": "begin"')
    while time.monotonic() < end and run.running:
        if size(stage) > seen:
            with (stage.work / "journal.jsonl").open() as journal:
                journal.seek(seen)
                if begun.search(journal.read()):
                    return
        time.sleep(0.01)
    raise AssertionError(f"{link} did not begin:\n{run.output()[-3000:]}")


def kill(run: EngineRun, way: str) -> list[int]:
    """Kill; the processes that served dynamic resources and were not killed with it: they may end soon by themselves."""
    served = run.provider_pids()
    if way == "provider":
        run.kill_providers()
        with contextlib.suppress(TimeoutError):
            run.wait(30)
    elif way == "engine":
        run.kill_engine()
    else:
        run.kill_all()
    return served if way == "engine" else run.provider_pids()


def watch_for_acts(stage: Stage, tokens: set[str], killed_at: float, seconds: float) -> None:
    """The orphan of a killed run ends the act that it was in, however long that takes here, and begins no other."""
    time.sleep(seconds)
    acts = ("move", "share", "evacuation", "imported", "drained", "run")
    late = [event for event in stage.journal() if event["run"] in tokens and event["t"] > killed_at]
    assert len([event for event in late if event["event"] in acts]) <= 1, late
