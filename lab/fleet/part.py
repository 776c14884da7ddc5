"""One process of a fleet: told by lines on standard input what to do, answers in lines on standard output, ends when the input does.

Input: one JSON object (`Order`), then ``tally`` or ``stop``. Output: ``{"ready_at": t}`` or ``{"error": text}``, then one
``{"tally": ...}`` for each line. The password comes this way too, so it is in no argument list.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import signal
import sys
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from lab.fleet.fleet import Fleet
from lab.fleet.settings import FleetError, FleetSettings

_SPARE_FILES = 64


@dataclass(frozen=True)
class Order:
    """What a part is and how long it may take to be ready; ``log`` is appended to."""

    settings: FleetSettings
    log: str | None
    ready_within_seconds: float
    seed: int

    def line(self) -> bytes:
        """As one line."""
        return _ORDER.dump_json(self) + b"\n"

    @staticmethod
    def of(line: bytes) -> Order:
        """The same again."""
        return _ORDER.validate_json(line)


_ORDER = TypeAdapter(Order)


def main() -> None:
    """Run the part."""
    import uvloop

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says when to stop
    uvloop.run(_serve())


async def _serve() -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    order = Order.of(await lines.readline())
    try:
        log = None if order.log is None else os.open(order.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        _say(error=f"log {order.log}: {error.strerror}")
        return
    fleet = Fleet(order.settings, log=log, chance=random.Random(order.seed))
    line = asyncio.create_task(lines.readline())
    starting = asyncio.create_task(_start(fleet, order))
    # a `stop`, or an input that ends, counts while the devices still connect, too
    await asyncio.wait({line, starting}, return_when=asyncio.FIRST_COMPLETED)
    while await line == b"tally\n":
        _say(tally=fleet.tally().as_json())
        line = asyncio.create_task(lines.readline())
    starting.cancel()
    _say(tally=(await fleet.stop()).as_json())


async def _start(fleet: Fleet, order: Order) -> None:
    try:
        _allow_files(order.settings.clients + _SPARE_FILES)
        await fleet.start(order.ready_within_seconds)
        _say(ready_at=fleet.ready_at)
    except FleetError as error:
        _say(error=str(error))


def _allow_files(wanted: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise FleetError(f"{wanted} files are needed, this process may open {hard}: use more processes")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _say(**facts: Any) -> None:
    try:
        print(json.dumps(facts), flush=True)
    except BrokenPipeError:
        # nobody is left to tell; the devices are still to be ended in order
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  held until the process ends


if __name__ == "__main__":
    main()
