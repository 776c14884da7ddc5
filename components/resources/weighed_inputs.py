"""What a balancer that weighs is declared with, and the handle that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.aws.place import AwsPlace
from components.cutover.words import Colour
from components.emqx.models import BalancerHandle, ClusterHandle, Endpoint, Weighed
from components.ledger.remembered import EXTERNAL, STACK
from components.system.address import parsed
from components.value import Value


class WeighedBalancerInputs(Value):
    """The colours behind it and what was made of it: ``host`` is its name, ``doors`` have their port in the address, the addresses of ``listeners`` and of each colour's groups are in the same order.

    ``colours`` and ``holding`` are for the policies. ``standing`` are the colours that were there before it, ``external`` those whose clusters are not ours,
    ``sessions_may_end`` is whether sessions that nothing could carry were given up.
    """

    name: str
    kind: str
    region: str
    table: str
    group: str
    host: str
    stack: str
    live: Colour
    colours: Sequence[Colour] = ()
    holding: Sequence[Colour] = ()
    clusters: Mapping[Colour, ClusterHandle]
    listeners: Sequence[str]
    groups: Mapping[Colour, Sequence[str]]
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
        served = [one.model_copy(update={"address": f"{self.host}:{parsed(one.address).port}"}) for one in self.doors]
        nodes = {
            colour: {parsed(node.mqtt).host: node.name for node in cluster.nodes}
            for colour, cluster in self.clusters.items()
        }
        return BalancerHandle(
            router=self.kind,
            ledger="dynamodb",
            mqtt=served[0].address,
            endpoints=tuple(served),
            admin=(),
            maps=self.table,
            aws=AwsPlace(region=self.region, group=self.group),
            weighed=Weighed(
                listeners=tuple(self.listeners),
                groups={colour: tuple(arns) for colour, arns in self.groups.items()},
                nodes=nodes,
            ),
        )
