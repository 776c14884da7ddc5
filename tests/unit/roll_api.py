"""The management API of the one cluster of a roll in memory, as all of its nodes have it or some of them alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from components.cutover.evacuation import Evacuation
from components.emqx.answers import EvacuationFacts, LicenseFacts, NodeFacts, SessionFacts, SessionTotals
from components.emqx.clients import ConnectedClient, ConnectedClients, Door
from components.emqx.errors import Unreachable
from components.emqx.models import ClusterHandle
from components.emqx.moving import Levelling
from components.migration.inventory import Inventory, Section
from tests.handles import cluster_at

if TYPE_CHECKING:
    from tests.unit.roll_bed import RollWorld


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
        self.storage: Any = None
        self.door = Door(None, None)
        self.asked: list[Levelling] = []

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

    async def connected_clients(self) -> ConnectedClients:
        here = (one for one, name in self.world.at.items() if name in self.node_names)
        return ConnectedClients(ConnectedClient(one, one) for one in here)

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
        return {
            "packets.connack.sent": self.world.connects,
            "packets.connack.error": self.world.refused,
            "messages.dropped.no_subscribers": sum(self.world.dropped[name] for name in self.node_names),
        }

    async def doors(self) -> dict[str, Door]:
        return dict.fromkeys(self.node_names, self.door)

    async def has_rebalance(self) -> bool:
        return self.world.evacuates

    async def rebalance_start(self, node: str, levelling: Levelling) -> bool:
        """It has ended when the call returns: a second's worth of each fuller node goes to the others, until the fuller ones are near."""
        self.world.act()
        self.asked.append(levelling)
        loads = self.world.loads()
        mean = sum(loads.values()) / len(loads)
        fuller, others = [one for one in loads if loads[one] >= mean], [one for one in loads if loads[one] < mean]
        assert not others or not any(map(self.world.serves, fuller)), (
            "donors refuse every connect, so nobody may be sent there"
        )
        while others and self._apart(loads, fuller, others, levelling):
            for one in fuller:
                for address in [at for at, where in self.world.at.items() if where == one][
                    : levelling.knobs.conn_evict_rate
                ]:
                    self.world.disconnects[address] += 1
                    self.world.at[address] = min(others, key=lambda name: self.world.loads()[name])
            loads = self.world.loads()
        return bool(others)

    @staticmethod
    def _apart(loads: dict[str, int], fuller: list[str], others: list[str], levelling: Levelling) -> bool:
        high = sum(loads[one] for one in fuller) / len(fuller)
        low = sum(loads[one] for one in others) / len(others)
        return high > low + levelling.above and high > low * levelling.times

    async def license(self, **_: Any) -> LicenseFacts | None:
        most = self.world.license
        return None if most is None else LicenseFacts(max_sessions=most)

    async def force_leave(self, node: str) -> None:
        self.world.act()
        assert not self.world.nodes[node].running, "one that leaves while it runs goes on alone with empty tables"
        del self.world.nodes[node]

    async def session_totals(self) -> SessionTotals:
        here = [one for one, node in self.world.offline.items() if node in self.node_names]
        return SessionTotals(0, len(here), 0)

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
