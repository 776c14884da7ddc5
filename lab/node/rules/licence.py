"""The licence's limit on sessions, with EMQX's lag: it looks at the number of sessions every ten seconds only.

Recorded: 27 clients within one second all got in with 25 allowed, ten seconds later new ones were refused; prepared
sessions count (docs/emqx/README.md#the-licence).
"""

from __future__ import annotations

LOOK_SECONDS = 10.0


class Licence:
    """The limit and the number that EMQX believes.

    Attributes:
        max_sessions: None for no limit.
        seen: sessions at the last look.

    """

    __slots__ = ("_due", "max_sessions", "seen")

    def __init__(self, max_sessions: int | None) -> None:
        self.max_sessions, self.seen, self._due = max_sessions or None, 0, 0.0

    def look(self, sessions: int, now: float) -> None:
        """Count again when it is time; `now` in unix seconds."""
        if now >= self._due:
            self._due, self.seen = now + LOOK_SECONDS, sessions

    @property
    def exceeded(self) -> bool:
        """Whether a new CONNECT is refused with 0x97 / 3."""
        return self.max_sessions is not None and self.seen >= self.max_sessions
