"""A ledger and a router in memory, which hold the run that uses them to the rules of both seams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from components.cutover.words import COLOURS, Colour
from components.emqx.errors import Refused
from components.ledger.base import Record, require_lease, require_parts
from components.routers.base import Capabilities, Mark, SeenAs, Server, ServerState
from components.routers.share import out_of_service


class FakeLedger:
    """Remembers, for one writer at a time; ``held`` is what it remembers, ``share`` the one that is wanted."""

    def __init__(self) -> None:
        self.share: int | None = 0
        self.memory: dict[str, str] = {}
        self.writer: FakeWriting | None = None
        self._lock = asyncio.Lock()

    async def read(self) -> Record:
        return Record(self.share, dict(self.memory))

    @asynccontextmanager
    async def held(self, holder: str | None) -> AsyncIterator[FakeWriting]:
        async with self._lock:
            if holder is not None:
                require_lease(self.memory, holder)
            self.writer = FakeWriting(self)
            try:
                yield self.writer
            finally:
                self.writer = None


class FakeWriting:
    def __init__(self, ledger: FakeLedger) -> None:
        self._ledger = ledger

    @property
    def record(self) -> Record:
        return Record(self._ledger.share, dict(self._ledger.memory))

    async def write(self, values: Mapping[str, str | None] | None = None, *, share: int | None = None) -> None:
        await asyncio.sleep(0)
        assert self._ledger.writer is self, "written after it was given back"
        if share is not None:
            require_parts(share)
            self._ledger.share = share
        changed = {**self._ledger.memory, **(values or {})}
        self._ledger.memory = {key: value for key, value in changed.items() if value is not None}


@dataclass
class FakeRouter:
    """Replicas that have a share each; it is theirs to set only while the ledger is held and says the same."""

    ledger: FakeLedger
    in_force: list[int] = field(default_factory=lambda: [0, 0])
    down: set[Colour] = field(default_factory=set)
    shares: list[int] = field(default_factory=list)
    can: Capabilities = field(default_factory=lambda: Capabilities("client-id"))
    states: dict[tuple[Colour, str], ServerState] = field(default_factory=dict)
    """Of the nodes ``n1`` of both colours, or of those that are named here."""
    held: dict[str, tuple[Colour, str]] = field(default_factory=dict)
    """The connections by their address: the colour, and another word each time one begins."""
    closed: Callable[[str], None] = lambda _: None
    """Called with the address of each connection that is closed."""
    acting: Callable[[], None] = lambda: None
    """Called before any is."""

    end_command = "true"

    @property
    def parts(self) -> int:
        """What new clients meet: that of the first replica."""
        return self.in_force[0]

    async def share(self) -> int:
        if len(set(self.in_force)) > 1:
            raise Refused("green's share", seen=f"replicas disagree: {self.in_force}", todo="settle them")
        return self.in_force[0]

    async def set_share(self, parts: int) -> None:
        assert self.ledger.writer is not None, "another run may write now"
        assert self.ledger.share == parts, "a replica that restarts would come back with another share"
        before = list(self.in_force)
        for number in range(len(self.in_force)):
            self.in_force[number] = parts
            await asyncio.sleep(0)
        if set(before) != {parts}:
            self.shares.append(parts)

    async def health(self) -> Mapping[Colour, Mapping[str, bool]]:
        return {colour: {"n1": colour not in self.down} for colour in COLOURS}

    async def connections(self) -> Mapping[Colour, int]:
        return {colour: sum(one == colour for one, _ in self.held.values()) for colour in COLOURS}

    async def servers(self) -> Mapping[Colour, Mapping[str, Server]]:
        nodes = {(colour, "n1"): "ready" for colour in COLOURS} | self.states
        return {
            colour: {node: Server(state, 0) for (one, node), state in nodes.items() if one == colour}  # type: ignore[arg-type]  # the words of a dict of both
            for colour in COLOURS
        }

    async def set_server(self, colour: Colour, node: str, state: ServerState) -> None:
        assert self.ledger.writer is not None, "another run may write now"
        remembered = out_of_service(self.ledger.memory).get((colour, node), "ready")
        assert remembered == state, "a replica that restarts would come back with another state"
        self.states[colour, node] = state
        await asyncio.sleep(0)

    async def mark(self) -> Mark:
        return {}

    async def find(
        self, colour: Colour, addresses: Collection[str], *, seen_as: SeenAs = "client", websocket_only: bool = False
    ) -> dict[str, str]:
        await asyncio.sleep(0)
        return {one: self.held[one][1] for one in addresses if one in self.held and self.held[one][0] == colour}

    async def close(
        self, colour: Colour, found: Mapping[str, str], *, seen_as: SeenAs = "client", mark: Mark | None = None
    ) -> frozenset[str]:
        await asyncio.sleep(0)
        self.acting()
        ended = frozenset(one for one, word in found.items() if self.held.get(one) == (colour, word))
        for one in sorted(ended):
            del self.held[one]
            self.closed(one)
        return ended

    def replicas(self) -> list[FakeRouter]:
        return [replace(self, in_force=[parts]) for parts in self.in_force]
