"""Where the lab nodes of pods live: for every cookie one process outside the pods, since a node's cluster outlives each of its pods.

The rule: a pod asks for its ground by cookie and holds its node up by a tie from inside; no tie, no node.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path

from components.system.environment import kept
from lab.kubernetes.network import NODE, SPACES
from lab.node.network import SPACES as SPACES_VARIABLE

PORT = 7331
POLL_SECONDS, READY_SECONDS = 0.05, 60.0


class Grounds:
    """Those of one cluster."""

    def __init__(self, directory: Path) -> None:
        """None runs yet."""
        self._directory = directory
        self._controls: dict[str, asyncio.Task[str]] = {}

    async def serve(self) -> None:
        """Answer each line, a cookie, with the control address of its ground, until cancelled."""
        server = await asyncio.start_server(self._asked, NODE, PORT)
        await server.serve_forever()

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cookie = (await reader.readline()).decode().strip()
        if cookie not in self._controls:
            self._controls[cookie] = asyncio.create_task(self._start(cookie))
        try:
            writer.write(json.dumps({"control": await self._controls[cookie]}).encode() + b"\n")
        except OSError as error:
            writer.write(json.dumps({"error": str(error)}).encode() + b"\n")
        await writer.drain()
        writer.close()

    async def _start(self, cookie: str) -> str:
        place = self._directory / hashlib.sha256(cookie.encode()).hexdigest()[:12]
        place.mkdir(parents=True, exist_ok=True)
        with (place / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "lab.kubernetes.ground", str(place)),
                env=kept(os.environ) | {SPACES_VARIABLE: str(SPACES), "LAB_COOKIE": cookie},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        ready, waited = place / "ready.json", 0.0
        while not ready.exists():
            if process.returncode is not None or waited > READY_SECONDS:
                raise OSError(f"no ground for lab nodes: {(place / 'log').read_text()[-300:]}")
            await asyncio.sleep(POLL_SECONDS)
            waited += POLL_SECONDS
        return str(json.loads(ready.read_text())["control"])
