"""A licence that fills up while clients are moved: devices that come by themselves find no connection there, instead of a node that refuses them.

The rule: a CONNECT that is refused ends some libraries for good, a connection that is closed without an answer ends none
(docs/emqx/clients.md#which-mover-is-safe). So the balancer lets in no more clients than the licence has room for, from before it is full; whoever is in
stays, and only the licence counts here: a listener or a file limit that is full closes the connection by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from components.cutover.words import Colour
from components.emqx.answers import LicenseFacts, NodeFacts
from components.emqx.errors import Retryable, UpgradeError
from components.emqx.known import known
from components.ledger.base import require_lease
from components.routers.base import Bound, Bounds
from components.run.run import Run

LOOK_SECONDS = 1.0
NEAR = 5
"""Bounded is what has less room than a fifth of its licence."""
RESERVE = 1
"""A licence that is full to the last session refuses whoever only comes back."""


@asynccontextmanager
async def bounded(run: Run, *, last: bool) -> AsyncIterator[None]:
    """While the block moves clients no colour gets more of them than its licence allows; after the ``last`` one of a run, or one that fails, nothing is bounded."""
    if not isinstance(run.router, Bounds):
        yield
        return
    watching, ended = asyncio.ensure_future(_watch(run, run.router)), False
    try:
        yield
        ended = not last
    finally:
        watching.cancel()
        (seen,) = await asyncio.gather(watching, return_exceptions=True)
        if not ended:
            await _free(run, run.router)
        if isinstance(seen, Exception) and not isinstance(seen, UpgradeError):
            raise seen


async def _watch(run: Run, router: Bounds) -> None:
    """A refusal ends it, as it ends the move beside it."""
    if not await _licensed(run):
        return
    while True:
        with contextlib.suppress(Retryable):
            bounds = await bounds_of(run)
            require_lease(await run.memory(), run.token)
            await router.bound(bounds)
        await run.clock.sleep(LOOK_SECONDS)


async def _licensed(run: Run) -> bool:
    licenses = await asyncio.gather(*(known(api.license()) for api in run.clusters.values()))
    return any(one is not None and one.max_sessions > 0 for one in licenses)


async def _free(run: Run, router: Bounds) -> None:
    """Only where nobody else has begun; what a balancer keeps that does not answer now is what the licence says all the same."""
    with contextlib.suppress(UpgradeError):
        async with run.ledger.held(run.token):
            await router.bound(())


async def bounds_of(run: Run) -> list[Bound]:
    """What has little room left; nodes of one cluster have one licence, whatever their colour."""
    groups = [frozenset(run.clusters)] if run.in_one_cluster else [frozenset({colour}) for colour in run.clusters]
    found = await asyncio.gather(*(_bound(run, group) for group in groups))
    return [one for one in found if one is not None]


async def _bound(run: Run, colours: frozenset[Colour]) -> Bound | None:
    api = run.clusters[min(colours)]
    license_, nodes, servers = await asyncio.gather(known(api.license()), known(api.nodes()), run.router.servers())
    if license_ is None or nodes is None:
        return None
    balanced = sum(one.connections for colour in colours for one in servers.get(colour, {}).values())
    most = room(license_, nodes, balanced)
    return None if most is None else Bound(colours, most)


def room(license_: LicenseFacts, nodes: Collection[NodeFacts], balanced: int) -> int | None:
    """How many connections the balancer may have to these nodes, of which it has ``balanced`` now; None where that is far away.

    Sessions without a connection count in the licence, and connections that do not pass the balancer; as long as one open-source node runs the licence
    does not hold (docs/emqx/rolling.md#open-source-to-enterprise).
    """
    running = [one for one in nodes if one.running]
    if license_.max_sessions <= 0 or any(one.edition == "ce" for one in running):
        return None
    live = sum(one.live_connections or 0 for one in running)
    sessions = sum(one.connections or 0 for one in running)
    if NEAR * (license_.max_sessions - sessions) > license_.max_sessions:
        return None
    offline, direct = max(0, sessions - live), max(0, live - balanced)
    return max(0, license_.max_sessions - RESERVE - offline - direct)
