"""How fast clients may be sent to nodes: the budget, and never more than their listeners accept.

The rule: clients are spread evenly, so the narrowest listener decides for all; a limit that nobody can tell is none (`max_conn_rate` of EMQX holds
on each node, docs/emqx/api.md#listeners).
"""

from __future__ import annotations

from collections.abc import Collection

from components.emqx.base import Cluster
from components.emqx.known import known


async def accepts(cluster: Cluster, without: Collection[str] = ()) -> int | None:
    """New clients a second that the declared nodes take together, but those that it is ``without``; None without a limit that is known."""
    doors = await known(cluster.doors()) or {}
    names = [name for name in cluster.node_names if name not in without]
    rates = [doors[name].per_second for name in names if name in doors]
    limits = [rate for rate in rates if rate is not None]
    return max(1, int(len(names) * min(limits))) if limits else None


async def within(cluster: Cluster, budget_per_second: int, without: Collection[str] = ()) -> int:
    """The budget, or what the nodes accept where that is less."""
    most = await accepts(cluster, without)
    return budget_per_second if most is None else min(budget_per_second, most)
