"""The control port: faults and scaling from outside, over HTTP and JSON on a port of its own that no device or operator uses.

The rule: this module changes nodes and ports; what the API answers meanwhile is the board's and the process's business.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
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
from lab.node.boot import Joining
from lab.node.broker.known import make_known
from lab.node.broker.member import ConnectFault
from lab.node.membership import Membership
from lab.node.network import bound, single
from lab.node.process import Managed

STOP_SECONDS = 1.0
Handler = Callable[[Request], Awaitable[JSONResponse]]


class Control:
    """Serves ``GET /state``, ``POST`` and ``DELETE /faults``, ``POST /nodes``, ``DELETE /nodes/:name``, ``POST /reindex``, ``GET /tie``,
    ``GET /heard`` (the API's requests) and ``POST /known`` (clients without a socket: their ``count``).

    ``POST /nodes`` adds a node to the life line that its body names with ``of``, to the first without one.  ``POST /nodes/:name/stop`` and
    ``/start`` are for who rolls a node: the body of ``start`` may name ``version``, ``edition``, ``license`` (a key), ``seeds``, ``cookie``; without
    them they are as before.  ``POST /nodes/:name/terms`` sets them for the next start.
    """

    def __init__(
        self,
        membership: Membership,
        scaled: Callable[[], None] = lambda: None,
        tie: Callable[[], tuple[str, int] | None] = lambda: None,
    ) -> None:
        """Nothing listens yet; ``scaled`` is called when a node has come or gone, ``tie`` says where life lines are tied."""
        self.membership, self._scaled, self._tie = membership, scaled, tie
        self.faults = membership.clusters[0].faults
        self._server: QuietServer | None = None
        self._task: asyncio.Task[None] | None = None
        self._undo: set[asyncio.Task[None]] = set()
        self._refused: set[str] = set()

    async def start(self, host: str) -> str:
        """Listen on a free port; returns its URL, once it answers."""
        listening = bound(host, 0)
        routes = [
            Route("/state", self._state),
            Route("/tie", self._tied),
            Route("/faults", self._add, methods=["POST"]),
            Route("/faults", self._clear, methods=["DELETE"]),
            Route("/nodes", self._add_node, methods=["POST"]),
            Route("/reindex", self._reindex, methods=["POST"]),
            Route("/heard", self._heard),
            Route("/known", self._known, methods=["POST"]),
            Route("/nodes/{name}", self._remove_node, methods=["DELETE"]),
            Route("/nodes/{name}/stop", self._stop_node, methods=["POST"]),
            Route("/nodes/{name}/start", self._start_node, methods=["POST"]),
            Route("/nodes/{name}/terms", self._set_terms, methods=["POST"]),
        ]
        application = Starlette(routes=routes)
        self._server = QuietServer(
            uvicorn.Config(application, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1)
        )
        self._task = asyncio.create_task(self._server.serve([listening]))
        await self._server.until_started(self._task, "the control port")
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
        rows = [self._row(name) for name in self.membership.names()]
        shown = {"name": self.membership.clusters[0].name, "nodes": rows}
        return JSONResponse(shown | {"faults": [one.shown() for one in self.faults.faults]})

    def _row(self, name: str) -> dict[str, Any]:
        """One node; ``cluster`` is a number, the same for the members of one, and None when it is in none."""
        terms, home = self.membership.terms(name), self.membership.home(name)
        place = self.membership.place(name)
        row: dict[str, Any] = {"name": name, "version": terms.version, "edition": terms.edition, "seeds": terms.seeds}
        row |= {"data": str(place), "cluster": None, "state": "stopped"}
        if home is None:
            return row
        node = home.cluster.nodes[name]
        return row | {
            "cluster": self.membership.clusters.index(home),
            "state": node.state,
            "live": node.live_connections,
            "sessions": node.connections,
            "auth_phase": node.auth_phase,
            "refusing": node.refusing,
            "api": home.servers[name].running,
            "evacuation": home.evacuations.status(name),
        }

    async def _add(self, request: Request) -> JSONResponse:
        try:
            fault = faults.parse(json.loads(await request.body()), self.faults.clock.now())
        except (ValueError, TypeError, AttributeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        if fault.node is not None and self.membership.home(fault.node) is None:
            return self._unknown(fault.node)
        for name in self._members() if fault.node is None else [fault.node]:
            await self._do(fault, name)
        return JSONResponse(fault.shown())

    def _members(self) -> list[str]:
        return [name for name in self.membership.names() if self.membership.home(name) is not None]

    def _unknown(self, name: str) -> JSONResponse:
        return JSONResponse({"error": f"node {name!r} is none of {', '.join(self.membership.names())}"}, 404)

    def _home(self, name: str) -> Managed:
        found = self.membership.home(name)
        if found is None:
            raise KeyError(name)
        return found

    async def _do(self, fault: Fault, name: str) -> None:
        act = getattr(self, f"_{fault.kind}", None)
        if act is None:
            if fault not in self.faults.faults:
                self.faults.faults.append(fault)
            return
        await act(fault, name)
        if fault.until is not None:
            task = asyncio.create_task(self._later(fault, name))
            self._undo.add(task)
            task.add_done_callback(self._undo.discard)

    async def _later(self, fault: Fault, name: str) -> None:
        await asyncio.sleep((fault.until or 0) - self.faults.clock.now())
        await self._restore(fault.kind, name)

    async def _restore(self, kind: str, name: str) -> None:
        home = self.membership.home(name)
        if home is None:
            return
        node = home.cluster.nodes[name]
        if kind == "die" and node.state == "stopped":
            await home.revive_node(name)
        elif kind == "refuse" and name in self._refused:
            self._refused.discard(name)  # nobody else's port is opened: a node that is about to die has closed its own
            if not home.servers[name].running and node.state == "running":
                await home.servers[name].start()
        elif kind == "close_idle":
            home.servers[name].set_silence(None)
        elif kind in {"refuse_connects", "connack_delay"}:
            node.fault = None
        elif kind == "route_hole":
            node.route_hole = 0.0
        elif kind == "joins":
            self._joins_as_ever()

    async def _die(self, fault: Fault, name: str) -> None:
        await self._home(name).kill_node(name, fault.options.get("busy"), fault.options.get("cut"))

    async def _revive(self, _fault: Fault, name: str) -> None:
        if not self.membership.runs(name):
            await self._home(name).revive_node(name)

    async def _refuse(self, _fault: Fault, name: str) -> None:
        self._refused.add(name)
        await self._home(name).servers[name].stop()

    async def _close_idle(self, fault: Fault, name: str) -> None:
        self._home(name).servers[name].set_silence(float(fault.options.get("after_seconds", 1.0)))

    async def _refuse_connects(self, fault: Fault, name: str) -> None:
        old = self._home(name).cluster.nodes[name].fault
        delay = old.delay_seconds if old else 0.0
        self._home(name).cluster.nodes[name].fault = ConnectFault(int(fault.options.get("reason", 0x97)), delay)

    async def _connack_delay(self, fault: Fault, name: str) -> None:
        old = self._home(name).cluster.nodes[name].fault
        delay = float(fault.options.get("delay_seconds", 1.0))
        self._home(name).cluster.nodes[name].fault = ConnectFault(old.reason if old else None, delay)

    async def _joins(self, fault: Fault, _name: str) -> None:
        """Joining and leaving take ``factor`` times the recorded seconds; nodes of a next life line have another ``cookie``, or a ``full_disk``."""
        factor = fault.options.get("factor")
        self.membership.joining = None if factor is None else Joining().scaled(float(factor))
        self.membership.cookie = fault.options.get("cookie")
        self.membership.full_disk = bool(fault.options.get("full_disk"))

    def _joins_as_ever(self) -> None:
        self.membership.joining = self.membership.cookie = None
        self.membership.full_disk = False

    async def _route_hole(self, fault: Fault, name: str) -> None:
        self._home(name).cluster.nodes[name].route_hole = float(fault.options.get("hole_seconds", 0.1))

    async def _clear(self, _request: Request) -> JSONResponse:
        self.faults.clear()
        self._joins_as_ever()
        for task in self._undo:
            task.cancel()
        for name in self._members():
            for kind in ("refuse", "close_idle", "refuse_connects", "route_hole"):
                await self._restore(kind, name)
        return JSONResponse({})

    async def _reindex(self, _request: Request) -> JSONResponse:
        """What ``emqx ctl retainer reindex start true`` does: the only way to take the mark of a broken import away."""
        self.membership.clusters[0].store.reindexing = False
        return JSONResponse({})

    async def _heard(self, _request: Request) -> JSONResponse:
        heard = [one.heard for one in self.membership.clusters]
        requests = [asked for one in heard for asked in one.shown()]
        return JSONResponse({"count": sum(one.count for one in heard), "requests": requests})

    async def _known(self, request: Request) -> JSONResponse:
        home = self.membership.clusters[0]
        make_known(home.cluster, json.loads(await request.body())["count"], home.clock.now())
        return JSONResponse({}, 201)

    async def _add_node(self, request: Request) -> JSONResponse:
        body = await request.body()
        of = json.loads(body).get("of") if body else None
        lodgings = self.membership.lodgings.values()
        lodging = next((one for one in lodgings if of in {None, one.settings.name}), None)
        if lodging is None:
            return JSONResponse({"error": f"{of!r} is none of {', '.join(one.settings.name for one in lodgings)}"}, 404)
        if single(lodging.network):
            return JSONResponse({"error": f"{lodging.network} has room for one node"}, 409)
        name = await self.membership.add(lodging)
        self._scaled()
        return JSONResponse({"name": name}, 201)

    async def _remove_node(self, request: Request) -> JSONResponse:
        name: Any = request.path_params["name"]
        home = self.membership.home(name)
        if home is None:
            return JSONResponse({"error": f"node {name!r} is no member"}, 404)
        await home.remove_node(name)
        self._scaled()
        return JSONResponse({})

    async def _stop_node(self, request: Request) -> JSONResponse:
        name: Any = request.path_params["name"]
        if name not in self.membership.names():
            return self._unknown(name)
        await self.membership.stop_node(name)
        return JSONResponse({})

    async def _start_node(self, request: Request) -> JSONResponse:
        """Answered when it is in the cluster that it found; 422 when its process ended while it booted."""
        name: Any = request.path_params["name"]
        if name not in self.membership.names():
            return self._unknown(name)
        try:
            body = await self._take_terms(request, name)
            if not self.membership.runs(name):
                await self.membership.start(name, body.get("license"))
        except (ValueError, OSError) as error:
            return JSONResponse({"error": str(error)}, 422)
        return JSONResponse({})

    async def _set_terms(self, request: Request) -> JSONResponse:
        """``version``, ``edition``, ``seeds`` and ``cookie`` from the node's next start on."""
        name: Any = request.path_params["name"]
        if name not in self.membership.names():
            return self._unknown(name)
        if self.membership.runs(name) and {"version", "edition"} & set(json.loads(await request.body() or b"{}")):
            return JSONResponse({"error": f"{name} runs; what it runs is changed when it starts"}, 409)
        await self._take_terms(request, name)
        return JSONResponse({})

    async def _take_terms(self, request: Request, name: str) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(await request.body() or b"{}")
        wished = {key: body[key] for key in ("version", "edition", "cookie") if body.get(key) is not None}
        if body.get("seeds") is not None:
            wished["seeds"] = tuple(body["seeds"])
        self.membership.set_terms(name, replace(self.membership.terms(name), **wished))
        return body
