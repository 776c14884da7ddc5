"""A way to admin sockets over connections that stay open: where each is a forward through an API server of its own, a connection for each question costs more than all questions.

The rule: whoever asks has a connection alone, and only one that has answered whole is used again. HAProxy does not end a worker that somebody is connected with, so those
of a replica that leaves are given up (``only``), and HAProxy itself ends what idles for a minute (``stats timeout``). Through a master nobody holds up anything.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from components.kubernetes.loop import at_end
from components.routers.haproxy import runtime

PROMPT = re.compile(rb"(?:master)?> ")
"""What interactive mode writes behind each answer, at the beginning of a line; no answer that is read here has such a line."""
NOBODY = b"Can't find the target PID "
"""What a master says of a worker that has ended; it passes over the rest of the line then."""
MOST_IDLE = 3
"""HAProxy lets ten in at a time (``stats maxconn``), of all the updates and persons that there are."""
T = TypeVar("T")


class Kept:
    """A ``Way``."""

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
        closing: bool = False,  # noqa: ARG002  -- whoever is interactive says so to a master too
        only: str = "",  # noqa: ARG002  -- all lines are at hand
    ) -> T:
        """Ask over a connection that there is, or a new one.

        Raises:
            Unreachable: no connection, or it ended, or no whole answer in time; the connection is not used again.

        """
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
                commands = _single(command)
                answer = _Answer(runtime.received(stream, deadline), len(commands))
                stream.sendall("; ".join(commands).encode() + b"\n")
                taken = take(answer)
                whole = answer.whole
            finally:
                if not (whole and self._keeps(place, stream)):
                    stream.close()
        return taken

    def _one(self, place: str, deadline: float) -> socket.socket:
        with suppress(IndexError):
            while stream := self._idle.get(place, []).pop():
                if _is_silent(stream):
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


def _is_silent(stream: socket.socket) -> bool:
    """Whether it is still there: nothing is asked, so whatever can be read is its end."""
    stream.settimeout(0)
    try:
        stream.recv(1, socket.MSG_PEEK)
    except OSError as nothing:
        return isinstance(nothing, BlockingIOError)
    return False


def _single(line: str) -> list[str]:
    """The commands of a line, each with the worker that a master has to ask: one that is named alone would be asked from then on."""
    first, *others = (one.strip() for one in line.split(";"))
    return [f"{first} {one}" for one in others] if first.startswith("@") and others else [first, *others]


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
                prompt = PROMPT.match(line)
                ended += prompt is not None
                if line.startswith(NOBODY):
                    self._commands = ended + 1
                yield (line[prompt.end() :] if prompt else line).decode() + "\n"
            if ended + 1 == self._commands and PROMPT.fullmatch(rest):
                self.whole = True
                return
        raise ConnectionError("closed within an answer")
