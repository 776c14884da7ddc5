"""How long an API server that is away is waited for: not at all, unless whoever asks has said so around it.

The rule: only a question that had no answer, or one of a server in trouble, is asked again; a refusal is an answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

OUTAGE_SECONDS = 60.0
"""An API server that is started anew, or a way to it that was cut: a minute is long for both, and an update that gives up has to be run again."""
AGAIN_SECONDS = 0.5
_patience: ContextVar[float] = ContextVar("patience", default=0.0)
_failed_at: list[float] = [float("-inf")]


@contextmanager
def outlasting(seconds: float = OUTAGE_SECONDS) -> Iterator[None]:
    """Within it an API server may be away for so long."""
    token = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(token)


def patience_seconds() -> float:
    """How long whoever asks now waits for it."""
    return _patience.get()


def failed() -> None:
    """The API server could not be reached just now."""
    _failed_at[0] = time.monotonic()


def failed_since(moment: float) -> bool:
    """Whether it could not be reached at some time since a moment of ``time.monotonic()``."""
    return _failed_at[0] >= moment
