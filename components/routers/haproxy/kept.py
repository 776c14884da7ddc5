"""A way to admin sockets over connections that stay open: where each is a forward through an API server of its own, a connection for each question costs more than all questions.

The rule: whoever asks has a connection alone, and only one that has answered whole is used again. HAProxy does not end a worker that somebody is connected with, so those
of a replica that leaves are given up (``only``), and HAProxy itself ends what idles for a minute (``stats timeout``).
"""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from components.kubernetes.loop import at_end
from components.routers.haproxy import runtime
from components.routers.haproxy.way import SOCKETS

PROMPT = b"> "
"""What interactive mode writes behind each answer, at the beginning of a line; no answer that is read here has such a line."""
MOST_IDLE = 3
"""HAProxy lets ten in at a time (``stats maxconn``), of all the updates and persons that there are."""
T = TypeVar("T")


class Kept:
    """A ``Way``; masters are asked as on this machine."""

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._idle: dict[str, list[socket.socket]] = {}
        self._lock = threading.Lock()

    async def there(self, place: str) -> bool:  # noqa: ARG002  -- as the seam has it
        """A replica that is far away is never reloaded, so nothing older is behind its master: another configuration is another replica."""
        return False

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
        """Ask over a connection that there is, or a new one.

        Raises:
            Unreachable: no connection, or it ended, or no whole answer in time; the connection is not used again.

        """
        if closing:
            return await SOCKETS.read(place, command, timeout_seconds, take, closing=True, only=only)
        return await asyncio.to_thread(self._read, place, command, timeout_seconds, take)

    def only(self, places: Collection[str]) -> None:
        """Give up what is open to others."""
        for place in self._idle.keys() - {*places}:
            for stream in self._idle.pop(place, []):
                stream.close()

    async def close(self) -> None:
        """Give up all."""
        self.only(())

    def _read(self, place: str, command: str, timeout_seconds: float, take: Callable[[Iterable[str]], T]) -> T:
        deadline = time.monotonic() + timeout_seconds
        with runtime.failing(place, command):
            stream = self._one(place, deadline)
            whole = False
            try:
                answer = _Answer(runtime.received(stream, deadline), len(command.split(";")))
                stream.sendall(command.encode() + b"\n")
                taken = take(answer)
                whole = answer.whole
            finally:
                if not (whole and self._keeps(place, stream)):
                    stream.close()
        return taken

    def _one(self, place: str, deadline: float) -> socket.socket:
        with suppress(IndexError):
            while stream := self._idle.get(place, []).pop():
                # nothing is asked, so whatever can be read is its end
                if not select.select([stream], [], [], 0)[0]:
                    return stream
                stream.close()
        stream = runtime.opened(place, deadline)
        try:
            stream.sendall(b"prompt\n")
            list(_Answer(runtime.received(stream, deadline), 1))
        except OSError:
            stream.close()
            raise
        return stream

    def _keeps(self, place: str, stream: socket.socket) -> bool:
        with self._lock:
            if not self._idle:
                at_end(self.close)
            idle = self._idle.setdefault(place, [])
            if len(idle) < MOST_IDLE:
                idle.append(stream)
                return True
        return False


class _Answer:
    """The lines that answer a line of so many commands, as HAProxy writes them where nobody is interactive."""

    def __init__(self, data: Iterable[bytes], commands: int) -> None:
        self._data, self._commands = data, commands
        self.whole = False

    def __iter__(self) -> Iterator[str]:
        rest, ended = b"", 0
        for data in self._data:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                ended += line.startswith(PROMPT)
                yield line.removeprefix(PROMPT).decode() + "\n"
            if rest == PROMPT and ended + 1 == self._commands:
                self.whole = True
                return
        raise ConnectionError("closed within an answer")
