"""The processes of a replica: the one that listens, and those of before a reload, which keep their clients until these leave.

The rule: a reload must not take a client out of reach. The worker that listens answers at the admin socket, the older ones only through their master,
whose socket is beside it; a HAProxy that was started without one (before December 2026) has only the first.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

MASTER = "master.sock"
Asks = Callable[[str, str], Awaitable[str]]
"""The answer of a socket to a line of commands."""
There = Callable[[str], Awaitable[bool]]
"""Whether a replica has a socket."""
T = TypeVar("T")


class Worker(NamedTuple):
    """A process of the replica with this admin socket; ``connections`` is how many it has had until now."""

    admin: str
    pid: str
    listens: bool
    connections: int = 0

    def counted(self, info: str) -> Worker:
        """The same with the count of its ``show info``."""
        return self._replace(connections=int(_said(info)["CumReq"]))


def listening(admin: str, info: str) -> Worker:
    """The worker that answered ``show info``."""
    return Worker(admin, _said(info)["Pid"], listens=True).counted(info)


def _said(info: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)


async def older(admin: str, asks: Asks, there: There) -> list[Worker]:
    """The workers that listen no more; none where the replica has no master that could be asked."""
    if not await there(str(_master(admin))):
        return []
    _, _, old = (await asks(str(_master(admin)), "show proc")).partition("# old workers")
    return [Worker(admin, pid, listens=False) for pid in re.findall(r"^(\d+)\s+worker", old, re.MULTILINE)]


async def retiring(admin: str, asks: Asks) -> list[Worker]:
    """The workers of a replica that takes nobody any more and goes on until its last client has left; it answers at its master only."""
    shown = await asks(str(_master(admin)), "show proc")
    return [Worker(admin, pid, listens=False) for pid in re.findall(r"^(\d+)\s+worker", shown, re.MULTILINE)]


class Reads(Protocol):
    """What a reader makes of the lines with which a process answers commands, one answer behind the other; none come from one that has ended with its last client."""

    async def __call__(
        self, worker: Worker, commands: Sequence[str], take: Callable[[Iterable[str]], T], /, *, only: str = ""
    ) -> T:
        """The reader's result; of each line it needs no more than ``only`` matches."""
        ...


def by_master(worker: Worker, commands: Sequence[str]) -> tuple[str, str]:
    """Where and how to ask a worker that listens no more."""
    return str(_master(worker.admin)), "; ".join([f"@!{worker.pid}", *commands])


def _master(admin: str) -> Path:
    """Beside the admin socket; at an address of the network there is none."""
    return Path(admin).with_name(MASTER) if "/" in admin else Path(MASTER, "none")
