"""Where the lab nodes of pods live: for every cookie one process outside the pods, since a node's cluster outlives each of its pods.

The rule: a pod asks for its ground by cookie and holds its node up by a tie from inside; no tie, no node.  A ground that nobody has asked for a
while is ended: what its nodes know is on their volumes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from components.system.environment import kept
from lab.kubernetes.network import NODE, SPACES
from lab.node.network import SPACES as SPACES_VARIABLE

PORT = 7331
POLL_SECONDS, READY_SECONDS, IDLE_SECONDS = 0.05, 60.0, 20.0


@dataclass(eq=False)
class _Ground:
    """One that may run; the lock is held while it starts or ends."""

    place: Path
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    process: asyncio.subprocess.Process | None = None
    pods: int = 0


class Grounds:
    """Those of one cluster."""

    def __init__(self, directory: Path, host: str = NODE) -> None:
        """None runs yet; ``host`` is where they are controlled."""
        self._directory, self._host = directory, host
        self._grounds: dict[str, _Ground] = {}

    async def serve(self) -> None:
        """Answer each line, a cookie, with the control address of its ground, until cancelled; the connection is held as long as the pod is."""
        server = await asyncio.start_server(self.asked, NODE, PORT)
        await server.serve_forever()

    async def asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        cookie = (await reader.readline()).decode().strip()
        place = self._directory / hashlib.sha256(cookie.encode()).hexdigest()[:12]
        ground = self._grounds.setdefault(cookie, _Ground(place))
        ground.pods += 1
        try:
            try:
                answer = {"control": await self._control(ground, cookie)}
            except OSError as error:
                answer = {"error": str(error)}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            await reader.read()
        except OSError:
            return
        finally:
            writer.close()
            ground.pods -= 1
        await self._leave(ground)

    async def _control(self, ground: _Ground, cookie: str) -> str:
        """Its control address, when it is there."""
        async with ground.lock:
            if ground.process is None or ground.process.returncode is not None:
                await self._start(ground, cookie)
        return str(json.loads((ground.place / "ready.json").read_text())["control"])

    async def _start(self, ground: _Ground, cookie: str) -> None:
        ground.place.mkdir(parents=True, exist_ok=True)
        ready, waited = ground.place / "ready.json", 0.0
        ready.unlink(missing_ok=True)
        with (ground.place / "log").open("ab") as log:
            process = ground.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "lab.kubernetes.ground", str(ground.place), self._host),
                env=kept(os.environ) | {SPACES_VARIABLE: str(SPACES), "LAB_COOKIE": cookie},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while not ready.exists():
            if process.returncode is not None or waited > READY_SECONDS:
                raise OSError(f"no ground for lab nodes: {(ground.place / 'log').read_text()[-300:]}")
            await asyncio.sleep(POLL_SECONDS)
            waited += POLL_SECONDS

    async def _leave(self, ground: _Ground) -> None:
        """End it when there are no pods of it any more, nor soon again."""
        await asyncio.sleep(IDLE_SECONDS)
        async with ground.lock:
            if not ground.pods and ground.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    ground.process.terminate()
                await ground.process.wait()
                ground.process = None
