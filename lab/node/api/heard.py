"""What was asked of the nodes of a cluster, so that a test can say what somebody asked and what not."""

from __future__ import annotations

from collections import deque

MOST = 10_000


class Heard:
    """``METHOD /path`` of the newest requests, and how many there were."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.count = 0
        self._newest: deque[str] = deque(maxlen=MOST)

    def note(self, method: str, path: str) -> None:
        """One more."""
        self.count += 1
        self._newest.append(f"{method} {path}")

    def shown(self) -> list[str]:
        """Oldest first."""
        return list(self._newest)
