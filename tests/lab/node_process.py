"""A lab cluster in a process of its own, started by the command that its users type; nothing of it outlives the block.

The rule: an API key goes in by EMQX's bootstrap file, and what the process says goes to ``log`` beside it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.cutover.words import Colour
from components.emqx.models import ClusterHandle, Node

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0


async def until(wanted: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait until it is so.

    Raises:
        AssertionError: with ``what``, after so many seconds.

    """
    end = asyncio.get_running_loop().time() + seconds
    while not wanted():
        assert asyncio.get_running_loop().time() < end, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.02)


def key_file(directory: Path, key: str, secret: str) -> Path:
    """The bootstrap file of one administrator's API key."""
    directory.mkdir(parents=True, exist_ok=True)
    keys = directory / "keys"
    keys.write_text(f"{key}:{secret}:administrator\n")
    return keys


@dataclass
class NodeProcess:
    """A cluster that serves; ``ready`` is what its ready file says."""

    ready: dict[str, Any]
    process: asyncio.subprocess.Process

    def handle(self, colour: Colour, *, proxy_protocol: bool = False) -> ClusterHandle:
        """The cluster for the management API."""
        nodes = tuple(Node(**one) for one in self.ready["nodes"])
        return ClusterHandle(colour=colour, nodes=nodes, version=self.ready["version"], proxy_protocol=proxy_protocol)


@asynccontextmanager
async def node_process(
    directory: Path, *options: str, key: tuple[str, str] | None = None, **environment: str
) -> AsyncIterator[NodeProcess]:
    """`python -m lab node` in this directory, from when it serves until SIGTERM; ``options`` are those of the command."""
    if key is not None:
        environment["EMQX_API_KEY__BOOTSTRAP_FILE"] = str(key_file(directory, *key))
    with (directory / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lab", "node", "--directory", str(directory), *options),
            cwd=ROOT,
            env=os.environ | environment,
            stdout=log,
            stderr=log,
        )
    ready = directory / "ready.json"
    try:
        await until(
            lambda: ready.exists() or process.returncode is not None, f"{ready}; see {directory}/log", START_SECONDS
        )
        assert process.returncode is None, (directory / "log").read_text()
        yield NodeProcess(json.loads(ready.read_text()), process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
