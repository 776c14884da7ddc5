"""What a test does to the management API of a node: answers replaced, delayed, swallowed; each fault ends by count or by time.

The rule: a fault is data on a board; who serves asks the board, nobody else knows of faults.  Those that change the broker
or a port (die, revive, refuse, CONNECT faults) are carried out by `control`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.responses import Response

from lab.node.api.errors import to_json

KINDS = frozenset(
    {
        "die", "revive", "status", "hang", "refuse", "slow", "close_idle", "partial_import", "abort_import",
        "refuse_connects", "connack_delay", "truncate_download", "route_hole", "joins",
    }
)  # fmt: skip


class Clock(Protocol):
    """Time as an argument."""

    def now(self) -> float:
        """Unix seconds."""
        ...


@dataclass
class Fault:
    """One entry of the board.

    ``node`` None means every node, ``path`` is a regular expression searched in the raw path (None: every path),
    ``until`` unix seconds, ``left`` how many times more; ``options`` are the kind's own (``status``, ``delay_seconds`` ...).
    """

    kind: str
    node: str | None = None
    path: re.Pattern[str] | None = None
    until: float | None = None
    left: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    cleared: asyncio.Event = field(default_factory=asyncio.Event, compare=False)

    def shown(self) -> dict[str, Any]:
        """For GET /state."""
        pattern = self.path.pattern if self.path else None
        return {
            "kind": self.kind,
            "node": self.node,
            "path": pattern,
            "until": self.until,
            "left": self.left,
        } | self.options


@dataclass(frozen=True)
class Verdict:
    """What happens to a request: nothing is sent at all, or another answer, or (neither) the real one."""

    silent: bool = False
    response: Response | None = None


def parse(body: dict[str, Any], now: float) -> Fault:
    """A fault from the body of POST /faults.

    Raises:
        ValueError: the kind is unknown or the path no regular expression.

    """
    options = dict(body)
    kind, node, path = options.pop("kind", None), options.pop("node", None), options.pop("path", None)
    seconds, count = options.pop("seconds", None), options.pop("count", None)
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is none of {', '.join(sorted(KINDS))}")
    try:
        pattern = None if path is None else re.compile(path)
    except re.error as error:
        raise ValueError(f"path {path!r} is no regular expression: {error}") from None
    return Fault(kind, node, pattern, None if seconds is None else now + float(seconds), count, options)


class Board:
    """The faults of one cluster."""

    def __init__(self, clock: Clock) -> None:
        """No faults."""
        self.clock = clock
        self.faults: list[Fault] = []

    def active(self, kind: str, node: str, path: str = "") -> Iterator[Fault]:
        """The faults of a kind that fit and have not ended; ended ones leave the board."""
        now = self.clock.now()
        self.faults = [one for one in self.faults if (one.until is None or one.until > now) and one.left != 0]
        for fault in self.faults:
            if fault.kind == kind and fault.node in {None, node} and (fault.path is None or fault.path.search(path)):
                yield fault

    def take(self, kind: str, node: str, path: str = "") -> Fault | None:
        """The first such fault, counted as used once."""
        for fault in self.active(kind, node, path):
            if fault.left is not None:
                fault.left -= 1
            return fault
        return None

    async def before_answer(self, node: str, path: str) -> Verdict:
        """What happens to a request before its handler runs; waits here for ``slow`` and ``hang``."""
        if slow := self.take("slow", node, path):
            await asyncio.sleep(float(slow.options.get("delay_seconds", 1.0)))
        if hang := self.take("hang", node, path):
            # The request that met it never gets an answer, not even when the fault has ended.
            left = None if hang.until is None else max(0.0, hang.until - self.clock.now())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hang.cleared.wait(), left)
            return Verdict(silent=True)
        if wrong := self.take("status", node, path):
            status = int(wrong.options.get("status", 500))
            code = "SERVICE_UNAVAILABLE" if status == 503 else "INTERNAL_ERROR"
            body = to_json({"code": code, "message": "a fault set over the control port"})
            return Verdict(response=Response(body, status, media_type="application/json"))
        return Verdict()

    def clear(self) -> None:
        """Remove all faults; what hangs is let go."""
        for fault in self.faults:
            fault.cleared.set()
        self.faults = []
