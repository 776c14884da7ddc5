"""HAProxy's runtime socket: one command, one answer, one bounded connection; what the answer means is the caller's business.

The rule: an answer is read line by line as it comes, since it may be as long as the fleet; ``ask`` is for those that are not.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from components.emqx.errors import BadInput, Unreachable
from components.system.address import Address, parsed

SUN_PATH = 107
"""Bytes that a unix socket's address may have on Linux (``sun_path`` is 108 with its closing zero)."""


T = TypeVar("T")


def ask(place: str, command: str, timeout_seconds: float, *, closing: bool = False) -> str:
    """The answer to one line of commands (``read``)."""
    return read(place, command, timeout_seconds, "".join, closing=closing)


def read(
    place: str, command: str, timeout_seconds: float, take: Callable[[Iterable[str]], T], *, closing: bool = False
) -> T:
    """What ``take`` makes of the lines that answer one line of commands.

    Args:
        place: a unix path (of any length) or ``host:port``.
        command: one line of HAProxy's management guide, without the line end; ``;`` starts a second command.
        timeout_seconds: for connecting, writing and reading together.
        take: gets the lines as they come, each with its end, once.
        closing: say that nothing more will be asked; a master keeps the connection open otherwise.

    Raises:
        BadInput: the address is neither.
        Unreachable: no connection, no answer in time, or an empty one (a real answer ends with an empty line).

    """
    deadline = time.monotonic() + timeout_seconds
    with failing(place, command), opened(place, deadline) as stream:
        # a way that cannot tell of one direction that ended (a forward to a pod) tells of a word
        stream.sendall(command.encode() + (b"\nquit\n" if closing else b"\n"))
        if closing:
            stream.shutdown(socket.SHUT_WR)
        return take(_lines(received(stream, deadline)))


@contextmanager
def failing(place: str, command: str) -> Iterator[None]:
    """Whatever goes wrong with a connection is Unreachable."""
    try:
        yield
    except OSError as error:  # TimeoutError is one
        raise _unreachable(place, command, str(error) or type(error).__name__) from error


def _port(place: str) -> Address:
    try:
        return parsed(place)
    except ValueError:
        todo = "give an absolute path or host:port"
        raise BadInput("HAProxy's admin socket", node=place, seen="no address", todo=todo) from None


def _unreachable(place: str, command: str, seen: str) -> Unreachable:
    words = " ".join(command.split()[:2])
    return Unreachable(
        f"HAProxy's command '{words}'",
        node=place,
        seen=seen,
        todo="see that this HAProxy runs; pulumi up starts it again",
    )


def opened(place: str, deadline: float) -> socket.socket:
    """A connection to a socket, which is the caller's to close."""
    if "/" not in place:
        return socket.create_connection(_port(place), _left(deadline))
    with _short(place) as path:
        stream = socket.socket(socket.AF_UNIX)
        try:
            stream.settimeout(_left(deadline))
            stream.connect(path)
        except OSError:
            stream.close()
            raise
        return stream


@contextmanager
def _short(path: str) -> Iterator[str]:
    """The same socket under a name that fits: a long path is reached through its directory's descriptor."""
    if len(os.fsencode(path)) <= SUN_PATH:
        yield path
        return
    directory = os.open(Path(path).parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{Path(path).name}"
    finally:
        os.close(directory)


def received(stream: socket.socket, deadline: float) -> Iterator[bytes]:
    """What comes until the other end has nothing more."""
    empty = True
    while True:
        stream.settimeout(_left(deadline))
        data = stream.recv(16_384)
        if not data:
            break
        empty = False
        yield data
    if empty:
        raise ConnectionError("closed without an answer")


def _lines(answer: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for data in answer:
        *whole, rest = (rest + data).split(b"\n")
        yield from (line.decode() + "\n" for line in whole)
    yield rest.decode()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left
