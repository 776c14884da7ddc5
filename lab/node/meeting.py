"""Whom a node that boots alone finds: the clusters of its seeds, at once or when the DNS knows them.

The rule: of two that boot at the same time the younger joins the older, and a node that is with others looks for nobody.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Awaitable, Callable

from lab.node.boot import Joining
from lab.node.discovery import found, is_question
from lab.node.process import Managed
from lab.node.seating import Seating

LOOKS, LOOK_SECONDS = 120, 0.5
"""How often a node that is alone asks the DNS again."""


class Meeting(Seating, ABC):
    """All nodes of one process, and who of them finds whom."""

    def __init__(self, first: Managed) -> None:
        """Nobody has looked for anybody."""
        super().__init__(first)
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self._found: dict[str, tuple[str, ...]] = {}
        self._one_by_one = asyncio.Lock()
        self._starts: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @abstractmethod
    def pace(self, name: str) -> Joining:
        """How long what a node does takes."""

    @abstractmethod
    async def _join(self, name: str, target: Managed) -> None:
        """Become a member of another cluster."""

    def _look_later(self, name: str) -> None:
        """Where the DNS is asked for the others, which may know them a little later, ask on while it is alone."""
        if self._together(name) or not any(is_question(seed) for seed in self.terms(name).seeds):
            return
        task = asyncio.get_running_loop().create_task(self._look_on(name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _together(self, name: str) -> bool:
        home = self.home(name)
        return home is None or len(home.cluster.nodes) > 1

    async def _look_on(self, name: str) -> None:
        for _ in range(LOOKS):
            await self.sleep(LOOK_SECONDS)
            async with self._starts[name]:
                if self._together(name) or not self.runs(name):
                    return
                await self._look(name)

    async def _look(self, name: str) -> None:
        """Join the oldest cluster that its seeds name, where that is older than its own."""
        self._found[name] = await found(self.terms(name).seeds, self._names)
        if self._older(name):
            await self.sleep(self.pace(name).alone)
            async with self._one_by_one:
                if older := self._older(name):
                    await self._join(name, older[0])

    def _names(self, ip: str) -> list[str]:
        return [name for name in self.names() if self.ip(name) == ip]

    def _older(self, name: str) -> list[Managed]:
        """The clusters of its seeds that ran before its own one, oldest first: of two that boot at the same time one joins the other."""
        mine = self._home(name)
        there = [self._home(seed) for seed in self._found.get(name, ()) if self._met(name, seed)]
        return sorted((one for one in there if one.since < mine.since), key=lambda one: one.since)

    def _met(self, name: str, other: str) -> bool:
        """Whether a node finds another one: it runs, and has the same cookie."""
        return other != name and self.runs(other) and self.terms(other).cookie == self.terms(name).cookie
