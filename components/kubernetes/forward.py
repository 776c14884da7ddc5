"""Ports of pods as addresses of this machine: each connection to them is one of its own to the pod, through the API server.

The rule: nothing is kept that could break. A forward that dropped is a connection that ended, and the next connection is a new forward, to whichever pod has the
name by then; so a pod that was started again, an API server that was away, are a repeated call and no more.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.kubernetes.api import connection, is_away, leaks
from components.kubernetes.loop import at_end, there, wait
from components.kubernetes.place import Place

OPEN_SECONDS = 10.0
LINGER_SECONDS = 5.0
"""An admin socket whose one direction was closed may still answer for so long: the API server cannot be told of that. A port ends at once: a client that has gone must
not be counted as one that is there."""
_log = logging.getLogger(__name__)
_Key = tuple[Place, str, int, str]
_open: dict[_Key, asyncio.Future[tuple[asyncio.Server, str]]] = {}
_pods: dict[tuple[Place, str], str] = {}
_openings: dict[tuple[str, int], float] = {}
MOST_OPENINGS = 1_024
_directories: list[tempfile.TemporaryDirectory[str]] = []


def port(place: Place, pod: str, number: int) -> int:
    """A port of 127.0.0.1 that is this one of the pod."""
    return int(wait(_served(place, pod, number, ""), OPEN_SECONDS))


def opening_seconds(local: tuple[str, int]) -> float:
    """How long a connection to a port of ours, known by its own end, waited for its way to the pod; told once, 0 of any other: it is no part of how fast the pod is."""
    return _openings.pop(local[:2], 0.0)


async def socket(place: Place, pod: str, number: int, name: str) -> str:
    """The path of a unix socket, called ``name`` in a directory of the pod, that only we may open: for ports that know no password."""
    return await there(_served(place, pod, number, name))


async def _served(place: Place, pod: str, number: int, name: str) -> str:
    key = (place, pod, number, name)
    if key not in _open:
        if not _open:
            at_end(_closed)

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await _carried(place, pod, number, reader, writer, LINGER_SECONDS if name else 0.0)
            except leaks() as failure:  # whoever connected sees an end, and tells it in its own words
                is_away(failure)
                _log.debug("forward to %s:%d ended: %s", pod, number, failure)
            finally:
                writer.close()

        path = _directory(place, pod) / name
        beginning = asyncio.start_unix_server(carry, path) if name else asyncio.start_server(carry, "127.0.0.1", 0)
        # whoever asks for the same one meanwhile waits for this one
        _open[key] = asyncio.ensure_future(_begun(beginning, path if name else None))
    return (await asyncio.shield(_open[key]))[1]


async def _begun(beginning: Coroutine[Any, Any, asyncio.Server], path: Path | None) -> tuple[asyncio.Server, str]:
    server = await beginning
    return server, str(path or server.sockets[0].getsockname()[1])


def _directory(place: Place, pod: str) -> Path:
    if not _directories:
        _directories.append(tempfile.TemporaryDirectory(prefix="emqx-"))
    number = _pods.setdefault((place, pod), str(len(_pods)))  # names of pods are too long for the path of a socket
    found = Path(_directories[0].name) / number
    found.mkdir(exist_ok=True)
    return found


async def _closed() -> None:
    while _open:
        _, beginning = _open.popitem()
        server, _ = await beginning
        server.close()
    _pods.clear()
    while _directories:
        _directories.pop().cleanup()


async def _carried(
    place: Place,
    pod: str,
    number: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    linger_seconds: float,
) -> None:
    """Bytes in both directions until one of the two ends."""
    began = time.monotonic()
    api = await connection(place)
    opening = api.open_websocket(
        namespace=place.namespace, url=f"pods/{pod}/portforward", params={"ports": str(number)}
    )
    async with opening as forward:
        _note(writer.get_extra_info("peername"), time.monotonic() - began)
        up = asyncio.ensure_future(_up(reader, forward))
        down = asyncio.ensure_future(_down(forward, writer))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({down}, timeout=linger_seconds)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)


def _broken() -> type[Exception]:
    """That the other end of a forward is gone; its package is loaded where there is one."""
    import httpx_ws

    return httpx_ws.HTTPXWSException


def _note(client: object, seconds: float) -> None:
    if isinstance(client, tuple):  # whoever came by a path has none
        while len(_openings) >= MOST_OPENINGS:
            _openings.pop(next(iter(_openings)), None)
        _openings[client[0], client[1]] = seconds


async def _up(reader: asyncio.StreamReader, forward: Any) -> None:
    with suppress(ConnectionError, _broken()):
        while data := await reader.read(65_536):
            await forward.send_bytes(b"\0" + data)


async def _down(forward: Any, writer: asyncio.StreamWriter) -> None:
    """Channel 0 is data, 1 says what went wrong; the first message of each is the port's number."""
    begun: set[int] = set()
    with suppress(ConnectionError, _broken()):
        while True:
            message = await forward.receive_bytes()
            channel = message[0] if message else 1
            if channel not in begun:
                begun.add(channel)
            elif channel == 1:
                return
            else:
                writer.write(message[1:])
                await writer.drain()
