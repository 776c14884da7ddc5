"""`python -m tools.loaded COMMAND ...`: a command with busy processes beside it, as on a machine that others use too.

The rule: no busy process outlives the one that started it, whatever ends that one, nor its own bound; the command's status is ours.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

BOUND_SECONDS = 3 * 3600.0
END_SECONDS = 10.0
BUSY = """
import os, sys, time
parent, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
while os.getppid() == parent and time.monotonic() < end:
    sum(range(100_000))
"""


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but work, for the length of the block."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            command = [sys.executable, "-c", BUSY, str(os.getpid()), str(BOUND_SECONDS)]
            stack.callback(_end, subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True))
        yield


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(END_SECONDS)


def main(arguments: list[str]) -> int:
    """Run the command; its status, or 128 and the number of the signal that ended it, as a shell says it."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.loaded", description="A command with busy processes beside it."
    )
    parser.add_argument("--processes", type=int, default=4, help="how many (default: 4)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command and its arguments")
    wanted = parser.parse_args(arguments)
    if not wanted.command or wanted.processes < 0:
        parser.error("give a command, and no fewer than 0 processes")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with busy(wanted.processes):
        command = subprocess.Popen(wanted.command)
        try:
            code = command.wait()
        except KeyboardInterrupt:
            command.terminate()
            code = command.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
