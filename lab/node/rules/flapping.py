"""Flapping detection: a client id that disconnects too often within the window is banned for a while (`flapping_detect` root)."""

from __future__ import annotations

from collections import deque

from lab.node.kept.records import Ban
from lab.node.kept.store import Store
from lab.node.rules.limits import seconds


class Flapping:
    """Counts disconnects; nothing is kept while the detection is off, as it is by default."""

    __slots__ = ("_ban_seconds", "_enabled", "_gone", "_max", "_store", "_window")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._gone: dict[str, deque[float]] = {}
        self.configure()

    def configure(self) -> None:
        """Read the root again."""
        settings = self._store.effective("flapping_detect") or {}
        self._enabled = bool(settings.get("enable", False))
        self._max = int(settings.get("max_count", 15))
        window = settings.get("window_time", "1m")
        self._window = seconds("1m" if window == "disabled" else window)
        self._ban_seconds = seconds(settings.get("ban_time", "5m"))
        if not self._enabled:
            self._gone.clear()

    def disconnected(self, client_id: str, now: float) -> None:
        """A client left; `now` in unix seconds."""
        if not self._enabled:
            return
        times = self._gone.setdefault(client_id, deque())
        times.append(now)
        while times[0] <= now - self._window:
            times.popleft()
        if len(times) >= self._max:
            del self._gone[client_id]
            ban = Ban(
                "clientid",
                client_id,
                "flapping detector",
                f"flapping is detected {self._max} times",
                now,
                now + self._ban_seconds,
            )
            self._store.banned[ban.kind, ban.who] = ban

    def sweep(self, now: float) -> None:
        """Forget whoever has been quiet for a whole window."""
        for client_id in [one for one, times in self._gone.items() if times[-1] <= now - self._window]:
            del self._gone[client_id]
