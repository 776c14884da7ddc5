"""Who an update acts as: a service account with exactly the documented rights, and the way to the API server, which may be cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from lab.kubernetes.cluster import Cluster
from lab.kubernetes.outside import ROOT

RIGHTS = ROOT / "docs" / "kubernetes-rights.yaml"
UPDATES, PREVIEWS = "emqx-upgrade", "emqx-upgrade-preview"
"""The two roles of the file that a person applies."""


def account(cluster: Cluster, namespace: str, role: str) -> dict[str, Any]:
    """The kubeconfig of somebody in this namespace who has a role of the documented file, and no other right."""
    cluster.kubectl("apply", "-n", namespace, "-f", str(RIGHTS))
    cluster.kubectl("create", "serviceaccount", role, "-n", namespace)
    bound = f"--serviceaccount={namespace}:{role}"
    cluster.kubectl("create", "rolebinding", role, "-n", namespace, f"--role={role}", bound)
    token = cluster.kubectl("create", "token", role, "-n", namespace, "--duration=4h").strip()
    config: dict[str, Any] = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    config["users"] = [{"name": role, "user": {"token": token}}]
    config["contexts"] = [{"name": role, "context": {"cluster": config["clusters"][0]["name"], "user": role}}]
    config["current-context"] = role
    return config


class Way:
    """A relay to the API server: what went through it ends when it is cut, and comes to nothing until it is mended."""

    def __init__(self, server: str) -> None:
        """To the server of a kubeconfig."""
        url = urlsplit(server)
        self._to = str(url.hostname), int(url.port or 443)
        self._loop = asyncio.new_event_loop()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.server = f"https://127.0.0.1:{self._door.getsockname()[1]}"
        self._cut = False
        self._open: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """The API server is gone for whoever comes this way, until the end."""
        self._loop.call_soon_threadsafe(self._set, True)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._set, False)

    def close(self) -> None:
        """End it with all that is open."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._served())

    async def _served(self) -> None:
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._carry, sock=self._door)
        async with server:
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
                    ways = (_copied(reader, there[1]), _copied(there[0], writer))
                    await asyncio.gather(*ways)
                finally:
                    there[1].close()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def written(config: dict[str, Any], path: Path, way: Way | None = None) -> Path:
    """The file of a kubeconfig, which leads by ``way``."""
    if way is not None:
        config = {**config, "clusters": [_by(config["clusters"][0], way.server)]}
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def _by(cluster: dict[str, Any], server: str) -> dict[str, Any]:
    return {**cluster, "cluster": {**cluster["cluster"], "server": server}}
