"""`python -m tools.loaded`: the load is there while the command runs, and gone with whoever started it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from components.system import living

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 60.0
COUNT = """
import os, psutil
print(sorted(each.pid for each in psutil.Process(os.getppid()).children() if each.pid != os.getpid()))
"""


def loaded(*words: str) -> list[str]:
    return [sys.executable, "-m", "tools.loaded", *words]


def pids(line: str) -> list[int]:
    return [int(word) for word in line.strip("[]\n").split(",")]


def test_the_load_is_there_while_the_command_runs_and_gone_after_it() -> None:
    command = loaded("--processes", "2", sys.executable, "-c", f"{COUNT}\nraise SystemExit(7)")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    assert done.returncode == 7, done.stderr
    assert len(pids(done.stdout)) == 2
    assert all(living.ended(pid) for pid in pids(done.stdout))


def test_it_ends_with_its_owner_even_if_that_is_killed() -> None:
    command = loaded("--processes", "2", sys.executable, "-uc", f"{COUNT}\nimport time; time.sleep(600)")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        busy = pids(owner.stdout.readline())
        family = psutil.Process(owner.pid).children()
        owner.kill()
    for each in family:
        if each.pid not in busy:
            each.kill()
    end = time.monotonic() + WAIT_SECONDS
    while not all(living.ended(pid) for pid in busy):
        assert time.monotonic() < end, f"{busy} still run"
        time.sleep(0.02)


def test_without_a_command_it_says_what_it_needs() -> None:
    done = subprocess.run(loaded(), cwd=ROOT, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    assert done.returncode == 2
    assert "give a command" in done.stderr
