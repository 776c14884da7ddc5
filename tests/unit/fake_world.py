"""Two clusters, a balancer and devices in memory, under a clock that only moves when somebody sleeps.

It answers what the operations ask, with the semantics of docs/emqx/evacuation.md, moving.md and balancer.md; the lab tier holds the same
operations against sockets.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from components.cutover.cohort import belongs
from components.cutover.evacuation import Evacuation
from components.cutover.words import COLOURS, Colour, Edition
from components.emqx.account import Account
from components.emqx.answers import EvacuationFacts, LicenseFacts, NodeFacts, SessionFacts, SessionTotals
from components.emqx.clients import ConnectedClient, ConnectedClients, Door
from components.emqx.errors import Unauthorized, Unreachable
from components.emqx.models import ClusterHandle, Node
from components.run.run import Run
from tests.fake_balancer import FakeLedger, FakeRouter
from tests.handles import cluster_at

UNFINISHED = (
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.usefixtures("swept"),
)
"""Marks of modules that leave coroutines where they were, which is the point: a run is killed, a look is cancelled before it began."""


class Killed(BaseException):
    """The run is gone, as after SIGKILL: nothing may catch it."""


class FakeClock:
    """Sleeping lets the world go on."""

    def __init__(self, world: World) -> None:
        self.time, self._world = 1_000.0, world

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += max(seconds, 0.001)
        self._world.tick(self.time)
        await asyncio.sleep(0)


class FakeApi:
    """One colour of the world, of one node."""

    def __init__(self, world: World, colour: Colour, *, evacuates: bool) -> None:
        self.world, self.colour, self.evacuates = world, colour, evacuates
        self.node = f"emqx@{colour}"
        self.handle = cluster_at(colour, colour=colour, version="5.8.9")
        self.rate: int | None = None
        self.evicting_from = 0.0
        self.dead = False
        self.revoked = False
        self.ahead_seconds = 0.0
        self.batches: list[int] = []
        self.licensed: int | None = None
        self.door = Door(None, None)
        self.rebalances: list[dict[str, Any]] = []
        self.exports: Any = self
        self.no_subscribers = 0
        self.storage: Any = None

    @property
    def node_names(self) -> tuple[str, ...]:
        return (self.node,)

    def mine(self) -> list[str]:
        return [one for one, colour in self.world.at.items() if colour == self.colour]

    def alive(self) -> None:
        if self.dead:
            raise Unreachable("asking", node=self.node, seen="nothing", todo="wait")
        if self.revoked:
            raise Unauthorized("asking", node=self.node, seen="401 BAD_API_KEY_OR_SECRET", todo="check the API key")

    async def nodes(self, **_: Any) -> tuple[NodeFacts, ...]:
        self.alive()
        count = len(self.mine())
        facts = {"node": self.node, "node_status": "running", "connections": count, "live_connections": count}
        return (NodeFacts.model_validate({**facts, "memory_used": "1G", "memory_total": "4G"}),)

    async def live_connections(self, **_: Any) -> dict[str, int]:
        self.alive()
        return {self.node: len(self.mine())}

    async def connected_client_ids(
        self, wanted: Callable[[str], bool] = lambda _: True, *, mqtt5: Callable[[str], None] | None = None
    ) -> list[str]:
        self.alive()
        for one in self.mine():
            if mqtt5 is not None and one in self.world.mqtt5:
                mqtt5(one)
        return sorted(filter(wanted, self.mine()))

    async def connected_clients(
        self, wanted: Callable[[str], bool] = lambda _: True, *, mqtt5: Callable[[str], None] | None = None
    ) -> ConnectedClients:
        ids = await self.connected_client_ids(wanted, mqtt5=mqtt5)
        addresses = self.world.addresses
        return ConnectedClients(ConnectedClient(one, addresses.get(one, f"{one} past the balancer")) for one in ids)

    async def connected_pages(self) -> AsyncIterator[list[str]]:
        self.alive()
        yield self.mine()

    async def websocket_clients(self) -> frozenset[str]:
        self.alive()
        return frozenset(self.mine()) & self.world.masked

    async def session_pages(self) -> AsyncIterator[list[SessionFacts]]:
        self.alive()
        left = [
            SessionFacts(one, connected=False, mqueue_len=0, inflight_cnt=0, disconnected_at=None)
            for one in sorted(self.world.behind[self.colour])
        ]
        yield [*self.world.sessions.get(self.colour, ()), *left]

    async def session_totals(self) -> SessionTotals:
        self.alive()
        some = self.world.sessions.get(self.colour, ())
        connected = sum(one.connected for one in some)
        return SessionTotals(connected, len(some) - connected, sum(one.mqueue_len + one.inflight_cnt for one in some))

    async def offline_sessions(self, most: int) -> list[SessionFacts]:
        self.alive()
        return [one for one in self.world.sessions.get(self.colour, ()) if not one.connected][:most]

    async def takes_any_client_id(self) -> bool:
        return True

    async def sweep(self) -> int:
        return 0

    @asynccontextmanager
    async def temporary_account(self, _rules: Sequence[Any]) -> AsyncIterator[Account | None]:
        yield None

    async def kick(self, ids: Sequence[str]) -> None:
        self.alive()
        self.world.act()
        self.batches.append(len(ids))
        for one in ids:
            self.world.behind[self.colour].discard(one)
            if self.world.at.get(one) == self.colour:
                self.world.told[one] += one in self.world.mqtt5
                self.world.disconnect(one)

    async def edition(self) -> Edition:
        return "ee" if self.evacuates else "ce"

    async def has_evacuation(self, **_: Any) -> bool:
        self.alive()
        return self.evacuates

    async def evacuation_start(self, node: str, knobs: Evacuation, recipients: Sequence[str] = ()) -> bool:
        self.alive()
        self.world.act()
        assert node == self.node
        self.world.router.down.add(self.colour)
        self.rate = knobs.conn_evict_rate
        self.evicting_from = self.world.clock.now() + knobs.wait_health_check_seconds
        return True

    async def evacuation_stop(self, node: str) -> bool:
        self.alive()
        self.world.act()
        was, self.rate = self.rate is not None, None
        self.world.router.down.discard(self.colour)
        return was

    async def evacuations(self, **_: Any) -> dict[str, EvacuationFacts]:
        self.alive()
        return {} if self.rate is None else {self.node: self._status()}

    def _status(self) -> EvacuationFacts:
        if self.world.clock.now() < self.evicting_from:
            state = "waiting_health_check"
        else:
            state = "evicting_conns" if self.mine() else "prohibiting"
        return EvacuationFacts.model_validate(
            {"node": self.node, "state": state, "connection_eviction_rate": self.rate or 0}
        )

    async def metrics(self, **_: Any) -> dict[str, int]:
        self.alive()
        refused = self.world.refused[self.colour]
        return {
            "packets.connack.sent": self.world.accepted[self.colour] + refused,
            "packets.connack.error": refused,
            "messages.dropped.no_subscribers": self.no_subscribers,
        }

    async def license(self, **_: Any) -> LicenseFacts | None:
        return None if self.licensed is None else LicenseFacts(max_sessions=self.licensed)

    async def listeners(self) -> dict[int, str]:
        self.alive()
        return {1883: "tcp:default"}

    async def doors(self) -> dict[str, Door]:
        self.alive()
        return {self.node: self.door}

    async def evacuation_status(self) -> dict[str, Any]:
        self.alive()
        entries = [] if self.rate is None else [self._status().model_dump(mode="json")]
        return {"evacuations": entries, "purges": [], "rebalances": list(self.rebalances)}

    async def brokers_now(self, **_: Any) -> float | None:
        return None if self.dead else self.world.clock.now() + self.ahead_seconds


class World:
    """All devices begin on blue; ``kills`` are the acts before which the run dies."""

    def __init__(self, ids: Sequence[str], *, evacuates: bool = True, die_at: int | None = None) -> None:
        self.clock = FakeClock(self)
        self.ledger = FakeLedger()
        self.router = FakeRouter(self.ledger)
        self.router.acting, self.router.closed = self.act, self.close
        self.at: dict[str, Colour] = {}
        self.addresses: dict[str, str] = {}
        self.behind: dict[Colour, set[str]] = {colour: set() for colour in COLOURS}
        self.persistent: set[str] = set()
        self.told: Counter[str] = Counter()
        self._connects = 0
        self.disconnects: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.sessions: dict[Colour, list[SessionFacts]] = {}
        self.apis = {colour: FakeApi(self, colour, evacuates=evacuates) for colour in COLOURS}
        self.acts, self.die_at = 0, die_at
        self.journal: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self._ticked = self.clock.now()
        self.away_seconds = 0.0
        self.mqtt5: set[str] = set()
        self.lost_at_a_move = 0
        self.never: set[str] = set()
        self.masked: set[str] = set()
        self._due: list[tuple[float, str]] = []
        for one in ids:
            self.appear(one, "blue")

    def was_at(self, parts: int) -> None:
        """The share has been that one before the test begins."""
        self.ledger.share, self.router.in_force = parts, [parts] * len(self.router.in_force)

    def act(self) -> None:
        """Somebody is about to change the world; the run may die here."""
        self.acts += 1
        if self.die_at is not None and self.acts >= self.die_at:
            raise Killed

    def appear(self, one: str, colour: Colour) -> None:
        """A connection through the balancer, from another port than the one before."""
        self._connects += 1
        self.at[one] = colour
        self.addresses[one] = f"10.0.0.1:{self._connects}"
        self.router.held[self.addresses[one]] = (colour, str(self._connects))

    def close(self, address: str) -> None:
        """The balancer has ended a connection: the session stays where it was, if it outlives connections."""
        one = next(one for one, where in self.addresses.items() if where == address)
        if one in self.persistent:
            self.behind[self.at[one]].add(one)
        self.disconnect(one)

    def disconnect(self, one: str) -> None:
        """The device loses its connection and comes back through the balancer."""
        self.disconnects[one] += 1
        self.apis["green"].no_subscribers += self.lost_at_a_move
        self.router.held.pop(self.addresses.get(one, ""), None)
        if one in self.never:
            del self.at[one]
        elif self.away_seconds:
            del self.at[one]
            self._due.append((self.clock.now() + self.away_seconds, one))
        else:
            self.connect(one)

    def connect(self, one: str) -> None:
        """The device comes to the balancer."""
        seen = "one address" if one in self.masked else one
        colour: Colour = "green" if belongs(seen, self.router.parts) else "blue"
        self.appear(one, colour)
        self.accepted[colour] += 1

    def tick(self, now: float) -> None:
        """Devices come back after their pause; node evacuation works in bursts, once a second."""
        back, self._due = [pair for pair in self._due if pair[0] <= now], [pair for pair in self._due if pair[0] > now]
        for _, one in back:
            self.connect(one)
        while self._ticked + 1 <= now:
            self._ticked += 1
            for api in self.apis.values():
                if api.rate is not None and self._ticked >= api.evicting_from:
                    for one in api.mine()[: api.rate]:
                        self.disconnect(one)

    def run(self, token: str) -> Run:
        def record(event: str, **facts: Any) -> None:
            self.journal.append({"t": self.clock.now(), "run": token, "event": event, **facts})

        return Run(
            clusters=self.apis,  # type: ignore[arg-type]
            router=self.router,
            ledger=self.ledger,
            token=token,
            record=record,
            progress=self.lines.append,
            warn=self.lines.append,
            interrupted=lambda: None,
            clock=self.clock,
            connect_milliseconds=one_millisecond,
            answers=as_declared,
        )


def fleet(clients: int, **more: Any) -> World:
    """A world of that many devices."""
    return World([f"dev-{number}" for number in range(clients)], **more)


async def as_declared(_node: Node, _proxied: bool) -> bool:
    return True


async def one_millisecond(_: ClusterHandle) -> float:
    return 1.0
