"""The journal of a run: JSON lines, appended and never rewritten; nothing secret is ever handed to it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Journal:
    """Appends ``{"t": unix seconds, "run": token, "event": name, ...}`` to a file that only its owner may read.

    Every record is one ``write`` on a descriptor opened for appending, so that two processes (an orphan and its
    successor) never tear each other's lines.
    """

    def __init__(self, path: Path, token: str, now: Callable[[], float]) -> None:
        """Open nothing yet; the directory is made at the first record."""
        self._path, self._token, self._now = path, token, now

    def record(self, event: str, **facts: Any) -> None:
        """Append one event; values are JSON or have a ``str``."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        line = json.dumps({"t": round(self._now(), 3), "run": self._token, "event": event, **facts}, default=str)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode() + b"\n")
        finally:
            os.close(descriptor)
