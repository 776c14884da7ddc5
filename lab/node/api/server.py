"""The HTTP server of one node: uvicorn on an address of its own, with Cowboy's manners on idle and on busy connections.

The rule of docs/emqx/backup.md#the-60-second-wall: a connection on which the client has sent nothing for 60 s is closed, also while the
node works on its request; a pipelined request keeps it alive.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, ClassVar, Protocol

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from lab.node.api.app import CLOSE, COUNT
from lab.node.api.host import Host
from lab.node.network import bound

STOP_SECONDS = 1.0


class Cowboy(H11Protocol):
    """HTTP/1.1 with a wall against silence."""

    silence: ClassVar[float] = 60.0
    _wall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP only
        """Begin to listen for silence."""
        super().connection_made(transport)
        self._requests = 0
        self._app, self.app = self.app, self._counted
        self._heard()

    def data_received(self, data: bytes) -> None:
        """Any byte counts, also one of a request that must wait."""
        self._heard()
        super().data_received(data)
        # uvicorn stops reading while a pipelined request waits; Cowboy goes on, and that is what keeps imports alive.
        self.flow.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to wait for."""
        if self._wall is not None:
            self._wall.cancel()
        super().connection_lost(exc)

    def _heard(self) -> None:
        if self._wall is not None:
            self._wall.cancel()
        self._wall = self.loop.call_later(self.silence, self._close)

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    async def _counted(self, scope: Any, receive: Any, send: Any) -> None:
        self._requests += 1
        scope[COUNT] = self._requests
        scope[CLOSE] = self.transport.abort
        await self._app(scope, receive, send)


def cowboy(wall_seconds: float) -> type[Cowboy]:
    """The protocol class of a server whose silent connections end after ``wall_seconds``."""
    return type("Cowboy", (Cowboy,), {"silence": wall_seconds})


class QuietServer(uvicorn.Server):
    """uvicorn without a hand on the process's signals: they belong to the whole cluster."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing is captured."""
        yield

    async def until_started(self, serving: asyncio.Task[None], what: str) -> None:
        """Until connections are taken, before which they are refused; whatever ended it meanwhile is raised."""
        while not self.started:
            if serving.done():
                await serving
                raise OSError(f"{what} did not start")
            await asyncio.sleep(0.01)


class Api(Protocol):
    """An ASGI application of a node that may change its cluster."""

    managed: Host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""


class ApiServer:
    """The API of one node on ``host:port``; it can be closed and opened again any number of times."""

    def __init__(self, api: Api, host: str, port: int, wall_seconds: float) -> None:
        """Nothing is opened yet."""
        self.api, self.host, self.port, self.wall_seconds = api, host, port, wall_seconds
        self._server: QuietServer | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether the port is open."""
        return self._server is not None

    async def start(self) -> None:
        """Open the port and return once it answers."""
        listening = bound(self.host, self.port, reuse=True)
        config = uvicorn.Config(
            self.api,
            http=cowboy(self.wall_seconds),
            ws="none",
            lifespan="off",
            proxy_headers=False,
            log_config=None,
            access_log=False,
            server_header=False,
            headers=[("server", "Cowboy")],
            # The wall above is the only clock on a connection; uvicorn's own must never be first.
            timeout_keep_alive=int(self.wall_seconds) + 3600,
            timeout_graceful_shutdown=1,
            backlog=1024,
        )
        self._server = QuietServer(config)
        self._task = asyncio.create_task(self._server.serve([listening]))
        await self._server.until_started(self._task, f"the API of {self.host}:{self.port}")

    async def stop(self) -> None:
        """Close the port and every connection at once."""
        server, task, self._server, self._task = self._server, self._task, None, None
        if server is None or task is None:
            return
        server.should_exit = server.force_exit = True
        self._abort(server)
        _, late = await asyncio.wait({task}, timeout=STOP_SECONDS)
        for one in late:
            one.cancel()

    def set_silence(self, seconds: float | None) -> None:
        """Close connections after another silence (fault ``close_idle``); None is the recorded wall again."""
        if self._server is not None:
            protocol: Any = self._server.config.http_protocol_class
            protocol.silence = self.wall_seconds if seconds is None else seconds
            for connection in list(self._server.server_state.connections):
                cowboy_connection: Any = connection
                cowboy_connection._heard()  # noqa: SLF001  our own class, see above

    @staticmethod
    def _abort(server: QuietServer) -> None:
        for listener in getattr(server, "servers", []):
            listener.close()
        for connection in list(server.server_state.connections):
            transport: asyncio.Transport | None = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
