"""The import's connection: kept alive while the server works, closed only deliberately, and every end of it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from components.emqx.errors import GaveUp, NotNow, Rejected, Stopped, Unreachable
from components.emqx.kept_alive import Call, post_kept_alive
from components.emqx.models import Node

pytestmark = pytest.mark.lab

SECRET = "Basic cGxhbnRlZDpzM2NyZXQ="
Serve = Callable[["Seen", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Seen:
    """What the server saw on its one connection."""

    def __init__(self) -> None:
        self.post = b""
        self.pipelined = 0
        self.posted = asyncio.Event()
        self.closed = asyncio.Event()

    async def count(self, reader: asyncio.StreamReader) -> None:
        """Read pipelined requests until the client closes."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                assert head.startswith(b"GET /api/v5/status HTTP/1.1\r\n")
                self.pipelined += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[tuple[Node, Seen]]:
    seen = Seen()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.post = await reader.readuntil(b"\r\n\r\n")
        length = int(seen.post.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        seen.post += await reader.readexactly(length)
        seen.posted.set()
        try:
            await serve(seen, reader, writer)
        finally:
            writer.close()

    running = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = running.sockets[0].getsockname()
    async with running:
        yield Node(name="emqx@127.0.0.1", api=f"http://{host}:{port}", mqtt="127.0.0.1:1"), seen


async def nothing(elapsed: float) -> None:
    """Go on waiting."""


def call(node: Node) -> Call:
    return Call(node=node, root="/api/v5", path="/data/import", body={"filename": "a.tar.gz"}, authorization=SECRET)


def answering(answer: bytes, after: float = 0.0) -> Serve:
    async def serve(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counting = asyncio.create_task(seen.count(reader))
        if not (await asyncio.wait({counting}, timeout=after))[0]:
            writer.write(answer)
            await writer.drain()
            await counting

    return serve


async def test_something_is_sent_while_the_server_works_and_the_first_answer_is_the_imports() -> None:
    answer = (
        b"HTTP/1.1 204 No Content\r\nserver: Cowboy\r\n\r\n" + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}" * 3
    )
    async with server(answering(answer, after=1.8)) as (node, seen):
        reply = await post_kept_alive(call(node), limit_seconds=30, waiting=nothing, pipeline_seconds=0.4)
        await asyncio.wait_for(seen.closed.wait(), 60)
    assert reply.status == 204
    assert seen.pipelined >= 2
    assert seen.post.startswith(b"POST /api/v5/data/import HTTP/1.1\r\n")
    assert seen.post.endswith(b'{"filename": "a.tar.gz"}')


@pytest.mark.parametrize(
    "body",
    [
        b"content-length: 47\r\n\r\n" + b'{"code":"BAD_REQUEST","message":"[error] Failed"}'[:47].ljust(47),
        b"transfer-encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (b'{"code":"BAD_REQUEST",', b'"message":"[error] Failed"}'))
        + b"0\r\n\r\n",
    ],
    ids=["length", "chunked"],
)
async def test_a_refused_import_is_rejected_with_what_it_said(body: bytes) -> None:
    async with server(answering(b"HTTP/1.1 400 Bad Request\r\n" + body)) as (node, _):
        with pytest.raises(Rejected) as caught:
            await post_kept_alive(call(node), limit_seconds=30, waiting=nothing)
    assert caught.value.status == 400


async def test_500_may_pass_and_a_close_without_an_answer_is_unreachable() -> None:
    async def close(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer nothing."""

    async with server(answering(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n")) as (node, _):
        with pytest.raises(NotNow):
            await post_kept_alive(call(node), limit_seconds=30, waiting=nothing)
    async with server(close) as (node, _):
        with pytest.raises(Unreachable, match="closed without an answer") as caught:
            await post_kept_alive(call(node), limit_seconds=30, waiting=nothing)
    assert SECRET not in str(caught.value)
    with pytest.raises(Unreachable, match="no connection"):
        await post_kept_alive(call(node), limit_seconds=30, waiting=nothing)


async def test_the_wait_is_bounded_and_says_how_long_and_how_alive() -> None:
    async with server(answering(b"", after=60)) as (node, _):
        with pytest.raises(GaveUp, match=r"no answer after \d s, the connection was kept alive [1-9] times"):
            await post_kept_alive(call(node), limit_seconds=3, waiting=nothing, pipeline_seconds=0.4)


async def test_ctrl_c_closes_the_connection_at_once() -> None:
    async def interrupted(elapsed: float) -> None:
        raise Stopped("the update", seen="Ctrl-C", todo="run `pulumi up` again")

    async with server(answering(b"", after=60)) as (node, seen):
        with pytest.raises(Stopped):
            await post_kept_alive(call(node), limit_seconds=30, waiting=interrupted)
        await asyncio.wait_for(seen.closed.wait(), 60)


async def test_cancellation_closes_the_connection() -> None:
    async with server(answering(b"", after=60)) as (node, seen):
        task = asyncio.create_task(post_kept_alive(call(node), limit_seconds=30, waiting=nothing))
        await asyncio.wait_for(seen.posted.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(seen.closed.wait(), 60)


def test_the_call_shows_no_credential() -> None:
    assert SECRET not in repr(call(Node(name="n", api="http://n", mqtt="n:1")))
