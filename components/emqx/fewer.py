"""What refuses to take nodes of a cluster away: clients that are on them."""

from __future__ import annotations

from components.emqx.errors import Refused
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.registry import cluster_of


async def refuse_fewer(before: ClusterHandle, nodes: int, credentials: Credentials) -> None:
    """Refuse to leave only the first so many nodes while others have clients.

    Raises:
        Refused: with their clients by node.
        Retryable: the cluster cannot say.

    """
    if len(before.nodes) <= nodes:
        return
    async with cluster_of(before, credentials) as cluster:
        live = await cluster.live_connections()
    busy = {node.name: live[node.name] for node in before.nodes[nodes:] if live.get(node.name)}
    if busy:
        raise Refused(
            f"taking nodes of {before.colour} away",
            node=before.colour,
            seen=f"clients are connected to them: {busy}",
            todo="evacuate these nodes first, or move the clients to the other colour",
        )
