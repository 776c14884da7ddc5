"""The process that nodes live in: one EMQX cluster, whoever has started its nodes, until the last life line is gone.

The rule: a life line's nodes are told apart by their network; what happens to a node is `process`'s business, here is only who holds it up.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

import uvloop

from components.system.files import replace
from components.system.locks import held_meanwhile
from components.system.memory import collect_briefly
from lab.node.api.host import Settings
from lab.node.control import Control
from lab.node.membership import Membership
from lab.node.network import bound, single
from lab.node.place import free_network
from lab.node.process import Lodging, Managed

READY, MARK = "ready.json", ".ground"
LOOK_SECONDS, FROZEN_SECONDS, LEAVE_SECONDS, JOINED_SECONDS = 1.0, 0.2, 10.0, 5.0


@dataclass(eq=False)
class Line:
    """A life line: its process, what it asked for, where its nodes are; ``gone`` once it has ended and its nodes are about to."""

    pid: int
    settings: Settings
    network: str
    gone: bool = field(default=False, init=False)


def run(settings: Settings, environment: Mapping[str, str], tie: socket.socket) -> int:
    """Be the ground until the last life line is gone; ``tie`` is that of the first.  Returns the exit status."""
    collect_briefly()  # a real node, whose processes have memory of their own, never stands still for that
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Ground(settings, environment).serve(tie))


class Ground:
    """One cluster and its life lines."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        """Nothing is opened yet."""
        self.settings, self.environment = settings, environment
        self.lines: list[Line] = []
        self._marks: dict[Path, IO[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def serve(self, tie: socket.socket) -> int:
        """Start the first life line's nodes, and hold everybody's until the last line is gone."""
        reader, writer = await asyncio.open_connection(sock=tie)
        asked = json.loads(await reader.readline())
        try:
            await self._open(int(asked["pid"]))
        except (OSError, ValueError) as error:
            await _tell(writer, error=str(error))
            return 1
        watch = asyncio.create_task(self._watch())
        await self._hold(self.lines[0], reader, writer)
        await self._over.wait()
        watch.cancel()
        return 0

    async def _open(self, pid: int) -> None:
        settings = self.settings
        await self._take(settings.directory)
        network = free_network(settings.network, settings.directory)
        self.managed = Managed(settings, self.environment, network)
        self.membership = Membership(self.managed, self.environment)
        self.control = Control(self.membership, self._announce_all, lambda: self._address)
        await self.managed.start()
        host = network if single(network) else f"{network}.1"
        listening = bound(host, 0)
        self._address = listening.getsockname()[:2]
        self._server = await asyncio.start_server(self._tied, sock=listening)
        self._control = await self.control.start(host)
        self._say(settings.directory)
        self.lines.append(Line(pid, settings, network))
        self._announce(self.lines[0])

    async def _take(self, directory: Path) -> None:
        """Nobody else's ground may have a directory; one that has just lost its last life line gives it up in a moment."""
        if directory in self._marks and (directory / MARK).exists():
            return
        mark = (directory / MARK).open("a+")
        for _ in range(int(LEAVE_SECONDS / FROZEN_SECONDS)):
            with suppress(BlockingIOError):
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._marks[directory] = mark
                return
            await asyncio.sleep(FROZEN_SECONDS)
        mark.close()
        raise OSError(f"another lab cluster works in {directory}")

    def _say(self, directory: Path) -> None:
        """Write into the mark of a directory where its ground is."""
        mark = self._marks[directory]
        mark.truncate(0)
        mark.write(self._control)
        mark.flush()

    async def _tied(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A further life line."""
        try:
            asked = json.loads(await reader.readline())
            given = asked["settings"] | {"directory": Path(asked["settings"]["directory"])}
            given["seeds"] = None if given["seeds"] is None else tuple(given["seeds"])
            line = await self._join(int(asked["pid"]), Settings(**given), asked["environment"], writer)
        except (OSError, ValueError, KeyError, TypeError) as error:
            await _tell(writer, error=str(error))
            return
        await self._hold(line, reader, writer)

    async def _join(
        self, pid: int, settings: Settings, environment: Mapping[str, str], tie: asyncio.StreamWriter
    ) -> Line:
        busy = OSError(f"the nodes of {settings.directory} have a life line already")
        async with held_meanwhile(settings.directory / f"{MARK}.join", LEAVE_SECONDS, busy):
            for _ in range(
                int(LEAVE_SECONDS / FROZEN_SECONDS)
            ):  # a life line that was killed is known to be gone in a moment
                if all(line.settings.directory != settings.directory for line in self.lines):
                    break
                await asyncio.sleep(FROZEN_SECONDS)
            else:
                raise busy
            settings.directory.mkdir(parents=True, exist_ok=True)
            await self._take(settings.directory)
            self._say(settings.directory)
            network = free_network(settings.network, settings.directory, self.membership.lodgings)
            joins = asyncio.create_task(self.membership.lodge(Lodging(network, settings), environment))
            await asyncio.wait({joins}, timeout=JOINED_SECONDS)  # a real node serves long before it has joined
            if joins.done():
                await joins
            else:
                self._tasks.add(joins)
                joins.add_done_callback(partial(self._joined, tie))
            line = Line(pid, settings, network)
            self.lines.append(line)
            self._announce(line)
            return line

    def _joined(self, tie: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        """A node that does not join after all ends its life line, as it would have done at once."""
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.managed.log(f"a node did not join: {failure}")
            tie.close()

    async def _hold(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the life line is gone, or has been told that its nodes are stopped."""
        await _tell(writer, ground=os.getpid())
        asked = b""
        with suppress(OSError):
            asked = await reader.readline()
        line.gone = True
        last = all(one.gone for one in self.lines)
        if not asked and last:
            os._exit(1)  # at once, as the death of a process that had the nodes in it
        if not last:
            await self.membership.leave(line.network, dead=not asked)
        else:
            await self._close()
        self.lines.remove(line)  # not before its addresses are free: another one for the same nodes waits for this
        if asked:
            with suppress(OSError):
                await _tell(writer, goes_on=not last)
        if last:
            self._over.set()

    async def _close(self) -> None:
        self._server.close()
        await self.control.stop()
        await self.membership.stop()

    async def _watch(self) -> None:
        """Freeze when all life lines are frozen (SIGSTOP is for the nodes); say anew where they are when their files are removed."""
        looked = 0.0
        while True:
            await asyncio.sleep(FROZEN_SECONDS)
            lines = [line for line in self.lines if not line.gone]
            if lines and all(_frozen(line.pid) for line in lines):
                os.kill(os.getpid(), signal.SIGSTOP)
            looked += FROZEN_SECONDS
            if looked >= LOOK_SECONDS:
                looked = 0.0
                for line in lines:
                    directory = line.settings.directory
                    if directory.is_dir() and not (directory / READY).exists():
                        self._announce(line)  # somebody has removed it, and nobody would find us

    def _announce_all(self) -> None:
        for line in self.lines:
            self._announce(line)

    def _announce(self, line: Line) -> None:
        """Write ready.json at one stroke."""
        ready: dict[str, Any] = {
            "pid": line.pid,
            "network": line.network,
            "version": line.settings.version,
            "edition": line.settings.edition,
            "control": self._control,
            "nodes": list(self.membership.of(line.network).values()),
        }
        replace(line.settings.directory / READY, json.dumps(ready, indent=1))


def _frozen(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


async def _tell(writer: asyncio.StreamWriter, **words: Any) -> None:
    writer.write(json.dumps(words).encode() + b"\n")
    await writer.drain()
