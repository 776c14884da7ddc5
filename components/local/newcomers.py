"""Nodes of a colour that is new behind the balancer and joins the other one's cluster: out of service until the verification has let them in.

The rule: it is written before the balancer knows them, so there is no moment in which one could be reached: a node that joins lets everybody
in, and every health check says that it is well (recording A1_static_join_ce_5.8.8_5.8.9).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from components.cutover.cohort import share_percent
from components.cutover.words import Colour
from components.emqx.models import ClusterHandle, Credentials
from components.ledger.base import STATES, Ledger
from components.ledger.remembered import EXTERNAL, STACK
from components.routers.base import ServerState
from components.routers.fronting import begun
from components.routers.haproxy.servers import listed
from components.routers.share import out_of_service, remembering
from components.system.address import parsed


async def keep_out(ledger: Ledger, clusters: Mapping[Colour, ClusterHandle], newcomers: Collection[Colour]) -> None:
    """Remember every node of the newcomers as ``maint``, but those of a colour that has a share already."""
    async with ledger.held(None) as writing:
        share = writing.record.share or 0
        states: dict[tuple[Colour, str], ServerState] = {
            (colour, node.name): "maint"
            for colour in newcomers
            if share_percent(colour, share) == 0
            for node in clusters[colour].nodes
        }
        if states:
            await writing.write(remembering(writing.record.memory, states))


class Beginning(Protocol):
    """A balancer before its replicas: who is behind it, who was there before it, whose clusters are not ours, and who joins the other one's cluster."""

    @property
    def stack(self) -> str:
        """Whose it is."""
        ...

    @property
    def live(self) -> Colour:
        """Who gets the first share where nobody has clients."""
        ...

    @property
    def clusters(self) -> Mapping[Colour, ClusterHandle]:
        """By colour."""
        ...

    @property
    def standing(self) -> Sequence[Colour]:
        """Who was there before."""
        ...

    @property
    def external(self) -> Sequence[Colour]:
        """Whose clusters are not ours."""
        ...


async def prepare(
    ledger: Ledger, begins: Beginning, newcomers: Collection[Colour], credentials: Mapping[str, Credentials]
) -> None:
    """Make the ledger of a balancer whose replicas begin by themselves, with the first share where there is none; who is new and joins is kept out before any replica knows it."""
    words = {STACK: begins.stack, EXTERNAL: " ".join(sorted(begins.external)) or None}
    await begun(ledger, words, begins.live, begins.clusters, credentials, begins.standing)
    if newcomers:
        await keep_out(ledger, begins.clusters, newcomers)
    ports = {(colour, one.name): parsed(one.mqtt).port for colour, it in begins.clusters.items() for one in it.nodes}
    memory = (await ledger.read()).memory
    if memory.get(STATES) != listed(ports, out_of_service(memory)):
        async with ledger.held(None) as writing:
            await writing.write({STATES: listed(ports, out_of_service(writing.record.memory))})
