"""A file of JSON lines that grows, as one sees it who looks every few milliseconds.

The rule: what was read once is not read again, unless the file is another one now.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any


class GrowingLines:
    """The values of a file that may not be there yet, or may be put back to another one's; several threads may look."""

    def __init__(self, path: Path) -> None:
        """Of the file at that path; nothing is read yet."""
        self._path, self._lock = path, threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._values: list[dict[str, Any]] = []
        self._read, self._last = 0, b""

    def values(self) -> list[dict[str, Any]]:
        """Those of all lines that are whole; none where there is no file."""
        with self._lock:
            try:
                with self._path.open("rb") as file:
                    file.seek(self._read - len(self._last))
                    if file.read(len(self._last)) != self._last:
                        self._forget()
                        file.seek(0)
                    self._add(file.read())
            except FileNotFoundError:
                self._forget()
            return list(self._values)

    def _add(self, new: bytes) -> None:
        """What stands behind the last line that was read; of one that is being written nothing yet."""
        lines = new[: new.rfind(b"\n") + 1].splitlines(keepends=True)
        self._values += [json.loads(line) for line in lines]
        self._read += sum(map(len, lines))
        self._last = lines[-1] if lines else self._last
