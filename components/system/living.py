"""What the kernel says of a process that is known by its pid.

The rule: at an exec (a shell that becomes a program, HAProxy that replaces itself) arguments and environment are empty for an
instant, as they are for ever in a zombie; nobody may take the one for the other, so an empty answer is asked for again.
"""

from __future__ import annotations

import time
from pathlib import Path

EXEC_SECONDS = 1.0
_POLL_SECONDS = 0.001


def arguments(pid: int) -> list[bytes]:
    """Its command line; ``[b""]`` of a zombie.

    Raises:
        OSError: there is no such process.

    """
    return _words(pid, "cmdline")


def environment(pid: int) -> list[bytes]:
    """``NAME=value`` as it was started with.

    Raises:
        OSError: there is no such process, it is a zombie, or it is not ours.

    """
    return _words(pid, "environ")


def ended(pid: int) -> bool:
    """Whether it is gone, or a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in {b"Z", b"X"}
    except OSError:
        return True


def _words(pid: int, name: str) -> list[bytes]:
    end = time.monotonic() + EXEC_SECONDS
    while True:
        found = Path(f"/proc/{pid}/{name}").read_bytes()
        if found or ended(pid) or time.monotonic() > end:
            return found.split(b"\0")
        time.sleep(_POLL_SECONDS)
