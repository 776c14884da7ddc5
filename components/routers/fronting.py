"""What is decided of a balancer by the clusters behind it, wherever it stands: its first share, its size, and that all of its replicas are as the ledger says.

The rule: who has the clients keeps them; nothing here starts or configures a replica.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from components.cutover.cohort import everybody
from components.cutover.words import Colour
from components.emqx.errors import Refused
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials
from components.emqx.registry import cluster_of
from components.ledger.base import CUTOVER, Ledger
from components.ledger.registry import ledger_of
from components.routers.base import Router
from components.routers.registry import router_of
from components.routers.share import out_of_service, remembering, set_share, settle

LOOK_SECONDS = 3.0


def first_share(live: Colour, counts: Mapping[Colour, int], standing: Collection[Colour] = ()) -> int:
    """Green's share before the first run: all with the only colour, or with the one that has more clients.

    Of two equal ones the colour in ``standing`` serves, which was there before the balancer: its data are still to be carried over.
    Otherwise the one declared live.
    """
    return everybody(max(counts, key=lambda colour: (counts[colour], colour in standing, colour == live)))


def refuse_small(capacity: int, counts: Mapping[Colour, int]) -> None:
    """Refuse a balancer that cannot hold the clients that are there.

    Raises:
        Refused: with both numbers.

    """
    clients = sum(counts.values())
    if clients > capacity:
        shown = ", ".join(f"{count} on {colour}" for colour, count in counts.items())
        todo = "raise emqx:balancer.maxConnections (two files for each client) or emqx:balancer.replicas"
        seen = f"{clients} clients are connected ({shown}), and it holds {capacity}"
        raise Refused("the balancer's size", node="the balancer", seen=seen, todo=todo)


async def live_counts(
    clusters: Mapping[Colour, ClusterHandle], credentials: Mapping[str, Credentials]
) -> dict[Colour, int]:
    """Live connections by colour.

    Raises:
        Retryable, Unauthorized: a colour cannot be asked.

    """

    async def count(colour: Colour) -> int:
        async with cluster_of(clusters[colour], credentials[colour], patience_seconds=LOOK_SECONDS) as api:
            return sum((await api.live_connections()).values())

    return dict(zip(clusters, await asyncio.gather(*map(count, clusters)), strict=True))


async def begun(
    ledger: Ledger,
    words: Mapping[str, str | None],
    live: Colour,
    clusters: Mapping[Colour, ClusterHandle],
    credentials: Mapping[str, Credentials],
    standing: Collection[Colour],
) -> None:
    """Write these words into the ledger, and the first share where it has none.

    Raises:
        Retryable, Unauthorized: there is no share yet, and a colour cannot be asked.

    """
    record = await ledger.read()
    share = record.share
    if share is None:
        share = first_share(live, await live_counts(clusters, credentials), standing)
    if record.share is None or any(record.memory.get(key) != value for key, value in words.items()):
        async with ledger.held(None) as writing:
            # somebody may have been faster
            fresh = writing.record.share is None
            await writing.write(words, share=share if fresh else None)


async def settled(handle: BalancerHandle, clusters: Mapping[Colour, ClusterHandle], *, ended: bool) -> Router:
    """All replicas as the ledger says; a colour that is alone has everybody, and nothing of a cutover that is over is remembered. The router that did it."""
    router, ledger = router_of(handle), ledger_of(handle)
    if len(clusters) == 1:
        await set_share(router, ledger, everybody(next(iter(clusters))), holder=None)
    else:
        await settle(router, ledger)
    declared = {(colour, node.name) for colour, handle in clusters.items() for node in handle.nodes}
    async with ledger.held(None) as writing:
        gone = out_of_service(writing.record.memory).keys() - declared
        over = dict.fromkeys(CUTOVER) if ended else {}
        if gone or over:
            left = remembering(writing.record.memory, dict.fromkeys(gone, "ready"))
            await writing.write({**over, **left})
    return router
