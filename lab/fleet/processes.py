"""A fleet over several processes: starts the parts, puts their figures together; no part outlives this process."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from components.system.environment import kept
from lab.fleet.part import Order
from lab.fleet.settings import FleetError, FleetSettings
from lab.fleet.tally import Tally, merge, summary

_LINE_BYTES = 2**28
_ANSWER_SECONDS = 60.0
_END_SECONDS = 10.0
_ROOT = Path(__file__).parents[2]


class Parts:
    """The processes of one fleet; use `start` first, `stop` last.

    Args:
        settings: of the whole fleet.
        processes: into how many parts it is divided.
        log: the event log that all parts append to.
        seed: of the jitter; each part has its own from it.

    """

    def __init__(self, settings: FleetSettings, processes: int, log: Path | None, seed: int) -> None:
        self._settings, self._log, self._seed = settings, log, seed
        self._count = min(processes, settings.clients)
        self._parts: list[asyncio.subprocess.Process] = []
        self._ready_at = 0.0

    async def start(self, ready_within_seconds: float) -> None:
        """Start all parts; returns when every device is ready.

        Raises:
            FleetError: a part is not, with what it saw.

        """
        for number in range(self._count):
            part = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "lab.fleet.part"),
                cwd=_ROOT,
                env=kept(os.environ),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LINE_BYTES,
                start_new_session=True,  # signals are for this process, which tells the parts
            )
            self._parts.append(part)
            settings = self._settings.part(number, self._count)
            order = Order(settings, str(self._log) if self._log else None, ready_within_seconds, self._seed + number)
            _stdin(part).write(order.line())
        answers = await asyncio.gather(*(_answer(part, ready_within_seconds + _ANSWER_SECONDS) for part in self._parts))
        errors = dict.fromkeys(answer["error"] for answer in answers if "error" in answer)
        if errors:
            raise FleetError("; ".join(errors))
        self._ready_at = max(answer["ready_at"] for answer in answers)

    async def summary(self) -> dict[str, Any]:
        """The figures so far."""
        return await self._tell(b"tally\n")

    async def stop(self) -> dict[str, Any]:
        """End all devices in order, then the processes; the final figures."""
        try:
            return await self._tell(b"stop\n")
        finally:
            await self.end()

    async def end(self) -> None:
        """End the processes, by closing their input and, when that is not enough, by force."""
        for part in self._parts:
            _stdin(part).close()
        for part in self._parts:
            try:
                await asyncio.wait_for(part.wait(), _ANSWER_SECONDS)
            except TimeoutError:
                part.kill()
                await part.wait()

    async def _tell(self, line: bytes) -> dict[str, Any]:
        for part in self._parts:
            _stdin(part).write(line)
        answers = await asyncio.gather(*(_answer(part, _ANSWER_SECONDS) for part in self._parts))
        return summary(merge(Tally.from_json(answer["tally"]) for answer in answers), self._ready_at)


def _stdin(part: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    if part.stdin is None:
        raise FleetError(f"process {part.pid} was started without an input")
    return part.stdin


async def _answer(part: asyncio.subprocess.Process, seconds: float) -> dict[str, Any]:
    if part.stdout is None:
        raise FleetError(f"process {part.pid} was started without an output")
    try:
        line = await asyncio.wait_for(part.stdout.readline(), seconds)
    except TimeoutError:
        raise FleetError(f"process {part.pid} said nothing for {seconds:g} s") from None
    if not line:
        raise FleetError(f"process {part.pid} {await _end_of(part)}")
    answer: dict[str, Any] = json.loads(line)
    return answer


async def _end_of(part: asyncio.subprocess.Process) -> str:
    """How a process whose output is closed ended; one may close its output and go on."""
    try:
        return f"ended with code {await asyncio.wait_for(part.wait(), _END_SECONDS)}"
    except TimeoutError:
        return f"closed its output and still runs after {_END_SECONDS:g} s"
