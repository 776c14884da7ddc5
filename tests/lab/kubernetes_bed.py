"""An API server that knows ConfigMaps, pods, events, logs and port-forward, over real HTTP: what the edge to Kubernetes is held against without a control plane."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


def pod(name: str, labels: Mapping[str, str], *, ready: bool = True, container: str = "haproxy", **more: Any) -> Any:
    """A pod as the API server has it; ``more`` goes into its metadata."""
    state = {"running": {"startedAt": "2026-11-29T00:00:00Z"}}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": dict(labels), **more},
        "spec": {"containers": [{"name": container, "image": "haproxy:2.8"}]},
        "status": {
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": container, "state": state, "restartCount": 0}],
        },
    }


class FakeKubernetes:
    """``pods`` are what is listed, ``objects`` what else there is by ``kind/name``, ``ports`` where a pod's port is on this machine, ``requests`` what was asked; while ``away`` everything is 503.

    ``lost`` is how many of the next writes are done and answered with 503.
    """

    def __init__(self) -> None:
        self.config_maps: dict[str, Any] = {}
        self.objects: dict[str, Any] = {}
        self.pods: list[Any] = []
        self.events: list[Any] = []
        self.logs: dict[str, str] = {}
        self.ports: dict[tuple[str, int], tuple[str, int]] = {}
        self.requests: list[str] = []
        self.away = False
        self.lost = 0
        self._versions = itertools.count(1)

    def routes(self) -> list[Any]:
        base = "/api/v1/namespaces/{namespace}"
        return [
            Route("/version", self._version),
            Route(f"{base}/configmaps", self._make, methods=["POST"]),
            Route(f"{base}/configmaps/{{name}}", self._one, methods=["GET", "PUT", "DELETE"]),
            Route(f"{base}/pods", self._pods),
            Route(f"{base}/events", self._events),
            Route(f"{base}/pods/{{name}}/log", self._log),
            Route(f"{base}/{{kind}}/{{name}}", self._other),
            WebSocketRoute(f"{base}/pods/{{name}}/portforward", self._forward),
        ]

    async def _version(self, _request: Request) -> Response:
        return JSONResponse({"gitVersion": "v1.36.3"})

    def _asked(self, request: Request) -> Response | None:
        self.requests.append(f"{request.method} {request.url.path.rpartition('/namespaces/')[2]}")
        return _status(503, "the server is away") if self.away else None

    async def _make(self, request: Request) -> Response:
        body = await request.json()
        if (refused := self._asked(request)) is not None:
            return refused
        if body["metadata"]["name"] in self.config_maps:
            return _status(409, "already exists")
        return self._kept(body)

    async def _one(self, request: Request) -> Response:
        name = request.path_params["name"]
        if (refused := self._asked(request)) is not None:
            return refused
        if name not in self.config_maps:
            return _status(404, f'configmaps "{name}" not found')
        if request.method == "DELETE":
            return JSONResponse(self.config_maps.pop(name))
        if request.method == "PUT":
            body = await request.json()
            if body["metadata"]["resourceVersion"] != self.config_maps[name]["metadata"]["resourceVersion"]:
                return _status(409, "the object has been modified")
            return self._kept(body)
        return JSONResponse(self.config_maps[name])

    async def _other(self, request: Request) -> Response:
        name = f"{request.path_params['kind']}/{request.path_params['name']}"
        missing = _status(404, f"{name} not found")
        return self._asked(request) or (JSONResponse(self.objects[name]) if name in self.objects else missing)

    def _kept(self, body: Any) -> Response:
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        self.config_maps[body["metadata"]["name"]] = body
        if self.lost:
            self.lost -= 1
            return _status(503, "the server is away")
        return JSONResponse(body)

    async def _pods(self, request: Request) -> Response:
        wanted = dict(one.split("=") for one in request.query_params.get("labelSelector", "").split(",") if one)
        items = [one for one in self.pods if wanted.items() <= one["metadata"]["labels"].items()]
        return self._asked(request) or JSONResponse({"items": items})

    async def _events(self, request: Request) -> Response:
        wanted = dict(one.split("=") for one in request.query_params["fieldSelector"].split(","))
        items = [one for one in self.events if one["involvedObject"]["name"] == wanted["involvedObject.name"]]
        return self._asked(request) or JSONResponse({"items": items})

    async def _log(self, request: Request) -> Response:
        return self._asked(request) or PlainTextResponse(self.logs.get(request.path_params["name"], ""))

    async def _forward(self, socket: WebSocket) -> None:
        name, port = socket.path_params["name"], int(socket.query_params["ports"])
        self.requests.append(f"FORWARD {name}:{port}")
        if self.away or (name, port) not in self.ports:
            await socket.close()
            return
        await socket.accept()
        number = port.to_bytes(2, "little")
        await socket.send_bytes(b"\0" + number)
        await socket.send_bytes(b"\1" + number)
        with contextlib.suppress(OSError, WebSocketDisconnect, RuntimeError):
            reader, writer = await asyncio.open_connection(*self.ports[name, port])
            ends = [asyncio.ensure_future(_up(socket, writer)), asyncio.ensure_future(_down(reader, socket))]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for one in ends:
                one.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            writer.close()
        with contextlib.suppress(RuntimeError):
            await socket.close()


async def _up(socket: WebSocket, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write((await socket.receive_bytes())[1:])
        await writer.drain()


async def _down(reader: asyncio.StreamReader, socket: WebSocket) -> None:
    while data := await reader.read(65_536):
        await socket.send_bytes(b"\0" + data)


def _status(code: int, message: str) -> Response:
    return JSONResponse({"kind": "Status", "code": code, "message": message}, status_code=code)


@contextlib.contextmanager
def served(fake: FakeKubernetes, directory: Path) -> Iterator[Path]:
    """The path of a kubeconfig for it, while it is served."""
    app = Starlette(routes=fake.routes())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="wsproto"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    address = server.servers[0].sockets[0].getsockname()
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(_kubeconfig(f"http://127.0.0.1:{address[1]}")))
    try:
        yield path
    finally:
        server.should_exit = True
        thread.join(30)


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": url}}],
        "users": [{"name": "lab", "user": {"token": "none"}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab", "namespace": "default"}}],
    }
