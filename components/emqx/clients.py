"""What is asked of a cluster about its clients: the part of the seam ``base.Cluster`` that grows with the fleet.

The rule: of a client nothing is kept but what was asked for, and a list is read page by page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple, Protocol

from components.emqx.answers import SessionFacts, SessionTotals


class FleetSample(NamedTuple):
    """Sessions from all over a fleet: ``looked_at`` of ``sessions``; the ids of those with a socket (and of those that came by WebSocket, where that was asked), and the totals of those looked at."""

    sessions: int
    looked_at: int
    connected_ids: tuple[str, ...]
    persistent: SessionTotals
    websocket_ids: tuple[str, ...] = ()


class ConnectedClient(NamedTuple):
    """A client with a socket, and where the cluster sees it come from (``system.address.peer``)."""

    client_id: str
    address: str


class Clients(Protocol):
    """Clients and sessions of one colour."""

    async def mqtt5_clients(self) -> int:
        """How many clients with a socket speak MQTT 5, counted by the cluster itself."""
        ...

    async def brokers_now(self, *, patience_seconds: float | None = None) -> float | None:
        """Unix seconds by the brokers' own clock, with which alone their times may be compared.

        The latest of the nodes that answer, so that what is judged to be after it is so on all of them; None when none does.
        """
        ...

    def connected_pages(self) -> AsyncIterator[list[str]]:
        """The ids of all clients with a socket, page by page; an id may come twice."""
        ...

    async def connected_client_ids(
        self, wanted: Callable[[str], bool] = ..., *, mqtt5: Callable[[str], None] | None = None
    ) -> list[str]:
        """The ids of the clients with a socket that are ``wanted``, each once, sorted; ``mqtt5`` hears of each client that speaks MQTT 5."""
        ...

    async def websocket_clients(self) -> frozenset[str]:
        """The ids of the clients with a socket that came by WebSocket; costs whole rows of all clients."""
        ...

    async def connected_clients(
        self, wanted: Callable[[str], bool] = ..., *, mqtt5: Callable[[str], None] | None = None
    ) -> list[ConnectedClient]:
        """As ``connected_client_ids``, with the address of each."""
        ...

    def session_pages(self) -> AsyncIterator[list[SessionFacts]]:
        """The sessions that outlive their connection, connected or not, page by page."""
        ...

    async def offline_sessions(self, most: int) -> list[SessionFacts]:
        """At most so many sessions for each of its nodes whose client is not connected at this very moment."""
        ...

    async def session_totals(self) -> SessionTotals:
        """How many sessions outlive their connection, and how many messages wait in them."""
        ...

    async def sample(self, most: int, *, websocket: bool = False) -> FleetSample:
        """About ``most`` sessions from all over the fleet, or all of them where there are no more; the calls do not grow with the fleet."""
        ...

    async def kick(self, ids: Sequence[str]) -> None:
        """End connections **and sessions** of these clients; unknown ids are ignored, safe to repeat."""
        ...
