"""One cluster of several nodes in memory, its keeper and its balancer, under a clock that only moves when somebody sleeps.

A stopped node has no clients; whoever is closed or loses its node comes back to the node that has the fewest of those that the balancer gives out.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from components.cutover.evacuation import Evacuation
from components.cutover.facts import Thresholds
from components.cutover.roll import Release
from components.cutover.words import COLOURS, Colour, Edition
from components.emqx.answers import SessionFacts
from components.emqx.errors import GaveUp
from components.emqx.models import Node
from components.emqx.take_over import Outcome
from components.keepers.base import Copied, Running
from components.links.evening import even_out
from components.links.roll import Rolling, roll
from components.links.roll_opening import Wanted
from components.routers.base import Capabilities, Mark, SeenAs, Server, ServerState
from components.routers.share import out_of_service
from components.run.run import Run
from tests.fake_balancer import FakeLedger
from tests.unit.fake_run import run_of
from tests.unit.fake_world import Killed
from tests.unit.roll_api import RollApi

FIRST = "token"
TODAY = date(2026, 6, 1)
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
        self.dropped: Counter[str] = Counter()
        self.drops_at_a_move = 0
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
        node = self.nodes.get(name)
        return (
            node is not None
            and node.running
            and not node.evacuates
            and self.router.states.get(name, "ready") == "ready"
        )

    def loads(self) -> dict[str, int]:
        return {name: sum(node == name for node in self.at.values()) for name in self.names}

    def disconnect(self, address: str) -> None:
        """The client comes back by itself, to whoever has the fewest."""
        del self.at[address]
        self.disconnects[address] += 1
        open_nodes = [name for name in self.names if self.serves(name)]
        assert open_nodes, "nobody is left to take a client"
        loads = self.loads()
        self.at[address] = to = min(open_nodes, key=lambda name: loads[name])
        self.dropped[to] += self.drops_at_a_move

    def run(self, token: str = FIRST) -> Run:
        self.ledger.memory["run"] = token

        return run_of(self, {"blue": self.api}, token, take_over=self.take_over)

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
            gates=more.pop("gates", Thresholds(settle_seconds=0)),
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

    async def find(
        self, colour: Colour, addresses: Collection[str], *, seen_as: SeenAs = "client", websocket_only: bool = False
    ) -> dict[str, str]:
        assert colour == "blue"
        assert not websocket_only
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
        self.world.dropped[node] = 0  # it counts from 0 when it is back
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
        self.calls.append(("set aside", node))
        return Path("aside") / node


def wanted(declared: Release = NEW, *acknowledged: str, license_: str | None = None, kept: bool = True) -> Wanted:
    return Wanted(declared, acknowledged, license_, TODAY, 50, kept)


async def whole(rolling: Rolling, count: int = 3) -> list[dict[str, Any]]:
    done = [await roll(rolling, number + 1) for number in range(count)]
    return [*done, await even_out(rolling)]
