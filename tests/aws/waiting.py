"""Waiting for what the lab's AWS comes to by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

WAIT_SECONDS, POLL_SECONDS = 120.0, 0.1


def until(look: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """Look until there is something; what it is."""
    limit = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < limit, f"{what} was not seen; last: {seen!r}"
        time.sleep(POLL_SECONDS)
    return seen
