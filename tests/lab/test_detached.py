"""A process that outlives us: nobody's child, found by its pid file only while it is ours, ended with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from components.system import detached, living

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

STUBBORN = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
pathlib.Path("child").write_text(str(child.pid))
print("begun", flush=True)
time.sleep(300)
"""
SECONDS = 60.0


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[int]:
    """A process that hears no SIGTERM and has a child."""
    detached.launch(
        [sys.executable, "-c", STUBBORN],
        directory=tmp_path,
        output=Path("output"),
        pid_file=Path("pid"),
        environment={"PATH": os.environ["PATH"], "MARK": "ours"},
    )
    pid = int((tmp_path / "pid").read_text())
    output = tmp_path / "output"
    until(lambda: output.exists() and "begun" in output.read_text())
    yield pid
    detached.kill([pid] if not living.ended(pid) else [])


def test_it_is_nobodys_child_and_has_a_session_of_its_own(started: int, tmp_path: Path) -> None:
    process = psutil.Process(started)
    assert process.ppid() != os.getpid()
    assert os.getsid(started) != os.getsid(0)
    assert process.environ() == {"PATH": os.environ["PATH"], "MARK": "ours"} | {
        name: value for name, value in process.environ().items() if name in {"PWD", "OLDPWD", "SHLVL", "_"}
    }
    assert {one.name: one.stat().st_mode & 0o077 for one in tmp_path.iterdir()} == {"output": 0, "pid": 0, "child": 0}


def test_it_is_found_only_while_it_is_ours(started: int, tmp_path: Path) -> None:
    assert detached.found(tmp_path / "pid", lambda pid: b"MARK=ours" in living.environment(pid)) == started
    assert detached.found(tmp_path / "pid", lambda pid: b"MARK=theirs" in living.environment(pid)) is None
    assert detached.found(tmp_path / "none", lambda _: True) is None
    (tmp_path / "pid").write_text("")
    assert detached.found(tmp_path / "pid", lambda _: True) is None


def test_what_does_not_hear_sigterm_is_killed_with_all_that_it_started(started: int, tmp_path: Path) -> None:
    child = int((tmp_path / "child").read_text())
    detached.end([started], 0.2)
    assert living.ended(started)
    until(lambda: living.ended(child))
    detached.end([started], 0.2)


def test_of_a_group_that_is_ours_too_only_the_one_that_is_meant_is_killed() -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as meant, subprocess.Popen(["/bin/sleep", "60"]) as beside:
        detached.kill([meant.pid])
        assert meant.wait() == -signal.SIGKILL
        assert beside.poll() is None
        beside.kill()


def test_a_child_that_ends_by_itself_is_no_zombie_of_ours(started: int) -> None:
    os.kill(started, signal.SIGKILL)
    until(lambda: living.ended(started))
    assert started not in {one.pid for one in psutil.Process().children()}
