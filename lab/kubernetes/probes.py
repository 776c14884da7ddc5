"""A container's probes, asked as the kubelet asks them.

The rule: a probe is what the pod declares, run from the node against the pod's own address or inside the container; a threshold counts answers
in a row.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from lab.kubernetes.values import port_of

Object = dict[str, Any]
SAID_CHARACTERS = 300


class Prober:
    """Asks for one container."""

    def __init__(self, container: Object, address: str, enter: Path) -> None:
        """Of a container that runs at an address."""
        self._container, self._address, self._enter = container, address, enter

    async def watch(self, kind: str, told: Callable[[bool, str], Awaitable[None]]) -> None:
        """Run ``startupProbe``, ``livenessProbe`` or ``readinessProbe``; told when a threshold is reached, and of each failure before it as no change.

        ``told(good, "")`` is the threshold of successes, ``told(False, why)`` that of failures.  The start-up probe ends with either.
        """
        probe = self._container[kind]
        wanted = {True: int(probe.get("successThreshold") or 1), False: int(probe.get("failureThreshold") or 3)}
        await asyncio.sleep(float(probe.get("initialDelaySeconds") or 0))
        row, last = 0, None
        while True:
            good, why = await self.ask(probe)
            row = row + 1 if good == last else 1
            last = good
            if row == wanted[good] or (row > wanted[good] and not good):
                await told(good, why)
                if kind == "startupProbe":
                    return
            await asyncio.sleep(float(probe.get("periodSeconds") or 10))

    async def ask(self, probe: Object) -> tuple[bool, str]:
        """Once: whether it is good, and if not, why."""
        seconds = float(probe.get("timeoutSeconds") or 1)
        try:
            async with asyncio.timeout(seconds):
                if "httpGet" in probe:
                    return await self._http(probe["httpGet"])
                if "tcpSocket" in probe:
                    return await self._tcp(probe["tcpSocket"])
                return await self._exec(probe["exec"]["command"])
        except TimeoutError:
            return False, f"no answer within {seconds:g} s: context deadline exceeded"

    async def _http(self, asked: Object) -> tuple[bool, str]:
        host, port = asked.get("host") or self._address, port_of(self._container, asked["port"])
        url = f"{asked.get('scheme', 'HTTP').lower()}://{host}:{port}{asked.get('path') or '/'}"
        headers = {one["name"]: one["value"] for one in asked.get("httpHeaders", ())}
        try:
            async with httpx.AsyncClient(verify=False, timeout=None) as client:  # noqa: S501, S113 - as the kubelet; timed above
                answer = await client.get(url, headers=headers)
        except httpx.HTTPError as error:
            return False, f'Get "{url}": {error or type(error).__name__}'
        if httpx.codes.OK <= answer.status_code < httpx.codes.BAD_REQUEST:
            return True, ""
        return False, f"HTTP probe failed with statuscode: {answer.status_code}"

    async def _tcp(self, asked: Object) -> tuple[bool, str]:
        host, port = asked.get("host") or self._address, port_of(self._container, asked["port"])
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            return False, f"dial tcp {host}:{port}: {error.strerror}"
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True, ""

    async def _exec(self, command: list[str]) -> tuple[bool, str]:
        code, said = await execute(self._enter, command)
        return code == 0, said


async def execute(enter: Path, command: list[str]) -> tuple[int, str]:
    """Run a command inside a container: its exit code and the end of what it printed; cancelled, it is killed."""
    process = await asyncio.create_subprocess_exec(
        str(enter), *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        said, _ = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise
    return process.returncode or 0, said.decode(errors="replace")[-SAID_CHARACTERS:]
