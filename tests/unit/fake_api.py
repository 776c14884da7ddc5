"""A cluster in memory as the operations ask it: a colour of a ``World`` (``tests.unit.fake_world``)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from components.cutover.evacuation import Evacuation
from components.cutover.words import Colour, Edition
from components.emqx.account import Account
from components.emqx.answers import EvacuationFacts, LicenseFacts, NodeFacts, SessionFacts, SessionTotals
from components.emqx.clients import ConnectedClient, ConnectedClients, Door
from components.emqx.errors import Unauthorized, Unreachable
from tests.handles import cluster_at

if TYPE_CHECKING:
    from tests.unit.fake_world import World


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

    async def configs_text(self, _node: str) -> str | None:
        self.alive()
        return None

    async def doors(self) -> dict[str, Door]:
        self.alive()
        return {self.node: self.door}

    async def evacuation_status(self) -> dict[str, Any]:
        self.alive()
        entries = [] if self.rate is None else [self._status().model_dump(mode="json")]
        return {"evacuations": entries, "purges": [], "rebalances": list(self.rebalances)}

    async def brokers_now(self, **_: Any) -> float | None:
        return None if self.dead else self.world.clock.now() + self.ahead_seconds
