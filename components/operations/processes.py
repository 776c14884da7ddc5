"""Processes of the target `local`: started detached, found again by their ready file, ended by pid; nothing else is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.emqx.errors import GaveUp

READY_SECONDS = 60.0
END_SECONDS = 10.0
POLL_SECONDS = 0.05


def running(directory: Path) -> dict[str, Any] | None:
    """What the ready file says when its process lives; None otherwise.

    A pid can be given to another process after a restart of the machine, so one of its arguments must be the directory.
    """
    try:
        ready: dict[str, Any] = json.loads((directory / "ready.json").read_text())
        process = Path(f"/proc/{ready['pid']}")
        arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        where = (process / "cwd").resolve(strict=True)
    except (OSError, ValueError, KeyError):
        return None
    wanted = directory.resolve()
    return ready if any(argument and (where / argument).resolve() == wanted for argument in arguments) else None


def start(
    directory: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    interrupted: Callable[[], None],
    limit_seconds: float = READY_SECONDS,
) -> dict[str, Any]:
    """Start the command in a session of its own and wait for its ready file; a running one is adopted.

    The command's output goes to ``output.log`` in the directory, which is also where the ready file appears.

    Raises:
        GaveUp: the process ended or was not ready in time; says the last line of its output.

    """
    adopted = running(directory)
    if adopted:
        return adopted
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (directory / "ready.json").unlink(missing_ok=True)
    with (directory / "output.log").open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **environment},
        )
    end = time.monotonic() + limit_seconds
    try:
        while time.monotonic() < end and process.poll() is None:
            interrupted()
            ready = running(directory)
            if ready:
                return ready
            time.sleep(POLL_SECONDS)
    except BaseException:
        process.kill()
        raise
    process.kill()
    raise GaveUp(
        f"starting {command[2:4]}",
        node=str(directory),
        seen=f"exit status {process.wait()}, last output: {last_line(directory)}",
        todo=f"read {directory / 'output.log'}",
    )


def stop(directory: Path, limit_seconds: float = END_SECONDS) -> None:
    """End the process of this directory: SIGTERM, then SIGKILL; one that is gone already is success."""
    ready = running(directory)
    if ready is None:
        return
    os.kill(ready["pid"], signal.SIGTERM)
    end = time.monotonic() + limit_seconds
    while running(directory) is not None:
        if time.monotonic() >= end:
            os.kill(ready["pid"], signal.SIGKILL)
            break
        reap(ready["pid"])
        time.sleep(POLL_SECONDS)
    (directory / "ready.json").unlink(missing_ok=True)


def reap(pid: int) -> None:
    """A child that ended stays as a zombie, with an empty command line, until its parent has asked for it."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def last_line(directory: Path) -> str:
    """The last line of ``output.log`` in the directory, or ``none``."""
    lines = (directory / "output.log").read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "none"


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
