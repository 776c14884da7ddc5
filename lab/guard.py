"""Ends whatever works in a directory once its owner is gone: after a time-out or SIGKILL too, when the owner can end nothing itself.

The rule: the owner's end is seen by a pipe that closes, whatever happens to the owner; the guard names the directory in no argument, so
that nobody takes it for one of the processes that work there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from components.system.environment import kept
from lab.engine_run import END_SECONDS, end, working_in

_ROOT = Path(__file__).parents[1]


class Guard:
    """A process that waits for the end of this one, or for `end`."""

    def __init__(self, directory: Path) -> None:
        """Watch over a directory from now on."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lab.guard"],
            cwd=_ROOT,
            env=kept(os.environ),
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C and a time-out's SIGKILL are for the owner's group
        )
        if self._process.stdin is not None:
            self._process.stdin.write(os.fsencode(directory.resolve()) + b"\n")
            self._process.stdin.flush()

    def end(self) -> None:
        """Let it end what works in the directory, and itself."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(3 * END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(END_SECONDS)


def main() -> None:
    """Read the directory, wait until the pipe closes, end what is there."""
    directory = os.fsdecode(sys.stdin.buffer.readline().removesuffix(b"\n"))
    sys.stdin.buffer.read()
    if directory:
        end(lambda: working_in(directory), signal.SIGTERM, signal.SIGKILL)


if __name__ == "__main__":
    main()
