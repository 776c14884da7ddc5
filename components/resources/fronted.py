"""What every balancer of ours refuses before it changes: a colour that leaves too soon, and a size that is too small for who is connected.

The rule: whoever could lose by a change is asked first, at the brokers and at the balancer that there is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from components.cutover.words import Colour
from components.emqx.errors import Retryable, UpgradeError
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials
from components.guards.leaving import Leaving, left, refuse_leaving
from components.ledger.registry import ledger_of
from components.resources.props import State, clusters_before
from components.resources.world import credentials_of
from components.routers.fronting import live_counts, refuse_small
from components.routers.registry import router_of

SIZES = frozenset({"max_connections", "replicas", "clusters"})
"""The inputs after whose change the balancer may be too small."""


def drifted(handle: BalancerHandle) -> bool:
    """Whether it has another share than its ledger; who cannot be asked is no reason for an update."""
    try:
        return asyncio.run(_apart(handle))
    except Retryable:
        return False
    except UpgradeError:
        return True


async def _apart(handle: BalancerHandle) -> bool:
    wanted = (await ledger_of(handle).read()).share
    return wanted is None or await router_of(handle).share() != wanted


class Fronting(Protocol):
    """The inputs of a balancer."""

    @property
    def clusters(self) -> Mapping[Colour, ClusterHandle]:
        """What stands behind it."""
        ...

    @property
    def soak_seconds(self) -> float:
        """How long a colour has to have been empty."""
        ...

    @property
    def sessions_may_end(self) -> bool:
        """Whether sessions that nothing could carry were given up."""
        ...


def credentials_by(inputs: Fronting, known: Mapping[str, Credentials]) -> dict[str, Credentials]:
    """Those of the colours behind it."""
    return {colour: credentials_of(colour, known) for colour in inputs.clusters}


def refuse_leavers(
    inputs: Fronting, olds: State, known: Mapping[str, Credentials], balancer: Callable[[], BalancerHandle]
) -> None:
    """Refuse a colour that leaves while it has weight or clients, or before the soak is over; ``balancer`` is asked for where one leaves.

    Raises:
        Refused: with what it still has.

    """
    for handle in left(clusters_before(olds), inputs.clusters):
        ours = handle.colour not in (olds.get("external") or ())
        mine = credentials_of(handle.colour, known)
        leaving = Leaving(handle, mine, inputs.soak_seconds, ours, sessions_may_end=inputs.sessions_may_end)
        asyncio.run(refuse_leaving(leaving, balancer(), time.time()))


def refuse_too_small(inputs: Fronting, known: Mapping[str, Credentials], connections: int) -> None:
    """Refuse a balancer that has room for fewer ``connections`` than there are clients.

    Raises:
        Refused: with both numbers.

    """
    # who cannot be asked is not counted: a dead colour must not stand in the way of a larger balancer
    with suppress(Retryable):
        refuse_small(connections, asyncio.run(live_counts(inputs.clusters, credentials_by(inputs, known))))
