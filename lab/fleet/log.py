"""The event log of a fleet: one JSON object a line; processes append whole lines to the same file, so that none is torn."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

_LINES = 200


class EventLog:
    """Writes ``{"t": unix seconds, "event": ..., "id": client id, ...}``.

    Args:
        descriptor: of a file that was opened for appending; None writes nothing.
        now: unix seconds.

    """

    def __init__(self, descriptor: int | None, now: Callable[[], float]) -> None:
        self._descriptor, self._now = descriptor, now
        self._lines: list[str] = []

    def write(self, event: str, client_id: str, **facts: Any) -> None:
        """One line; facts that are None are left out."""
        if self._descriptor is None:
            return
        known = {key: value for key, value in facts.items() if value is not None}
        line = {"t": round(self._now(), 4), "event": event, "id": client_id, **known}
        self._lines.append(json.dumps(line, separators=(",", ":")) + "\n")
        if len(self._lines) >= _LINES:
            self.flush()

    def flush(self) -> None:
        """Let readers see all lines."""
        if self._descriptor is not None and self._lines:
            os.write(self._descriptor, "".join(self._lines).encode())
        self._lines.clear()
