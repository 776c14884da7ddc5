"""Evacuations at work: one task per evacuating node does what the state machine says, and remembers it on disk.

The rule: decisions are `evacuation.Evacuation`'s; here is only who counts, who is asked, and the ``.evacuation`` file.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from lab.node.broker.cluster import Cluster
from lab.node.broker.node import BrokerNode
from lab.node.moving import evacuation
from lab.node.moving.evacuation import Census, Evacuation, Parameters, Phase

FILE = ".evacuation"


class AlreadyStartedError(Exception):
    """The node evacuates already."""


class BusyError(Exception):
    """The node's eviction agent works for a rebalance."""


class NotStartedError(Exception):
    """There is nothing to stop."""


class Evacuations:
    """All evacuations of a cluster.

    ``directory`` says where a node keeps its ``.evacuation`` file; ``busy`` whether a rebalance has the node; ``clock`` and ``sleep`` are the
    cluster's own time, unless a test lets another one pass.
    """

    def __init__(self, cluster: Cluster, directory: Callable[[str], Path], busy: Callable[[str], bool]) -> None:
        """Nothing evacuates yet; `resume` picks up what a restart left."""
        self.cluster, self.directory, self.busy = cluster, directory, busy
        self.clock, self.sleep = cluster.clock, cast("Callable[[float], Awaitable[None]]", asyncio.sleep)
        self.running: dict[str, Evacuation] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, parameters: Parameters) -> None:
        """Begin; raises AlreadyStartedError or BusyError."""
        if name in self.running:
            raise AlreadyStartedError
        if self.busy(name):
            raise BusyError
        self._write(name, parameters)
        self.running[name] = evacuation.begin(parameters, self.clock(), self._census(name, parameters))
        self._drive(name)

    def resume(self, name: str) -> bool:
        """Go on after a restart when there is a file; the node refuses clients before its listeners open."""
        path = self._path(name)
        if name in self.running or not path.exists():
            return False
        self.running[name] = evacuation.resume(json.loads(path.read_text()), self.clock())
        self._refuse(name)
        self._drive(name)
        return True

    def stop(self, name: str) -> None:
        """End it and let clients in again; sessions not yet moved stay.  Raises NotStartedError."""
        if name not in self.running:
            raise NotStartedError
        self.pause(name)
        self._path(name).unlink(missing_ok=True)
        self.cluster.nodes[name].accept_connects()

    def pause(self, name: str) -> None:
        """The node is gone: forget the evacuation but keep its file, as a stopped node does."""
        self.running.pop(name, None)
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    def recipients(self, name: str, parameters: Parameters) -> tuple[str, ...]:
        """Who could take sessions at this moment: wanted, running, and not evacuating themselves."""
        running = [node.name for node in self.cluster.running_nodes()]
        # A given list is shown backwards (04b_evacuation_run); without one the order is that of the names.
        wanted = sorted(running) if parameters.migrate_to is None else [*reversed(parameters.migrate_to)]
        return tuple(one for one in wanted if one != name and one in running and one not in self.running)

    def status(self, name: str) -> dict[str, Any] | None:
        """The entry of global_status without the name; None when the node does not evacuate."""
        running = self.running.get(name)
        return None if running is None else running.report(self.recipients(name, running.parameters))

    def _drive(self, name: str) -> None:
        self._tasks[name] = asyncio.get_running_loop().create_task(self._work(name))

    async def _work(self, name: str) -> None:
        while (running := self.running[name]).phase is not Phase.PROHIBITING:
            await self.sleep(max(0.0, running.due - self.clock()))
            moved = running.advance(self.clock(), self._census(name, running.parameters))
            self.running[name] = moved
            if moved.refuses_connects and not running.refuses_connects:
                self._refuse(name)
            self._act(name, moved)

    def _act(self, name: str, moved: Evacuation) -> None:
        node = self.cluster.nodes[name]
        if moved.act.connections:
            node.evict(moved.act.connections, moved.parameters.server_reference or "")
        if moved.act.sessions:
            recipients = [self.cluster.nodes[one] for one in moved.act.recipients]
            node.move_sessions(moved.act.sessions, recipients)

    def _refuse(self, name: str) -> None:
        reference = self.running[name].parameters.server_reference or ""
        self.cluster.nodes[name].refuse_connects(reference)

    def _census(self, name: str, parameters: Parameters) -> Census:
        node: BrokerNode = self.cluster.nodes[name]
        return Census(node.live_connections, node.connections, self.recipients(name, parameters))

    def _path(self, name: str) -> Path:
        return self.directory(name) / FILE

    def _write(self, name: str, parameters: Parameters) -> None:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(parameters.remembered()))
