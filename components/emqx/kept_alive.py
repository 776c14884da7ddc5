"""One POST whose answer may take minutes, on a connection that is kept alive meanwhile by pipelined ``GET /status``.

EMQX closes a connection on which the client has sent nothing for 60 s, also while it works on the import, and a closed
connection aborts the import in the middle (docs/emqx/backup.md#the-60-second-wall). httpx
cannot send while it waits, hence these sockets. Closing is deliberate only: at the answer, the limit, or cancellation.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from components.emqx.client import Reply, judged
from components.emqx.errors import GaveUp, Unreachable
from components.emqx.models import Node

PIPELINE_SECONDS = 20.0
"""How often something is sent; the server's patience is 60 s."""

_TICK_SECONDS = 0.5
_HEADER_LIMIT = 65_536
_TODO = "look at the node's log; the next run looks at what has arrived and goes on"


class Call(NamedTuple):
    """What is sent: JSON ``body`` to ``path`` under ``root``, with the value of the Authorization header."""

    node: Node
    root: str
    path: str
    body: Any
    authorization: str

    def __repr__(self) -> str:
        """Say where to, never the header or the body."""
        return f"Call({self.node.name}, {self.path})"


async def post_kept_alive(
    call: Call,
    *,
    limit_seconds: float,
    waiting: Callable[[float], Awaitable[None]],
    pipeline_seconds: float = PIPELINE_SECONDS,
    connect_seconds: float = 5.0,
) -> Reply:
    """Send and wait for the answer, at most ``limit_seconds``.

    ``waiting(seconds since the start)`` is awaited about every half second; when it raises (Ctrl-C, another run) the
    connection is closed and its error goes on, and EMQX stops the import where it is.

    Raises:
        Unreachable: no connection, or closed without an answer.
        GaveUp: the limit is reached; says how long it waited and how often it kept the connection alive.
        Unauthorized, Rejected, NotNow: what the answer means.

    """
    tried, name = f"POST {call.path}", call.node.name
    reader, writer = await _connect(call, tried, connect_seconds)
    answer: asyncio.Task[tuple[int, bytes]] | None = None
    try:
        writer.write(_request(call))
        answer = asyncio.create_task(_response(reader))
        status, body = await _awaited(call, answer, writer, limit_seconds, waiting, pipeline_seconds)
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        seen = f"the connection was closed without an answer ({type(error).__name__})"
    else:
        return judged(Reply(tried, name, status, body))
    finally:
        if answer is not None:
            answer.cancel()
        # abort(), not close(): unread answers of the pipelined calls must not keep the socket open.
        writer.transport.abort()
    raise Unreachable(tried, node=name, seen=seen, todo=_TODO)


async def _connect(call: Call, tried: str, seconds: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(call.node.api)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.open_connection(parts.hostname, port, ssl=tls, limit=_HEADER_LIMIT)
    except (OSError, TimeoutError) as error:
        kind = type(error).__name__
    raise Unreachable(
        tried, node=call.node.name, seen=f"no connection ({kind})", todo="check that the node runs, then run again"
    )


async def _awaited(
    call: Call,
    answer: asyncio.Task[tuple[int, bytes]],
    writer: asyncio.StreamWriter,
    limit_seconds: float,
    waiting: Callable[[float], Awaitable[None]],
    pipeline_seconds: float,
) -> tuple[int, bytes]:
    loop = asyncio.get_running_loop()
    start = loop.time()
    sent, last = 0, start
    while not (await asyncio.wait({answer}, timeout=_TICK_SECONDS))[0]:
        now = loop.time()
        await waiting(now - start)
        if now - start >= limit_seconds:
            seen = f"no answer after {now - start:.0f} s, the connection was kept alive {sent} times and is open"
            raise GaveUp(f"POST {call.path}", node=call.node.name, seen=seen, todo=_TODO)
        if now - last >= pipeline_seconds:
            writer.write(_head(call, "GET", "/status"))
            await writer.drain()
            sent, last = sent + 1, now
    return await answer


def _head(call: Call, method: str, path: str, *more: str) -> bytes:
    host = urlsplit(call.node.api).netloc.rpartition("@")[2]
    lines = (f"{method} {call.root}{path} HTTP/1.1", f"Host: {host}", "Accept: application/json", *more, "", "")
    return "\r\n".join(lines).encode()


def _request(call: Call) -> bytes:
    body = json.dumps(call.body).encode()
    return (
        _head(
            call,
            "POST",
            call.path,
            f"Authorization: {call.authorization}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        + body
    )


async def _response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The first response on the connection: status and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ", 2)[1])
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    if 100 <= status < 200:
        return await _response(reader)
    if status in {204, 304}:
        return status, b""
    if "chunked" in fields.get("transfer-encoding", "").lower():
        return status, await _chunks(reader)
    return status, await reader.readexactly(int(fields.get("content-length", "0")))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while (await reader.readline()).strip():
        pass
    return b"".join(parts)
