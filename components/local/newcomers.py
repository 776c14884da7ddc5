"""Nodes of a colour that is new behind the balancer and joins the other one's cluster: out of service until the verification has let them in.

The rule: it is written before the balancer knows them, so there is no moment in which one could be reached: a node that joins lets everybody
in, and every health check says that it is well (recording A1_static_join_ce_5.8.8_5.8.9).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from components.cutover.cohort import share_percent
from components.cutover.words import Colour
from components.emqx.models import ClusterHandle
from components.ledger.base import Ledger
from components.routers.base import ServerState
from components.routers.share import remembering


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
