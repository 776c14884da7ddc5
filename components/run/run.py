"""One run of the chain: what it acts on and whether it still may; every act is preceded by ``checkpoint``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from components.cutover.cohort import everybody
from components.cutover.words import Colour, other
from components.emqx.base import Cluster, Scope
from components.emqx.models import ClusterHandle, Node
from components.emqx.take_over import Outcome, take_over
from components.ledger.base import LEASE, SPREADS_UNTIL, Ledger, require_lease
from components.routers import share
from components.routers.base import Router, SeenAs, ServerState, Spreads
from components.run import orders

IN_SYNC_SECONDS = 180.0
"""Within which whoever answers devices has a change of the share (Route 53: generally 60 s)."""
_AT_ONCE = 5_000
"""Addresses that a balancer is asked for in one look at all its connections."""


class Clock(Protocol):
    """Time as an argument."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let others run for so long."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Let others run for so long."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True)
class Run:
    """What the links of one run share.

    ``record(event, **facts)`` appends to the journal, ``progress(line)`` shows a line in the update's output (never
    repeated at the end), ``warn(line)`` one that stays in its diagnostics, ``interrupted()`` raises Stopped after Ctrl-C or when the engine is gone, ``connect_milliseconds(handle)``
    is how long a cluster takes to accept a client, ``answers(node, proxied)`` whether a node
    answers a CONNECT with the PROXY header or without. ``scope`` says what a colour is,
    ``take_over`` brings a session to a node.
    """

    clusters: Mapping[Colour, Cluster]
    router: Router
    ledger: Ledger
    token: str
    record: Callable[..., None]
    progress: Callable[[str], None]
    warn: Callable[[str], None]
    interrupted: Callable[[], None]
    clock: Clock
    connect_milliseconds: Callable[[ClusterHandle], Awaitable[float | None]]
    answers: Callable[[Node, bool], Awaitable[bool]]
    scope: Scope = "cluster"
    take_over: Callable[..., Awaitable[Outcome]] = take_over

    @property
    def in_one_cluster(self) -> bool:
        """Whether both colours are nodes of one cluster: then sessions can follow their clients, and no data moves."""
        return self.scope == "colour"

    async def checkpoint(self, still: orders.Still | None = None) -> float:
        """Raise Stopped or LeaseLost when this run must not act any more, Unreachable when clients that are moved would find no balancer.

        A hold is waited for, an abort raises GateFailed (``run.orders``); ``still`` is what a cluster does meanwhile. Returns the seconds that it was held.
        """
        memory, held = await self.mine(), 0.0
        if memory.keys() & {orders.HOLD, orders.ABORT}:
            held = await orders.obey(memory, self._ears, still)
        await self.router.share()
        return held

    @property
    def _ears(self) -> orders.Ears:
        clock, keeps = self.clock, self.router.can.keeps_seconds
        return orders.Ears(
            self.mine, clock.now, clock.sleep, self.record, self.progress, self.warn, self._forget, keeps
        )

    async def held(self) -> bool:
        """Whether somebody has told this run to stay as it is."""
        memory = await self.memory()
        return orders.HOLD in memory and orders.ABORT not in memory

    async def mine(self) -> Mapping[str, str]:
        """The memory, as long as this run may act; for what is not to be held half-way."""
        self.interrupted()
        memory = (await self.ledger.read()).memory
        require_lease(memory, self.token)
        return memory

    async def _forget(self, key: str) -> None:
        await self.remember({key: None})

    async def act(self, event: str, **facts: Any) -> None:
        """A checkpoint, then the fact in the journal."""
        await self.checkpoint()
        self.record(event, **facts)

    async def set_share(self, parts: int) -> None:
        """Bring green's share (parts of 10,000) into force, under this run's lease; how long it may take to reach everybody is remembered first."""
        if isinstance(self.router, Spreads) and await self.router.share() != parts:
            latest = self.clock.now() + IN_SYNC_SECONDS + self.router.can.spread_seconds
            await self.remember({SPREADS_UNTIL: f"{latest:.3f}"})
        await share.set_share(self.router, self.ledger, parts, holder=self.token)

    async def set_server(self, colour: Colour, node: str, state: ServerState) -> None:
        """Take a node out of service at the balancer, or put it back, under this run's lease; a balancer that restarts keeps it so."""
        await share.set_server(self.router, self.ledger, colour, node, state, holder=self.token)

    def closes(self, colour: Colour) -> bool:
        """Whether the balancer can close clients of the colour one by one."""
        return self.router.can.closes(proxied=self.clusters[colour].handle.proxy_protocol)

    async def late(self, source: Colour, parts: int) -> frozenset[str]:
        """Who stays on ``source`` when green has ``parts`` though its id says otherwise: clients whose id the router cannot see, until everybody leaves."""
        if "websocket" not in self.router.can.late_clients or parts == everybody(other(source)):
            return frozenset()
        told = await self.clusters[source].websocket_clients()
        return await self._came_by_websocket(source) if told is None else told

    async def _came_by_websocket(self, source: Colour) -> frozenset[str]:
        """The same as the balancer has it, whose connections are found by the addresses that the cluster lists."""
        cluster, found = self.clusters[source], set[str]()
        listed = await cluster.connected_clients()
        seen_as: SeenAs = "client" if cluster.handle.proxy_protocol else "balancer"
        while len(listed):
            by_address = {address: one for one, address in listed.take(_AT_ONCE)}
            there = await self.router.find(source, by_address, seen_as=seen_as, websocket_only=True)
            found |= {by_address[address] for address in there}
        return frozenset(found)

    async def memory(self) -> Mapping[str, str]:
        """What is remembered of the cutover, by name (``ledger.base``)."""
        return (await self.ledger.read()).memory

    async def remember(self, values: Mapping[str, str | None]) -> None:
        """Remember the named values (``None`` forgets one), under this run's lease."""
        async with self.ledger.held(self.token) as writing:
            await writing.write(values)

    async def begin(self, values: Mapping[str, str | None]) -> None:
        """Take the lease from whoever had it, and remember the named values with it; an abort was meant for the run before."""
        async with self.ledger.held(None) as writing:
            await writing.write({LEASE: self.token, orders.ABORT: None, **values})
