"""What a balancer that weighs is declared with, and the handle that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.aws.place import AwsPlace
from components.cutover.words import Colour
from components.emqx.models import BalancerHandle, ClusterHandle, Endpoint, Named, Weighed
from components.emqx.registry import dialect_of
from components.ledger.remembered import EXTERNAL, STACK
from components.machines.front import Records
from components.system.address import parsed
from components.value import Value


class Told(Value):
    """Of a balancer that is a name: its records, and the ids of the health checks of each colour's nodes in their order (none where Route 53 cannot ask)."""

    records: Records
    checks: Mapping[Colour, Sequence[str]] = {}

    def named(self, clusters: Mapping[Colour, ClusterHandle]) -> Named:
        """What it leads to."""
        return Named(
            zone=self.records.zone,
            name=self.records.name,
            ttl_seconds=self.records.ttl_seconds,
            wait_ttls=self.records.wait_ttls,
            colours={colour: f"{colour}.{self.records.name}" for colour in clusters},
            nodes={colour: self._nodes(colour, cluster) for colour, cluster in clusters.items()},
        )

    def _nodes(self, colour: Colour, cluster: ClusterHandle) -> dict[str, str]:
        ids = self.checks.get(colour) or [""] * len(cluster.nodes)
        path = dialect_of(cluster.version).health_check(cluster.edition or "ee")
        return {node.name: one or f"{node.api.rstrip('/')}{path}" for node, one in zip(cluster.nodes, ids, strict=True)}


class WeighedBalancerInputs(Value):
    """The colours behind it and what was made of it: ``host`` is its name, ``doors`` have their port in the address, the addresses of ``listeners`` and of each colour's groups are in the same order; ``told`` is there where the balancer is a name.

    ``colours`` and ``holding`` are for the policies. ``standing`` are the colours that were there before it, ``external`` those whose clusters are not ours,
    ``sessions_may_end`` is whether sessions that nothing could carry were given up.
    """

    name: str
    kind: str
    region: str
    table: str
    group: str = ""
    host: str
    stack: str
    live: Colour
    colours: Sequence[Colour] = ()
    holding: Sequence[Colour] = ()
    clusters: Mapping[Colour, ClusterHandle]
    listeners: Sequence[str] = ()
    groups: Mapping[Colour, Sequence[str]] = {}
    told: Told | None = None
    doors: Sequence[Endpoint]
    standing: Sequence[Colour] = ()
    external: Sequence[Colour] = ()
    soak_seconds: float
    ready_seconds: float
    sessions_may_end: bool = False

    @property
    def words(self) -> dict[str, str | None]:
        """What its ledger says of it."""
        return {STACK: self.stack, EXTERNAL: " ".join(sorted(self.external)) or None}

    @property
    def handle(self) -> BalancerHandle:
        """Where devices connect, and what divides them."""
        served = [one.at(self.host) for one in self.doors]
        return BalancerHandle(
            router=self.kind,
            ledger="dynamodb",
            mqtt=served[0].address,
            endpoints=tuple(served),
            admin=(),
            maps=self.table,
            aws=AwsPlace(region=self.region, group=self.group),
            weighed=self._weighed if self.told is None else None,
            named=None if self.told is None else self.told.named(self.clusters),
        )

    @property
    def _weighed(self) -> Weighed:
        nodes = {
            colour: {parsed(node.mqtt).host: node.name for node in cluster.nodes}
            for colour, cluster in self.clusters.items()
        }
        return Weighed(
            listeners=tuple(self.listeners),
            groups={colour: tuple(arns) for colour, arns in self.groups.items()},
            nodes=nodes,
        )
