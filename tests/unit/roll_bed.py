"""One cluster of several nodes in memory, its keeper and its balancer, under a clock that only moves when somebody sleeps.

A stopped node has no clients; whoever is closed or loses its node comes back to the node that has the fewest of those that the balancer gives out.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.cutover.evacuation import Evacuation
from components.cutover.facts import Thresholds
from components.cutover.roll import Release
from components.cutover.words import COLOURS, Colour, Edition
from components.emqx.answers import EvacuationFacts, LicenseFacts, NodeFacts, SessionFacts, SessionTotals
from components.emqx.clients import ConnectedClient
from components.emqx.errors import GaveUp, Unreachable
from components.emqx.models import ClusterHandle, Node
from components.emqx.take_over import Outcome
from components.keepers.base import Copied, Running
from components.links.roll import Rolling
from components.migration.inventory import Inventory, Section
from components.routers.base import Capabilities, Mark, SeenAs, Server, ServerState
from components.routers.share import out_of_service
from components.run.run import Run
from tests.fake_balancer import FakeLedger
from tests.handles import cluster_at
from tests.unit.fake_world import Killed, as_declared, one_millisecond

FIRST = "token"
OLD, NEW = Release("5.8.8", "ce"), Release("5.8.9", "ce")
EE_OLD, EE_NEW = Release("5.8.10", "ee"), Release("5.8.11", "ee")


@dataclass
class FakeNode:
    """A node: what its data were run with last, and whether it runs."""

    release: Release
    running: bool = True
    boots: bool = True
    evacuates: bool = False
    config: str = "mqtt { max_inflight = 32 }"


class RollClock:
    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += max(seconds, 0.001)
        await asyncio.sleep(0)


class RollWorld:
    """``clients`` are on the node that they name; ``acts`` counts what changes the world, and before number ``die_at`` the run dies."""

    def __init__(self, clients: Sequence[int], release: Release = OLD, *, evacuates: bool = False) -> None:
        self.names = [f"emqx@n{number + 1}" for number in range(len(clients))]
        self.nodes = {name: FakeNode(release) for name in self.names}
        self.at = {
            f"10.0.{index}.{number}:1": name
            for index, name in enumerate(self.names)
            for number in range(clients[index])
        }
        self.disconnects: Counter[str] = Counter()
        self.evacuates = evacuates
        self.license: int | None = None
        self.offline: dict[str, str] = {}
        self.any_client_id = True
        self.lost: list[str] = []
        self.connects = self.refused = 0
        self.clock = RollClock()
        self.ledger = FakeLedger()
        self.router = RollRouter(self)
        self.api = RollApi(self)
        self.keeper = RollKeeper(self)
        self.acts, self.die_at = 0, 0
        self.journal: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.least_serving = len(self.names)
        self.direct: set[str] = set()

    def act(self) -> None:
        self.acts += 1
        self.least_serving = min(self.least_serving, sum(map(self.serves, self.names)))
        if self.die_at and self.acts == self.die_at:
            raise Killed

    def serves(self, name: str) -> bool:
        node = self.nodes[name]
        return node.running and not node.evacuates and self.router.states.get(name, "ready") == "ready"

    def loads(self) -> dict[str, int]:
        return {name: sum(node == name for node in self.at.values()) for name in self.names}

    def disconnect(self, address: str) -> None:
        """The client comes back by itself, to whoever has the fewest."""
        del self.at[address]
        self.disconnects[address] += 1
        open_nodes = [name for name in self.names if self.serves(name)]
        assert open_nodes, "nobody is left to take a client"
        loads = self.loads()
        self.at[address] = min(open_nodes, key=lambda name: loads[name])

    def run(self, token: str = FIRST) -> Run:
        self.ledger.memory["run"] = token

        def record(event: str, **facts: Any) -> None:
            self.journal.append({"t": self.clock.now(), "run": token, "event": event, **facts})

        return Run(
            clusters={"blue": self.api},  # type: ignore[dict-item]
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
            take_over=self.take_over,
        )

    async def take_over(self, node: Node, session: SessionFacts, _account: Any, *, proxied: bool) -> Outcome:
        assert proxied
        self.offline[session.clientid] = node.name
        return "taken"

    def rolling(self, directory: Path, declared: Release = NEW, *, token: str = FIRST, **more: Any) -> Rolling:
        @asynccontextmanager
        async def of_nodes(names: Sequence[str]) -> AsyncIterator[Any]:
            yield RollApi(self, names)

        return Rolling(
            run=self.run(token),
            colour="blue",
            declared=declared,
            keeper=self.keeper,
            of_nodes=of_nodes,
            work_directory=directory,
            budget_per_second=more.pop("budget", 50),
            gates=Thresholds(settle_seconds=0),
            knobs=Evacuation(),
            may_end=more.pop("may_end", False),
        )


@dataclass
class RollRouter:
    """The servers of blue, and the connections to them by address."""

    world: RollWorld
    states: dict[str, ServerState] = field(default_factory=dict)
    can: Capabilities = field(default_factory=lambda: Capabilities("client-id", closes_clients=True))
    end_command = "true"

    async def share(self) -> int:
        return 0

    async def set_share(self, parts: int) -> None:
        assert parts == 0

    async def health(self) -> Mapping[Colour, Mapping[str, bool]]:
        return {"blue": {name: self.world.serves(name) for name in self.world.names}, "green": {}}

    async def connections(self) -> Mapping[Colour, int]:
        return dict.fromkeys(COLOURS, 0)

    async def servers(self) -> Mapping[Colour, Mapping[str, Server]]:
        return {
            "blue": {name: Server(self.states.get(name, "ready"), 0) for name in self.world.names},
            "green": {},
        }

    async def set_server(self, colour: Colour, node: str, state: ServerState) -> None:
        self.world.act()
        assert out_of_service(self.world.ledger.memory).get((colour, node), "ready") == state
        self.states[node] = state

    async def mark(self) -> Mark:
        return {}

    async def find(self, colour: Colour, addresses: Collection[str], *, seen_as: SeenAs = "client") -> dict[str, str]:
        assert colour == "blue"
        return {one: one for one in addresses if one in self.world.at and one not in self.world.direct}

    async def close(
        self, colour: Colour, found: Mapping[str, str], *, seen_as: SeenAs = "client", mark: Mark | None = None
    ) -> frozenset[str]:
        self.world.act()
        for one in found:
            self.world.disconnect(one)
        return frozenset(found)

    def replicas(self) -> Sequence[Any]:
        return [self]


class RollKeeper:
    """Stops and starts the nodes of the world; ``calls`` is what was asked of it."""

    def __init__(self, world: RollWorld) -> None:
        self.world = world
        self.calls: list[tuple[str, str]] = []

    async def stop(self, node: str) -> None:
        self.world.act()
        self.calls.append(("stop", node))
        self.world.nodes[node].running = False
        gone = [one for one, name in self.world.offline.items() if name == node]
        self.world.lost += gone
        for one in gone:
            del self.world.offline[one]
        for one, name in list(self.world.at.items()):
            if name == node:
                self.world.disconnect(one)

    async def start(self, node: str, version: str, edition: Edition) -> None:
        self.world.act()
        self.calls.append(("start", node))
        one = self.world.nodes[node]
        if not one.boots:
            todo = "read its output.log"
            raise GaveUp(f"starting {node}", node=node, seen="the process ended, last output: no space", todo=todo)
        one.release, one.running = Release(version, edition), True

    async def runs(self, node: str) -> Running | None:
        one = self.world.nodes[node]
        return Running(*one.release) if one.running else None

    async def back_up(self, node: str, place: Path) -> Copied:
        self.world.act()
        assert not self.world.nodes[node].running
        self.calls.append(("copy", node))
        return Copied(place, 3, 14)

    async def set_aside(self, node: str) -> Path | None:
        raise NotImplementedError


class RollApi:
    """The management API of the one cluster."""

    def __init__(self, world: RollWorld, names: Sequence[str] = ()) -> None:
        self.world = world
        self.node_names = tuple(names or world.names)
        hosts = [name.removeprefix("emqx@") for name in self.node_names]
        self.handle: ClusterHandle = cluster_at(*hosts, colour="blue", version="5.8.9", proxy_protocol=True)
        self.rebalances: list[dict[str, Any]] = []
        self.max_fds: int | None = None
        self.strangers: list[str] = []

    async def nodes(self, *, node: str = "", **_: Any) -> tuple[NodeFacts, ...]:
        if node and not self.world.nodes[node].running:
            raise Unreachable("asking", node=node, seen="refused", todo="wait")
        loads = self.world.loads()
        rows: list[dict[str, Any]] = [{"node": name, "node_status": "running"} for name in self.strangers]
        for name, one in self.world.nodes.items():
            row = {"node": name, "node_status": "running" if one.running else "stopped"}
            more = {
                "version": one.release.version,
                "edition": "Enterprise" if one.release.edition == "ee" else "Opensource",
                "connections": loads[name],
                "live_connections": loads[name],
                "max_fds": self.max_fds,
                "memory_used": "1G",
                "memory_total": "4G",
            }
            rows.append({**row, **more} if one.running else row)
        return tuple(map(NodeFacts.model_validate, rows))

    async def live_connections(self, **_: Any) -> dict[str, int]:
        loads = self.world.loads()
        return {name: loads[name] for name, one in self.world.nodes.items() if one.running}

    async def connected_clients(self) -> list[ConnectedClient]:
        return [ConnectedClient(one, one) for one, name in self.world.at.items() if name in self.node_names]

    async def cluster_members(self, node: str, **_: Any) -> tuple[str, ...]:
        return tuple(name for name, one in self.world.nodes.items() if one.running)

    async def configs_text(self, node: str) -> str | None:
        return self.world.nodes[node].config

    async def inventory(self, *, node: str = "") -> Inventory:
        return Inventory({"rules": Section({"r1": 1})})

    async def has_evacuation(self, **_: Any) -> bool:
        return self.world.evacuates

    async def evacuation_start(self, node: str, knobs: Evacuation, recipients: Sequence[str] = ()) -> bool:
        self.world.act()
        assert set(recipients) == set(self.world.names) - {node}
        self.world.nodes[node].evacuates = True
        for one, name in list(self.world.at.items()):
            if name == node:
                self.world.disconnect(one)
        self.world.offline = {one: recipients[0] if at == node else at for one, at in self.world.offline.items()}
        return True

    async def evacuation_stop(self, node: str) -> bool:
        self.world.act()
        was, self.world.nodes[node].evacuates = self.world.nodes[node].evacuates, False
        return was

    async def evacuations(self, **_: Any) -> dict[str, EvacuationFacts]:
        facts = {"state": "prohibiting", "connection_eviction_rate": 1}
        return {
            name: EvacuationFacts.model_validate({"node": name, **facts})
            for name, one in self.world.nodes.items()
            if one.evacuates and one.running
        }

    async def evacuation_status(self) -> dict[str, Any]:
        running = [one.model_dump(mode="json") for one in (await self.evacuations()).values()]
        return {"evacuations": running, "purges": [], "rebalances": list(self.rebalances)}

    async def metrics(self, **_: Any) -> dict[str, int]:
        return {"packets.connack.sent": self.world.connects, "packets.connack.error": self.world.refused}

    async def license(self, **_: Any) -> LicenseFacts | None:
        most = self.world.license
        return None if most is None else LicenseFacts(max_sessions=most)

    async def session_totals(self) -> SessionTotals:
        return SessionTotals(0, len(self.world.offline), 0)

    async def takes_any_client_id(self) -> bool:
        return self.world.any_client_id

    async def offline_sessions(self, most: int) -> list[SessionFacts]:
        return [one async for page in self.session_pages() for one in page][:most]

    async def session_pages(self) -> AsyncIterator[list[SessionFacts]]:
        here = [one for one, node in self.world.offline.items() if node in self.node_names]
        yield [SessionFacts(one, False, 2, 0, None, 3_600) for one in here]

    async def ask_authenticators(self, _node: str) -> None:
        """All are ready."""

    async def sweep(self) -> int:
        return 0

    @asynccontextmanager
    async def temporary_account(self, _rules: Any) -> AsyncIterator[None]:
        yield None
