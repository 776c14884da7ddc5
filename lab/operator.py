"""The EMQX Operator's way to empty old nodes, played on a cluster whose new nodes have joined: the yardstick of `bench-strategies`.

The rule: it does what the Operator does and nothing better: everybody's next connection goes to the new nodes at once, and the old nodes are
emptied one after the other at a rate of their own (sync_pods.go of 2.2 and 2.3; ``docs/operator.md``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from components.cutover.cohort import everybody
from components.cutover.evacuation import LAST_STATE, Evacuation
from components.cutover.words import Colour
from components.emqx.base import Cluster
from components.emqx.models import ClusterHandle
from components.ledger.base import Ledger
from components.routers.base import Router
from components.routers.share import set_server, set_share
from components.run.run import Clock
from lab.engine_run import NotDone

LOOK_SECONDS = 0.2
NODE_SECONDS = 600.0
"""How long one node may take; the Operator itself waits for ever."""


async def replace_nodes(
    old: Cluster, new: ClusterHandle, to: Colour, router: Router, ledger: Ledger, knobs: Evacuation, clock: Clock
) -> None:
    """Send new connections to the new nodes, then evacuate the old ones serially.

    Raises:
        NotDone: a node is not ``prohibiting`` after ``NODE_SECONDS``; with the state that was seen last.

    """
    recipients = tuple(node.name for node in new.nodes)
    for name in recipients:
        await set_server(router, ledger, to, name, "ready", holder=None)
    await set_share(router, ledger, everybody(to), holder=None)
    # From the highest ordinal down, the next one when the one before is empty for good.
    for name in reversed(old.node_names):
        await old.evacuation_start(name, knobs, recipients)
        await _until_prohibiting(old, name, clock)


async def _until_prohibiting(cluster: Cluster, node: str, clock: Clock) -> None:
    end, seen = clock.now() + NODE_SECONDS, "nothing"
    while clock.now() < end:
        facts = (await cluster.evacuations()).get(node)
        seen = facts.state if facts is not None else "no evacuation"
        if seen == LAST_STATE:
            return
        await clock.sleep(LOOK_SECONDS)
    raise NotDone(f"{node} is {seen} after {NODE_SECONDS:g} s of evacuation")


def moving_seconds(changes: Sequence[tuple[float, int]]) -> float:
    """From the first to the last disconnect, of (unix seconds, connected devices after it); 0 where nobody was disconnected."""
    fell = [at for (_, before), (at, after) in pairwise(changes) if after < before]
    return fell[-1] - fell[0] if fell else 0.0
