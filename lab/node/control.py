"""The control port: faults and scaling from outside, over HTTP and JSON on a port of its own that no device or operator uses.

The rule: this module changes nodes and ports; what the API answers meanwhile is the board's and the process's business.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from components.system.address import Address
from lab.node.api import faults
from lab.node.api.faults import Fault
from lab.node.api.server import QuietServer
from lab.node.broker.member import ConnectFault
from lab.node.network import LOOPBACK_6, bound
from lab.node.process import Managed

STOP_SECONDS = 1.0
Handler = Callable[[Request], Awaitable[JSONResponse]]


class Control:
    """Serves ``GET /state``, ``POST`` and ``DELETE /faults``, ``POST /nodes``, ``DELETE /nodes/:name``, ``POST /reindex``, ``GET /tie``.

    ``POST /nodes`` adds a node to the life line that its body names with ``of``, to the first without one.
    """

    def __init__(
        self,
        managed: Managed,
        scaled: Callable[[], None] = lambda: None,
        tie: Callable[[], tuple[str, int] | None] = lambda: None,
    ) -> None:
        """Nothing listens yet; ``scaled`` is called when a node has come or gone, ``tie`` says where life lines are tied."""
        self.managed, self._scaled, self._tie = managed, scaled, tie
        self._server: QuietServer | None = None
        self._task: asyncio.Task[None] | None = None
        self._undo: set[asyncio.Task[None]] = set()

    async def start(self, host: str) -> str:
        """Listen on a free port; returns its URL."""
        listening = bound(host, 0)
        routes = [
            Route("/state", self._state),
            Route("/tie", self._tied),
            Route("/faults", self._add, methods=["POST"]),
            Route("/faults", self._clear, methods=["DELETE"]),
            Route("/nodes", self._add_node, methods=["POST"]),
            Route("/reindex", self._reindex, methods=["POST"]),
            Route("/nodes/{name}", self._remove_node, methods=["DELETE"]),
        ]
        application = Starlette(routes=routes)
        self._server = QuietServer(
            uvicorn.Config(application, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1)
        )
        self._task = asyncio.create_task(self._server.serve([listening]))
        return f"http://{Address(host, listening.getsockname()[1])}"

    async def stop(self) -> None:
        """Close the port and forget what was to be undone later."""
        for task in self._undo:
            task.cancel()
        if self._server is not None and self._task is not None:
            self._server.should_exit = self._server.force_exit = True
            await asyncio.wait({self._task}, timeout=STOP_SECONDS)

    async def _tied(self, _request: Request) -> JSONResponse:
        return JSONResponse(self._tie())

    async def _state(self, _request: Request) -> JSONResponse:
        managed = self.managed
        nodes = [
            {
                "name": node.name,
                "version": node.terms.version,
                "edition": node.terms.edition,
                "data": str(managed.place(node.name)),
                "state": node.state,
                "live": node.live_connections,
                "sessions": node.connections,
                "auth_phase": node.auth_phase,
                "refusing": node.refusing,
                "api": managed.servers[node.name].running,
                "evacuation": managed.evacuations.status(node.name),
            }
            for node in managed.cluster.nodes.values()
        ]
        return JSONResponse(
            {"name": managed.name, "nodes": nodes, "faults": [one.shown() for one in managed.faults.faults]}
        )

    async def _add(self, request: Request) -> JSONResponse:
        try:
            fault = faults.parse(json.loads(await request.body()), self.managed.clock.now())
        except (ValueError, TypeError, AttributeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        names = [fault.node] if fault.node is not None else list(self.managed.cluster.nodes)
        if fault.node is not None and fault.node not in self.managed.cluster.nodes:
            known = ", ".join(self.managed.cluster.nodes)
            return JSONResponse({"error": f"node {fault.node!r} is none of {known}"}, 404)
        for name in names:
            await self._do(fault, name)
        return JSONResponse(fault.shown())

    async def _do(self, fault: Fault, name: str) -> None:
        act = getattr(self, f"_{fault.kind}", None)
        if act is None:
            if fault not in self.managed.faults.faults:
                self.managed.faults.faults.append(fault)
            return
        await act(fault, name)
        if fault.until is not None:
            task = asyncio.create_task(self._later(fault, name))
            self._undo.add(task)
            task.add_done_callback(self._undo.discard)

    async def _later(self, fault: Fault, name: str) -> None:
        await asyncio.sleep((fault.until or 0) - self.managed.clock.now())
        await self._restore(fault.kind, name)

    async def _restore(self, kind: str, name: str) -> None:
        node = self.managed.cluster.nodes[name]
        if kind == "die" and node.state == "stopped":
            await self.managed.revive_node(name)
        elif kind == "refuse" and not self.managed.servers[name].running and node.state == "running":
            await self.managed.servers[name].start()
        elif kind == "close_idle":
            self.managed.servers[name].set_silence(None)
        elif kind in {"refuse_connects", "connack_delay"}:
            node.fault = None

    async def _die(self, fault: Fault, name: str) -> None:
        await self.managed.kill_node(name, fault.options.get("busy"), fault.options.get("cut"))

    async def _revive(self, _fault: Fault, name: str) -> None:
        if self.managed.cluster.nodes[name].state == "stopped":
            await self.managed.revive_node(name)

    async def _refuse(self, _fault: Fault, name: str) -> None:
        await self.managed.servers[name].stop()

    async def _close_idle(self, fault: Fault, name: str) -> None:
        self.managed.servers[name].set_silence(float(fault.options.get("after_seconds", 1.0)))

    async def _refuse_connects(self, fault: Fault, name: str) -> None:
        old = self.managed.cluster.nodes[name].fault
        delay = old.delay_seconds if old else 0.0
        self.managed.cluster.nodes[name].fault = ConnectFault(int(fault.options.get("reason", 0x97)), delay)

    async def _connack_delay(self, fault: Fault, name: str) -> None:
        old = self.managed.cluster.nodes[name].fault
        delay = float(fault.options.get("delay_seconds", 1.0))
        self.managed.cluster.nodes[name].fault = ConnectFault(old.reason if old else None, delay)

    async def _clear(self, _request: Request) -> JSONResponse:
        self.managed.faults.clear()
        for task in self._undo:
            task.cancel()
        for name in self.managed.cluster.nodes:
            for kind in ("refuse", "close_idle", "refuse_connects"):
                await self._restore(kind, name)
        return JSONResponse({})

    async def _reindex(self, _request: Request) -> JSONResponse:
        """What ``emqx ctl retainer reindex start true`` does: the only way to take the mark of a broken import away."""
        self.managed.store.reindexing = False
        return JSONResponse({})

    async def _add_node(self, request: Request) -> JSONResponse:
        body = await request.body()
        of = json.loads(body).get("of") if body else None
        lodgings = self.managed.lodgings.values()
        lodging = next((one for one in lodgings if of in {None, one.name}), None)
        if lodging is None:
            return JSONResponse({"error": f"{of!r} is none of {', '.join(one.name for one in lodgings)}"}, 404)
        if lodging.network == LOOPBACK_6:
            return JSONResponse({"error": f"{LOOPBACK_6} has room for one node"}, 409)
        taken = {node.ip for node in self.managed.cluster.nodes.values()}
        free = (f"{lodging.network}.{number}" for number in range(1, 254))
        node = self.managed.add_node(next(ip for ip in free if ip not in taken))
        await self.managed.revive_node(node.name)
        self._scaled()
        return JSONResponse({"name": node.name}, 201)

    async def _remove_node(self, request: Request) -> JSONResponse:
        name: Any = request.path_params["name"]
        if name not in self.managed.cluster.nodes:
            return JSONResponse({"error": f"node {name!r} is no member"}, 404)
        await self.managed.remove_node(name)
        self._scaled()
        return JSONResponse({})
