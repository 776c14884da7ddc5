"""One lab cluster in the test's own loop, with a client that has the administrator's key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from lab.node import network
from lab.node.api.host import Settings
from lab.node.process import Managed
from tests.lab.node_process import key_file
from tests.lab.recordings.world import ENVIRONMENT

AUTH = ("lab", "lab-secret-lab-secret")


@asynccontextmanager
async def cluster(
    directory: Path, *, prefix: str | None = None, start: bool = True, **settings: Any
) -> AsyncIterator[Managed]:
    """A running cluster on a network of its own; ``settings`` are those of `Settings`."""
    keys = key_file(directory, *AUTH)
    ours = prefix or network.allocate()
    managed = Managed(
        Settings(directory=directory, network=ours, **settings),
        ENVIRONMENT | {"EMQX_API_KEY__BOOTSTRAP_FILE": str(keys)},
        ours,
    )
    try:
        if start:
            await managed.start()
        yield managed
    finally:
        await managed.stop()
        if prefix is None:
            network.release(ours)


def api(managed: Managed, number: int = 1, *, auth: tuple[str, str] | None = AUTH) -> httpx.AsyncClient:
    """A client of one node's management API."""
    return httpx.AsyncClient(base_url=f"http://{managed.network}.{number}:18083/api/v5", auth=auth, timeout=20)


def host(managed: Managed, number: int = 1) -> str:
    """A node's address."""
    return f"{managed.network}.{number}"
