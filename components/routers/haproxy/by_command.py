"""The way to the admin sockets of instances by Systems Manager: a command for each question, answered by ``far_end.py`` beside HAProxy.

The rule: who asks the same twice within ``fresh_seconds`` is not told by AWS again, unless an order may have changed the answer meanwhile: a question takes a second or two.
"""

from __future__ import annotations

import base64
import gzip
import json
import shlex
import time
import zlib
from collections.abc import Callable, Iterable
from typing import TypeVar

from components.emqx.errors import GaveUp, Refused, Unreachable
from components.routers import commands
from components.routers.haproxy.far_end import NO_ANSWER

PROGRAM = "/usr/local/lib/emqx-upgrade/far_end.py"
DIRECTORY = "/etc/haproxy"
"""Where the sockets are, and the map of the share."""
FRESH_SECONDS = 10.0
LASTING = ("show info", "show proc", "show map ", "show stat ", "show servers ")
"""Questions whose answer is good for a while; connections are not among them."""
CHANGES = {
    "set map ": ("show map ",),
    "add map ": ("show map ",),
    "set server ": ("show servers ", "show stat "),
    "shutdown session ": ("show stat ",),
}
"""What is to be asked anew after an order; after one that is not here everything."""
SLOW_SECONDS = 20.0
"""What Systems Manager may take on top of HAProxy itself."""
T = TypeVar("T")


class ByCommand:
    """A ``Way``; a place is ``INSTANCE/SOCKET``."""

    def __init__(self, region: str, *, fresh_seconds: float = FRESH_SECONDS) -> None:
        """Nothing was asked yet."""
        self._region, self._fresh_seconds = region, fresh_seconds
        self._known: dict[tuple[str, str], tuple[float, str]] = {}
        self._orders = 0

    async def there(self, place: str) -> bool:  # noqa: ARG002  -- as the seam has it
        """Each of ours is started with all of them."""
        return True

    def forget(self, *questions: str) -> None:
        """Ask those anew that begin so."""
        self._orders += 1
        for known in [one for one in self._known if one[1].startswith(questions)]:
            del self._known[known]

    async def read(
        self,
        place: str,
        command: str,
        timeout_seconds: float,
        take: Callable[[Iterable[str]], T],
        *,
        closing: bool = False,
        only: str = "",
    ) -> T:
        """One command of Systems Manager.

        Raises:
            Unreachable: no answer in time, by the agent or by HAProxy.
            GaveUp: the answer is longer than AWS tells.

        """
        seen = self._known.get((place, command))
        began = time.monotonic()
        if seen is not None and began - seen[0] < self._fresh_seconds:
            return take(seen[1].splitlines(keepends=True))
        if not command.startswith("show "):
            text = await self._ordered(place, command, timeout_seconds, closing=closing, only=only)
            return take(text.splitlines(keepends=True))
        orders = self._orders
        text = await self._asked(place, command, timeout_seconds, closing=closing, only=only)
        # what was asked before an order, or beside it, may tell of before it
        if command.startswith(LASTING) and ";" not in command and orders == self._orders:
            self._known[place, command] = began, text
        return take(text.splitlines(keepends=True))

    async def _ordered(self, place: str, command: str, seconds: float, *, closing: bool, only: str) -> str:
        changed = next((some for order, some in CHANGES.items() if command.startswith(order)), LASTING)
        self.forget(*changed)
        try:
            return await self._asked(place, command, seconds, closing=closing, only=only)
        finally:
            self.forget(*changed)

    async def _asked(self, place: str, command: str, seconds: float, *, closing: bool, only: str) -> str:
        instance, _, name = place.partition("/")
        tried = f"HAProxy's command '{' '.join(command.split()[:2])}'"
        asked = {
            "socket": f"{DIRECTORY}/{name}",
            "command": command,
            "seconds": seconds,
            "closing": closing,
            "only": only,
        }
        line = f"python3 {PROGRAM} {shlex.quote(packed(json.dumps(asked)))}"
        try:
            printed = await commands.run(self._region, instance, [line], tried, seconds + SLOW_SECONDS)
        except Refused as refusal:
            if f"exit status {NO_ANSWER}:" not in refusal.seen:
                raise
            todo = "see that HAProxy runs on this instance (systemctl status haproxy); pulumi up waits for it"
            raise Unreachable(tried, node=place, seen=refusal.seen, todo=todo) from None
        try:
            return unpacked(printed)
        except (ValueError, EOFError, OSError, zlib.error):
            seen = f"{len(printed)} characters that are no whole answer"
            todo = "tell this project what was asked: AWS tells no more than 24,000 characters"
            raise GaveUp(tried, node=place, seen=seen, todo=todo) from None


def packed(text: str) -> str:
    """Small, and without anything that a shell could read."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def unpacked(text: str) -> str:
    """The other way round."""
    return gzip.decompress(base64.b64decode(text.strip(), validate=True)).decode()
