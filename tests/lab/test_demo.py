"""`make demo`: Ctrl-C at any moment leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lab.stage import ROOT
from lab.workspace import works_in

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

END_SECONDS = 45.0
LINE_SECONDS = 90.0


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
    command = [sys.executable, "-m", "lab", "demo", "--clients", "60", "--rate", "20", "--report", str(tmp_path / "r")]
    with log.open("wb") as output:
        demo = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=output, env={**os.environ, "TMPDIR": str(tmp_path)}
        )
    try:
        end = time.monotonic() + LINE_SECONDS
        while moment not in log.read_text(errors="replace"):
            assert time.monotonic() < end, log.read_text(errors="replace")
            assert demo.poll() is None, log.read_text(errors="replace")
            time.sleep(0.05)
        demo.send_signal(number)
        assert demo.wait(END_SECONDS) != 0
    finally:
        demo.kill()
    left = [each.cmdline() for each in psutil.process_iter() if works_in(each, str(tmp_path))]
    assert left == []
