"""The way to an API server, which may be cut: what went through it ends, and whoever tries it meanwhile comes to nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Self
from urllib.parse import urlsplit


class Way:
    """A relay to it on this machine; use as a context."""

    def __init__(self, server: str) -> None:
        """To the server of a kubeconfig."""
        url = urlsplit(server)
        self._to = str(url.hostname), int(url.port or 443)
        self._loop = asyncio.new_event_loop()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.server = f"https://127.0.0.1:{self._door.getsockname()[1]}"
        self._end = asyncio.Event()
        self._cut = False
        self._open: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it with all that is open."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """The API server is gone for whoever comes this way, until the end."""
        self._loop.call_soon_threadsafe(self._set, True)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._set, False)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._served())

    async def _served(self) -> None:
        async with await asyncio.start_server(self._carry, sock=self._door):
            await self._end.wait()
            self._set(True)
            await asyncio.gather(*self._open, return_exceptions=True)

    def _set(self, cut: bool) -> None:
        self._cut = cut
        if cut:
            for task in self._open:
                task.cancel()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            if not self._cut:
                there = await asyncio.open_connection(*self._to)
                try:
                    await asyncio.gather(_copied(reader, there[1]), _copied(there[0], writer))
                finally:
                    there[1].close()
        except (OSError, asyncio.CancelledError):
            pass  # whoever came sees an end
        finally:
            self._open.discard(task)
            writer.close()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
