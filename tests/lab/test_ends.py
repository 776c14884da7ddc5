"""Whatever ends a run of the lab, nothing that it started goes on: a time-out, a signal, or SIGKILL for the owner itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from components.system import living
from lab.engine_run import EngineRun, working_in
from lab.stage import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

WAIT_SECONDS = 60.0
APART = "import subprocess, sys; subprocess.Popen(['sleep', '600'], start_new_session=True); print('apart', flush=True)"
OWNER = """
import subprocess, sys, time
from pathlib import Path
from lab.guard import Guard
guard = Guard(Path(sys.argv[1]))
print(subprocess.Popen(["sleep", "600"], cwd=sys.argv[1], start_new_session=True).pid, flush=True)
time.sleep(600)
"""


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < end, f"not within {WAIT_SECONDS:.0f} s: {what}"
        time.sleep(0.05)


def test_a_run_whose_time_is_over_ends_what_it_made_to_stay_too(tmp_path: Path) -> None:
    command = ["sh", "-c", f'{sys.executable} -c "{APART}"; exec sleep 600']
    run = EngineRun.start(command, tmp_path, os.environ, tmp_path / "log")
    run.wait_for("apart", WAIT_SECONDS)
    apart = [each.pid for each in working_in(str(tmp_path)) if each.pid != run.engine_pid]
    assert apart
    with pytest.raises(TimeoutError, match="still running after 0 s"):
        run.wait(0.01)
    assert working_in(str(tmp_path)) == []
    assert all(living.ended(pid) for pid in apart)


def test_what_works_elsewhere_goes_on(tmp_path: Path) -> None:
    other = tmp_path / "run-2"
    other.mkdir()
    (tmp_path / "run").mkdir()
    with subprocess.Popen(["sleep", "600"], cwd=other) as stranger:
        run = EngineRun.start(["sleep", "600"], tmp_path / "run", os.environ, tmp_path / "log")
        with pytest.raises(TimeoutError):
            run.wait(0.01)
        assert stranger.poll() is None
        stranger.kill()


def test_what_an_owner_started_ends_with_it_even_if_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        apart = int(owner.stdout.readline())
        guards = [each.pid for each in psutil.Process(owner.pid).children() if each.pid != apart]
        owner.kill()
    until(lambda: living.ended(apart), "what it started ends")
    until(lambda: all(living.ended(pid) for pid in guards), "its guard ends too")


def test_a_bench_that_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lab", "bench", "--small", "10", "--clients", "20", "--rate", "20"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as bench,
    ):
        # a node of blue says that it serves: from here on there is something that was made to stay
        until(lambda: bench.poll() is not None or bool([*tmp_path.rglob("ready.json")]), "blue serves")
        assert bench.poll() is None, (tmp_path / "log").read_text()
        bench.kill()
    until(lambda: working_in(str(tmp_path)) == [], "everything has ended")
