"""The process that somebody started for some nodes: their life line, while the nodes live in the ground, which outlasts any one life line.

The rule: SIGTERM and SIGINT stop its nodes in order and then it ends; whatever else ends it closes its tie to the ground, which is the death
of its nodes; stopped and continued, it has a ground of its own stopped and continued too.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import sys
import time
from dataclasses import asdict
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.node import ground
from lab.node.api.host import Settings

LEAVE_SECONDS, POLL_SECONDS, TIE_SECONDS = 10.0, 0.02, 5.0
_ARGUMENTS = slice(45, 47)
"""The words of /proc/self/stat, after the name, that say from where to where the arguments lie in memory."""


def live(settings: Settings, join: str | None, *, only: bool = False) -> int:
    """Bring the nodes up and hold them until a signal; returns the exit status.

    They go to the ground of the control address ``join``; to the one that their directory belongs to, which some other life line holds up;
    or else to a new one, which they must not with ``only``.

    Raises:
        OSError: an address or a directory will not do; says which.

    """
    limit = time.monotonic() + LEAVE_SECONDS
    while True:
        control = join if join is not None else _held_by(settings.directory)
        tie = None if control is None else _tied(control)
        if tie is not None:
            return _hold(tie, _asked(settings))[0]
        if control is None or (
            join is not None and not only
        ):  # nobody is there to join: its nodes are a cluster of their own
            return _fresh(settings)
        if time.monotonic() > limit:
            raise OSError(f"{settings.directory} belongs to a lab cluster that does not answer at {control}")
        time.sleep(POLL_SECONDS)


def _held_by(directory: Path) -> str | None:
    """The control address of the ground that has this directory; None when there is none, or it has ended."""
    with contextlib.suppress(FileNotFoundError), (directory / ground.MARK).open() as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return mark.read()
    return None


def _tied(control: str) -> socket.socket | None:
    """A connection to the ground; None when nobody answers."""
    where = urlsplit(control)
    try:
        with contextlib.closing(HTTPConnection(where.hostname or "", where.port, timeout=TIE_SECONDS)) as connection:
            connection.request("GET", "/tie")
            host, port = json.load(connection.getresponse())
        return socket.create_connection((host, port), TIE_SECONDS)
    except (OSError, ValueError, HTTPException):
        return None


def _asked(settings: Settings) -> dict[str, Any]:
    """What a ground that is not our child must be told."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("EMQX_")}
    return {
        "pid": os.getpid(),
        "settings": asdict(settings) | {"directory": str(settings.directory)},
        "environment": environment,
    }


def _fresh(settings: Settings) -> int:
    """A ground of its own: everything is imported by now, so the child needs no time."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        os.setsid()
        _rename(f"python\0-m\0lab\0node\0(the ground of {settings.name})")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # they are for the life line, which knows what to do
        code = 1
        try:
            code = ground.run(settings, dict(os.environ), theirs)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    theirs.close()
    code, goes_on = _hold(ours, {"pid": os.getpid()})
    if not goes_on:
        os.waitpid(child, 0)
    return code


def _hold(tie: socket.socket, asked: dict[str, Any]) -> tuple[int, bool]:
    """Ask, wait for the answer, then for the end: the exit status, and whether the ground goes on for others."""
    tie.settimeout(None)

    def stop(_number: int, _frame: object) -> None:
        with contextlib.suppress(OSError):
            tie.sendall(b'"stop"\n')

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    tie.sendall(json.dumps(asked).encode() + b"\n")
    with tie.makefile("r") as lines:
        told = json.loads(lines.readline() or '{"error": "its ground has ended"}')
        if "error" in told:
            raise OSError(told["error"])
        its = int(told["ground"])

        def go_on(signalled: int, _frame: object) -> None:
            with contextlib.suppress(OSError):
                os.kill(its, signal.SIGCONT)
            if signalled == signal.SIGCONT:
                signal.alarm(1)  # once more: it may have been about to stop itself

        signal.signal(signal.SIGCONT, go_on)
        signal.signal(signal.SIGALRM, go_on)
        end = lines.readline()
        return (0, bool(json.loads(end)["goes_on"])) if end else (1, False)


def _rename(title: str) -> None:
    """Another command line for ``ps`` and whoever looks for the life line by it; the same one where the system has no /proc."""
    with contextlib.suppress(OSError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, end = map(int, fields[_ARGUMENTS])
        ctypes.memmove(begin, title.encode()[: end - begin - 1].ljust(end - begin, b"\0"), end - begin)
