"""`make demo`: two at the same time do not meet, and Ctrl-C at any moment leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lab.engine_run import works_in
from lab.stage import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

END_SECONDS = 150.0
LINE_SECONDS = 240.0
BOTH_SECONDS = 400.0


def demo(directory: Path, *options: str) -> subprocess.Popen[bytes]:
    """A demo that keeps its files below the directory."""
    directory.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "lab", "demo", "--report", str(directory / "report")]
    command += ["--kinds", "plain", *options]
    with (directory / "demo.log").open("wb") as output:
        return subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=output, env={**os.environ, "TMPDIR": str(directory)}
        )


def left_in(directory: Path) -> list[list[str]]:
    """The processes that still work below the directory."""
    return [each.cmdline() for each in psutil.process_iter() if works_in(each, str(directory))]


def test_two_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    both = [demo(tmp_path / name, "--clients", "40", "--rate", "20") for name in ("one", "two")]
    try:
        for each in both:
            each.wait(BOTH_SECONDS)
    finally:
        for each in both:
            each.kill()
            each.wait()
    logs = [(tmp_path / name / "demo.log").read_text(errors="replace") for name in ("one", "two")]
    assert [each.returncode for each in both] == [0, 0], "\n\n".join(logs)
    for name in ("one", "two"):
        report = json.loads((tmp_path / name / "report" / "report.json").read_text())
        assert report["disconnects"] == {"max": 1, "mean": 1.0}, report
        assert report["refused_connections"] == 0
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("== pulumi up: blue", signal.SIGINT),
        ("devices connect", signal.SIGTERM),
        ("cutover-import creating", signal.SIGINT),
        ("shift-50: share", signal.SIGINT),
    ],
    ids=["building", "connecting", "importing", "moving"],
)
def test_ctrl_c_at_any_moment_leaves_no_process_behind(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    log = tmp_path / "demo.log"
    running = demo(tmp_path, "--clients", "60", "--rate", "20")
    try:
        end = time.monotonic() + LINE_SECONDS
        while moment not in log.read_text(errors="replace"):
            assert time.monotonic() < end, log.read_text(errors="replace")
            assert running.poll() is None, log.read_text(errors="replace")
            time.sleep(0.05)
        running.send_signal(number)
        assert running.wait(END_SECONDS) != 0
    finally:
        running.kill()
        running.wait()
    assert left_in(tmp_path) == []
