"""The seam between a cutover and what sends the clients to a colour; what a router cannot do is said by its capabilities, before anything is touched.

The rule: a router knows only the share that is in force. The one that is wanted stands in the ledger, and is written there first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from components.cutover.capabilities import Capabilities, Knows, Late
from components.cutover.words import Colour

__all__ = [
    "Bound",
    "Bounds",
    "Capabilities",
    "Knows",
    "Late",
    "Mark",
    "Router",
    "SeenAs",
    "Server",
    "ServerState",
    "Spreads",
]

ServerState = Literal["ready", "drain", "maint"]
"""Takes clients when it is healthy; takes none, keeps those that it has, and is checked; takes none and is not checked."""
SeenAs = Literal["client", "balancer"]
"""Whose address a node reports for a client: its own (PROXY protocol), or that of the balancer's connection to the node."""
Mark = Mapping[str, int]
"""A moment, as the processes of a router count their connections."""


class Server(NamedTuple):
    """A node behind the balancer: its state (None: replicas have different ones), and the connections that all of them hold to it."""

    state: ServerState | None
    connections: int


class Bound(NamedTuple):
    """No more than so many clients for these colours together."""

    colours: frozenset[Colour]
    clients: int


@runtime_checkable
class Bounds(Protocol):
    """What a router also is that can keep clients waiting: who finds no room gets no answer from a node, and is closed after a while."""

    async def bound(self, bounds: Sequence[Bound]) -> None:
        """Let in no more than this, over all replicas, and nobody out; colours that none names have no bound. A router that restarts has none."""
        ...


@runtime_checkable
class Spreads(Protocol):
    """What a router also is whose share reaches devices by answers that others keep for a while (``can.spread_seconds``)."""

    async def in_sync(self) -> float | None:
        """How long from now on answers of before the last change of this process may be kept, in seconds; None as long as not everybody who answers has the change, 0 where there was none, and from the second time on."""
        ...


class Router(Protocol):
    """The share that is in force, over all replicas."""

    @property
    def can(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def end_command(self) -> str:
        """What a person types to end it for good, with all its connections."""
        ...

    async def share(self) -> int:
        """Green's share in parts of 10,000; Refused when replicas disagree."""
        ...

    async def set_share(self, parts: int) -> None:
        """Set green's share on every replica, and read it back; only while the ledger is held (``routers.share``)."""
        ...

    async def health(self) -> Mapping[Colour, Mapping[str, bool]]:
        """For each colour and node name, whether every replica has it fully up; a colour that it does not have has no nodes."""
        ...

    async def connections(self) -> Mapping[Colour, int]:
        """How many connections it holds to each colour that it has; a colour that it cannot count is missing."""
        ...

    async def servers(self) -> Mapping[Colour, Mapping[str, Server]]:
        """For each colour and node name what it is to the balancer."""
        ...

    async def set_server(self, colour: Colour, node: str, state: ServerState) -> None:
        """Set a node's state on every replica, and read it back; only while the ledger is held (``routers.servers``). Refused where there is no such node."""
        ...

    async def mark(self) -> Mark:
        """The present moment, for ``close``; empty where connections cannot be closed."""
        ...

    async def find(
        self, colour: Colour, addresses: Collection[str], *, seen_as: SeenAs = "client", websocket_only: bool = False
    ) -> dict[str, str]:
        """The router's own word for the connections to a colour with these addresses (``system.address.peer``), by address; what it does not have, or has twice, is missing; ``websocket_only`` are those that came by WebSocket."""
        ...

    async def close(
        self, colour: Colour, found: Mapping[str, str], *, seen_as: SeenAs = "client", mark: Mark | None = None
    ) -> frozenset[str]:
        """End connections that were found, each with a FIN to both ends; the addresses of those that were ended.

        One that has ended meanwhile is passed over, and so is another connection in its place, or one that began after ``mark``.
        """
        ...

    def replicas(self) -> Sequence[Router]:
        """Each replica by itself, for a question that one which does not answer must not stop."""
        ...
