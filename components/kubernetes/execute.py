"""A command in a container, ready or not (kr8s' own waits until its pod is ready, which one that is held never is): what it wrote, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, BinaryIO

from components.kubernetes.api import ApiError, connection, leaks
from components.kubernetes.loop import there
from components.kubernetes.place import Place

PROTOCOL = "v5.channel.k8s.io"
OUT, SAID, ENDED = 1, 2, 3
"""The channels: what was written, what was said of errors, how it ended."""
SILENT_SECONDS = 300.0
SHOWN = 300


async def run(place: Place, pod: str, container: str, command: Sequence[str], *, into: BinaryIO | None = None) -> bytes:
    """What the command wrote; with ``into`` it goes there.

    Raises:
        ApiError: it cannot be run, ended with another status than 0, or wrote nothing for SILENT_SECONDS.

    """
    return await there(_run(place, pod, container, command, into))


async def _run(place: Place, pod: str, container: str, command: Sequence[str], into: BinaryIO | None) -> bytes:
    tried, where = f"exec {command[0]} in {pod}/{container}", f"namespace {place.namespace}"
    out, said, ended = bytearray(), bytearray(), ""
    try:
        api = await connection(place)
        params = {"command": list(command), "container": container, "stdout": "true", "stderr": "true"}
        opening = api.open_websocket(
            namespace=place.namespace, url=f"pods/{pod}/exec", subprotocols=(PROTOCOL,), params=params
        )
        async with opening as stream:
            while not ended:
                message = await stream.receive_bytes(timeout=SILENT_SECONDS)
                channel, rest = message[0], message[1:]
                if channel == ENDED:
                    ended = rest.decode(errors="replace")
                elif channel == SAID:
                    said += rest[:SHOWN]
                elif into is not None:
                    into.write(rest)
                else:
                    out += rest
    except leaks() as failure:
        # the server closes right after it has told the end
        if not ended:
            status = getattr(getattr(failure, "response", None), "status_code", None)
            raise ApiError(tried, where, f"{type(failure).__name__}: {failure}"[:SHOWN], status) from None
    _judge(tried, where, ended, bytes(said))
    return bytes(out)


def _judge(tried: str, where: str, ended: str, said: bytes) -> None:
    status: Any = json.loads(ended)
    if status.get("status") != "Success":
        seen = f"{status.get('message', ended)}: {said.decode(errors='replace')}"[:SHOWN]
        raise ApiError(tried, where, seen, 422)
