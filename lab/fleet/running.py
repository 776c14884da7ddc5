"""A fleet as a process of its own beside us, its figures at any moment, and its orderly end.

The rule: it is ended by its process, also when it does not answer; every wait is bounded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from components.system.environment import kept

ROOT = Path(__file__).parents[2]
END_SECONDS = 30.0
FIGURES_SECONDS = 60.0
LOOK_SECONDS = 0.1
AGAIN_SECONDS = 1.0


class SilentFleetError(RuntimeError):
    """A fleet that did not say what it should; the message has what it said, and how long it was waited for."""


class RunningFleet:
    """Started by `start`; ``log`` is its event log, its figures are ``summary.json`` beside that."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        """Of a process that runs."""
        self._process, self.log = process, log
        self._summary = log.with_name("summary.json")

    @classmethod
    def start(cls, log: Path, options: Sequence[str]) -> Self:
        """Start the devices; returns when all of them are connected (the fleet bounds that wait).

        Raises:
            SilentFleetError: they are not.

        """
        log.parent.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", "fleet", "--log", str(log), *options],
            cwd=ROOT,
            env=kept(os.environ),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started = cls(process, log)
        try:
            started._until_ready()
        except BaseException:  # also a Ctrl-C: nobody else knows of the process yet
            started.end()
            raise
        return started

    def _until_ready(self) -> None:
        began = time.monotonic()
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line.startswith("ready"):
            raise SilentFleetError(f"the fleet said {line!r} after {time.monotonic() - began:.0f} s")

    def figures(self) -> dict[str, Any]:
        """What the devices have seen so far.

        Raises:
            SilentFleetError: it does not write them.

        """
        self._summary.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1)
        limit = time.monotonic() + FIGURES_SECONDS
        while not self._summary.exists():
            if time.monotonic() > limit or self._process.poll() is not None:
                raise SilentFleetError(f"the fleet wrote no figures within {FIGURES_SECONDS:.0f} s of being asked")
            time.sleep(LOOK_SECONDS)
        return self._read()

    def wait_for_all(self, seconds: float) -> dict[str, Any]:
        """The figures when everybody is connected or stays away for good, or after so many seconds."""
        limit = time.monotonic() + seconds
        while (seen := self.figures())["away"] > seen["stayed_away"] and time.monotonic() < limit:
            time.sleep(AGAIN_SECONDS)
        return seen

    def end(self) -> dict[str, Any]:
        """Let the devices finish; what they saw, or nothing where they were never ready."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(END_SECONDS)
        if self._process.stdout:
            self._process.stdout.close()
        return self._read() if self._summary.exists() else {}

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._summary.read_text(encoding="utf-8"))
        return found
