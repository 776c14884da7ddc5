"""A process that outlives us: started as nobody's child in a session of its own, found again by its pid file, ended with all that it started.

The rule: a pid alone proves nothing, since it may be another's after a restart of the machine; who is meant is said by a mark that only ours has.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from components.system import living

LAUNCH_SECONDS = 10.0
KILLED_SECONDS = 5.0
_POLL_SECONDS = 0.05
_SCRIPT = 'umask 077; out=$1 pid=$2; shift 2; "$@" </dev/null >>"$out" 2>&1 & echo $! >"$pid"'
"""The shell ends at once, so what it started is never a zombie of ours; and it goes on when we are killed, so there always is a pid file."""


def launch(
    command: Sequence[str],
    *,
    directory: Path,
    output: Path,
    pid_file: Path,
    environment: Mapping[str, str],
    descriptors: tuple[int, ...] = (),
) -> None:
    """Start the command.

    Args:
        command: the program and its arguments.
        directory: where it works.
        output: the file that all its output is appended to; relative to ``directory``, as ``pid_file`` is.
        pid_file: where its process id is written.
        environment: the whole of it (``system.environment`` has the rule).
        descriptors: open files that it keeps.

    """
    subprocess.run(
        ["/bin/sh", "-c", _SCRIPT, "sh", str(output), str(pid_file), *command],
        cwd=directory,
        env=environment,
        pass_fds=descriptors,
        start_new_session=True,
        timeout=LAUNCH_SECONDS,
        check=True,
    )


def found(pid_file: Path, ours: Callable[[int], bool]) -> int | None:
    """The process id that the file names, when that process lives and is ours."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return None
    return pid if ours(pid) else None


def end(pids: Sequence[int], limit_seconds: float) -> None:
    """SIGTERM to each, which needs what it started in order to stop in order; SIGKILL to the groups of those that are left."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    _wait(pids, limit_seconds)
    kill([pid for pid in pids if not living.ended(pid)])


def kill(pids: Sequence[int]) -> None:
    """SIGKILL to each with its whole group (unless that is ours too), and wait until they are gone with their sockets."""
    for pid in pids:
        with suppress(ProcessLookupError):
            group = os.getpgid(pid)
            if group == os.getpgid(0):
                os.kill(pid, signal.SIGKILL)
            else:
                os.killpg(group, signal.SIGKILL)
    _wait(pids, KILLED_SECONDS)


def _wait(pids: Sequence[int], limit_seconds: float) -> None:
    limit = time.monotonic() + limit_seconds
    while time.monotonic() < limit and not all(map(living.ended, pids)):
        time.sleep(_POLL_SECONDS)
