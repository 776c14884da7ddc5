"""What the balancer's resource is declared with, and the balancer that it stands for.

The rule: of a certificate only its place stands here; what it is now is read when the balancer is brought up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from components.cutover.words import Colour, Edition
from components.emqx.models import ClusterHandle
from components.local.balancer import Wanted
from components.local.listening import Listening
from components.routers.haproxy.configuration import BACK_SECONDS
from components.routers.listeners import Listener
from components.value import Value


class MqttBalancerInputs(Value):
    """The colours it stands in front of, and where it works; ``live``, ``colours`` and ``holding`` are for the policies.

    ``standing`` are the colours that were there before it, ``external`` those whose clusters are not ours, ``sessions_may_end`` is
    whether sessions that nothing could carry were given up, ``in_place`` whether the one that serves is upgraded in place,
    ``in_one_cluster`` whether a colour that is new joins the other one's cluster.
    """

    name: str
    live: Colour
    colours: Sequence[Colour]
    clusters: Mapping[Colour, ClusterHandle]
    editions: Mapping[Colour, Edition]
    directory: str
    address: str | None = None
    max_connections: int
    back_seconds: float = BACK_SECONDS
    listeners: Sequence[Listener] = ()
    replicas: int = 1
    standing: Sequence[Colour] = ()
    external: Sequence[Colour] = ()
    holding: Sequence[Colour] = ()
    soak_seconds: float
    in_place: bool = False
    sessions_may_end: bool = False
    in_one_cluster: bool = False

    def wanted(
        self, listening: Sequence[Listening], before: Sequence[ClusterHandle] = (), *, ended: bool = False
    ) -> Wanted:
        """The balancer as it should be, with its listeners' certificates as they are now; ``before`` are the clusters that it stood in front of, ``ended`` as ``Wanted`` has it."""
        return Wanted(
            live=self.live,
            clusters=self.clusters,
            editions=self.editions,
            directory=Path(self.directory),
            address=self.address,
            max_connections=self.max_connections,
            back_seconds=self.back_seconds,
            replicas=self.replicas,
            listeners=listening,
            standing=self.standing,
            external=self.external,
            ended=ended,
            in_place=self.in_place,
            newcomers=sorted(self.clusters.keys() - {one.colour for one in before}) if self.in_one_cluster else (),
        )
