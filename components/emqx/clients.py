"""What is asked of a cluster about its clients: the part of the seam ``base.Cluster`` that grows with the fleet.

The rule: of a client nothing is kept but what was asked for, and a list is read page by page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from components.emqx.answers import SessionFacts, SessionTotals
from components.emqx.packed import Packed


class FleetSample(NamedTuple):
    """Sessions from all over a fleet: ``looked_at`` of ``sessions``; the ids of those with a socket (and of those that came by WebSocket, where that was asked), and the totals of those looked at."""

    sessions: int
    looked_at: int
    connected_ids: tuple[str, ...]
    persistent: SessionTotals
    websocket_ids: tuple[str, ...] = ()


class Door(NamedTuple):
    """What a node lets in by its listeners: so many clients at once, so many new connections a second; None: without a limit that is known."""

    most: float | None
    per_second: float | None


class ConnectedClient(NamedTuple):
    """A client with a socket, and where the cluster sees it come from (``system.address.peer``)."""

    client_id: str
    address: str


class ConnectedClients:
    """Clients with a socket, each once, sorted by id; there may be as many as the fleet has."""

    def __init__(self, some: Iterable[ConnectedClient] = ()) -> None:
        """Of these, in any order."""
        self._texts: list[str] = []
        self._has_nul = False
        for one in some:
            self.add(*one)
        self.settle()

    def add(self, client_id: str, address: str) -> None:
        """One more, until ``settle``."""
        self._texts.append(f"{client_id}\0{len(self._texts):010}{address}{len(address):05}")
        self._has_nul = self._has_nul or "\0" in client_id

    def settle(self) -> None:
        """Sort them; of an id that came twice the later one stays."""
        # a NUL sorts before all else, and no client id may have one (MQTT 5, 1.5.4); for one that has, a key for each is needed
        self._texts.sort(key=_numbered if self._has_nul else None, reverse=True)
        _each_once(self._texts, lambda text: _client(text).client_id)
        # from the end, and each goes as it is packed: both at once would be the most that is ever needed
        self._packed, self._taken = Packed(self._texts.pop() for _ in range(len(self._texts))), 0

    def __len__(self) -> int:
        """How many."""
        return len(self._packed) - self._taken

    def __iter__(self) -> Iterator[ConnectedClient]:
        """In the order of their ids."""
        return (_client(self._packed[index]) for index in range(self._taken, len(self._packed)))

    def leave_out(self, these: Callable[[str], bool]) -> None:
        """Without these ids from now on."""
        left = (self._packed[index] for index in range(self._taken, len(self._packed)))
        self._packed, self._taken = Packed(one for one in left if not these(_client(one).client_id)), 0

    def take(self, count: int) -> Iterator[ConnectedClient]:
        """The first of them, which are no longer among them then."""
        taken = self._packed[self._taken : self._taken + count]
        self._taken += len(taken)
        return map(_client, taken)


def _client(text: str) -> ConnectedClient:
    end = len(text) - 5
    begin = end - int(text[end:])
    return ConnectedClient(text[: begin - 11], text[begin:end])


def _numbered(text: str) -> tuple[str, str]:
    client_id = _client(text).client_id
    return client_id, text[len(client_id) + 1 :]


def once(ids: list[str]) -> list[str]:
    """The same list, sorted, each id once: in place, since a second table of a fleet would be the larger part of what a listing needs."""
    ids.sort()
    _each_once(ids, lambda one: one)
    return ids


def _each_once(ordered: list[str], key: Callable[[str], str]) -> None:
    kept = 0
    for one in ordered:
        if kept == 0 or key(one) != key(ordered[kept - 1]):
            ordered[kept] = one
            kept += 1
    del ordered[kept:]


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

    async def retained_messages(self) -> int | None:
        """How many retained messages the cluster counts, those of ``$SYS`` among them where it keeps any; None where it does not say."""
        ...

    def connected_pages(self) -> AsyncIterator[list[str]]:
        """The ids of all clients with a socket, page by page; an id may come twice."""
        ...

    async def connected_client_ids(
        self, wanted: Callable[[str], bool] = ..., *, mqtt5: Callable[[str], None] | None = None
    ) -> list[str]:
        """The ids of the clients with a socket that are ``wanted``, each once, sorted; ``mqtt5`` hears of each client that speaks MQTT 5."""
        ...

    async def websocket_clients(self) -> frozenset[str] | None:
        """The ids of the clients with a socket that came by WebSocket; costs whole rows of all clients. None where the cluster does not tell."""
        ...

    async def connected_clients(
        self, wanted: Callable[[str], bool] = ..., *, mqtt5: Callable[[str], None] | None = None
    ) -> ConnectedClients:
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
