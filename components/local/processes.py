"""Processes of the target `local`: started detached, found again by their pid or ready file, ended by pid; nothing else is touched."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.emqx.errors import GaveUp
from components.system import detached, living
from components.system.environment import kept
from components.system.files import own_directory
from components.system.locks import held

PID = "pid"
READY_SECONDS = 60.0
END_SECONDS = 10.0
POLL_SECONDS = 0.05


def running(directory: Path) -> dict[str, Any] | None:
    """What the ready file says when its process lives; None otherwise."""
    try:
        ready: dict[str, Any] = json.loads((directory / "ready.json").read_text())
        return ready if is_ours(ready["pid"], directory) else None
    except (OSError, ValueError, KeyError):
        return None


@contextmanager
def one_start(directory: Path, interrupted: Callable[[], None], limit_seconds: float = READY_SECONDS) -> Iterator[None]:
    """Only one of us starts and scales what is in this directory; the lock falls with the process that held it.

    Raises:
        GaveUp: somebody else has it for longer than ``limit_seconds``.

    """
    own_directory(directory)
    busy = GaveUp(
        "starting",
        node=str(directory),
        seen=f"another update has done so for {limit_seconds:g} s",
        todo="find the other update of this stack",
    )
    with held(directory / ".start.lock", limit_seconds, busy, interrupted):
        yield


def start(
    directory: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    interrupted: Callable[[], None],
    limit_seconds: float = READY_SECONDS,
) -> dict[str, Any]:
    """Start the command in a session of its own and wait for its ready file; a running one is adopted, a starting one waited for.

    ``environment`` is what it gets beside what every child of ours gets (``system.environment``). Its output goes to ``output.log`` in
    the directory, which is also where the ready file appears. Killed at any point, the next call finds the process by its pid file. Use
    inside ``one_start``. Only a process that was launched here is ended when it is not ready in time, or at an interruption: one that
    ran before may serve, whatever has become of its ready file.

    Raises:
        GaveUp: the process ended or was not ready in time; says the last line of its output.

    """
    found = _pid(directory)
    if found is None:
        _launch(directory, command, environment)
    try:
        ready, alive = _until_ready(directory, interrupted, limit_seconds)
    except BaseException:
        if found is None:
            _kill(directory)
        raise
    if ready is not None:
        return ready
    seen, todo = f"not ready after {limit_seconds:g} s" if alive else "it ended", f"read {directory / 'output.log'}"
    if found is None or not alive:
        _kill(directory)
    else:
        seen, todo = f"process {found} runs and is {seen}", f"{todo}; end that process once nobody is connected to it"
    raise GaveUp(
        f"starting {command[2:4]}",
        node=str(directory),
        seen=f"{seen}, last output: {last_line(directory)}",
        todo=todo,
    )


def _until_ready(
    directory: Path, interrupted: Callable[[], None], limit_seconds: float
) -> tuple[dict[str, Any] | None, bool]:
    """What the ready file says, or None, and whether the process lived when it was last looked at."""
    end = time.monotonic() + limit_seconds
    while (alive := _pid(directory) is not None) and time.monotonic() < end:
        if ready := running(directory):
            return ready, True  # before anything else: one that serves is never ended here
        interrupted()
        time.sleep(POLL_SECONDS)
    return None, alive


def _launch(directory: Path, command: Sequence[str], environment: Mapping[str, str]) -> None:
    (directory / "ready.json").unlink(missing_ok=True)
    (directory / PID).unlink(missing_ok=True)
    detached.launch(
        command,
        directory=Path.cwd(),
        output=(directory / "output.log").absolute(),
        pid_file=(directory / PID).absolute(),
        environment={**kept(os.environ), **environment},
    )


def stop(directory: Path, limit_seconds: float = END_SECONDS) -> None:
    """End the process of this directory, ready or not: SIGTERM, then SIGKILL; one that is gone already is success."""
    pid = _pid(directory)
    if pid is not None:
        detached.end([pid], limit_seconds)
        _forget(directory)


def _kill(directory: Path) -> None:
    """SIGKILL to what is left, and the files that name it go."""
    pid = _pid(directory)
    if pid is not None:
        detached.kill([pid])
    _forget(directory)


def _forget(directory: Path) -> None:
    for name in ("ready.json", PID):
        (directory / name).unlink(missing_ok=True)


def _pid(directory: Path) -> int | None:
    """The living process of this directory, ready or not."""
    if ready := running(directory):
        return int(ready["pid"])
    return detached.found(directory / PID, lambda pid: is_ours(pid, directory))


def is_ours(pid: int, directory: Path) -> bool:
    """Whether the process lives and one of its arguments is the directory; a pid alone may be another's after a restart."""
    try:
        arguments = [os.fsdecode(argument) for argument in living.arguments(pid)]
        where = Path(f"/proc/{pid}/cwd").resolve(strict=True)
    except OSError:
        return False
    wanted = directory.resolve()
    return any(argument and (where / argument).resolve() == wanted for argument in arguments)


def last_line(directory: Path) -> str:
    """The last line of ``output.log`` in the directory, or ``none``."""
    try:
        lines = (directory / "output.log").read_text(errors="replace").strip().splitlines()
    except OSError:
        return "none"
    return lines[-1][:300] if lines else "none"
