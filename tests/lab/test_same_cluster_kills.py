"""A move inside one cluster that is killed in the middle of its links goes on at the next update, and so does the leaving of the old nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.stage import Stage
from tests.lab import one_cluster_stage as one
from tests.lab.test_kills import in_the_middle, size

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

CLIENTS = 60
LINKS = ("cutover-verification", "cutover-shift-100", "cutover-drain")


def test_killed_in_the_middle_the_next_update_goes_on_and_nobody_is_disconnected_twice_or_loses_a_session(
    tmp_path: Path,
) -> None:
    with one.asleep_and_awake(tmp_path, "ce", CLIENTS) as stage:
        stage.configure("green", "blue", "green")
        for link in LINKS:
            killed_in(stage, link)
        stage.workspace.up().good()
        assert stage.live() == {"blue": 0, "green": CLIENTS}
        assert one.sessions_on(stage, "blue") == set()
        assert one.wake_up(stage) == [[f"m{number}" for number in range(one.QUEUED)]] * one.SLEEPERS
        stage.configure("green", "green")
        killed_in(stage, "cutover-leave")
        stage.workspace.up().good()
        assert one.rows(stage, "green") == dict.fromkeys(one.names(stage, "green"), "running")
        assert not one.runs(stage, "blue")
        fleet = stage.end_fleet()
        assert fleet["disconnects"]["max"] == 1
        assert fleet["refused_connections"] == 0


def killed_in(stage: Stage, link: str) -> None:
    """Engine, providers and all, as soon as the link has begun."""
    seen = size(stage)
    run = stage.workspace.start_up()
    in_the_middle(stage, run, link, seen)
    run.kill_all()
    stage.workspace.cancel().good()
