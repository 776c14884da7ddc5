"""A `python -m lab ... up` that demo and tests share: started once for a directory, ended with whoever it was started for.

The rule: two who ask for the one of a directory have the same; it says by a file that it serves, and the wait for that is bounded.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from components.system.environment import kept

ROOT = Path(__file__).resolve().parents[1]
END_SECONDS, POLL_SECONDS, TOLD_BYTES = 120.0, 0.1, 2000
_started: dict[Path, subprocess.Popen[bytes]] = {}
"""They go on when nobody has them any more, as long as their owner does."""


class NotUpError(AssertionError):
    """It did not serve in time; holds its last words."""


def started(directory: Path, owner: int, words: Sequence[str], ready: str, seconds: float) -> str:
    """What the file ``ready`` says, of what runs in a directory or is started now as `python -m lab WORDS`, as long as the process ``owner``."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / ready).exists():
            _start(directory, owner, words, ready, seconds)
    return (directory / ready).read_text(encoding="utf-8")


def ended(directory: Path) -> None:
    """End it now, if this process has started it."""
    process = _started.pop(directory, None)
    if process is not None:
        process.terminate()
        process.wait(END_SECONDS)


def _start(directory: Path, owner: int, words: Sequence[str], ready: str, seconds: float) -> None:
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", *words, f"--directory={directory}", f"--as-long-as={owner}"],
            cwd=ROOT,
            env=kept(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for its owner, with whom it ends
        )
    _started[directory] = process
    limit = time.monotonic() + seconds
    while not (directory / ready).exists():
        if process.poll() is not None or time.monotonic() > limit:
            process.terminate()
            raise NotUpError(
                f"lab {' '.join(words)}: {log.read_text(encoding='utf-8', errors='replace')[-TOLD_BYTES:]}"
            )
        time.sleep(POLL_SECONDS)


def held(process: subprocess.Popen[bytes], ready: Path, as_long_as: int, shown: Callable[[str], str]) -> int:
    """In the foreground until SIGTERM or Ctrl-C, or until the process ``as_long_as`` (0: none) is gone; what is said when it serves is ``shown``.

    Returns:
        its exit status; it ends when its standard input is closed.

    """

    def end() -> None:
        if process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end())
    if as_long_as:
        threading.Thread(target=_end_with, args=[end, as_long_as], daemon=True).start()
    while process.poll() is None and not ready.exists():
        time.sleep(POLL_SECONDS)
    with contextlib.suppress(FileNotFoundError):
        print(shown(ready.read_text(encoding="utf-8")), flush=True)
    return process.wait()


def _end_with(end: Callable[[], None], pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        select.select([os.pidfd_open(pid)], [], [])
    end()
