"""A lock that falls with the process that holds it, on a file that stays; how long to wait for it is the caller's."""

from __future__ import annotations

import fcntl


def taken(descriptor: int) -> bool:
    """Whether the lock on the open file is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
