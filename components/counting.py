"""What a preview counts on a colour and at the balancer, each within a few seconds.

The rule: what is not told in that time is unknown, never zero.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from components.balancer import BALANCERS
from components.balancer.able import closes
from components.cutover.forecast import Fleet
from components.cutover.sample import Looked, fleet_of
from components.cutover.words import Colour, other
from components.emqx.base import Cluster
from components.emqx.errors import UpgradeError
from components.emqx.known import known
from components.routers.registry import router_of
from components.settings import Settings

ANSWER_SECONDS = 8.0
FLEET_SECONDS = 12.0
SAMPLE_SESSIONS = 10_000
"""A cohort of a tenth of them is known within 1 % of the fleet; reading 60,000 took 28 s."""


async def live(api: Cluster) -> int | str:
    """Live connections, or why there is no answer in a few seconds (a node that hangs is passed by in less)."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return sum((await api.live_connections()).values())
    except TimeoutError:
        return f"no answer in {ANSWER_SECONDS:g} s"
    except UpgradeError as failure:
        return f"{failure.node}: {failure.seen}"


async def fleet(api: Cluster, clients: int | None, *, websocket: bool) -> Fleet:
    """What a look at a part of the fleet tells; unknown when that takes longer than the rest of a preview may."""
    try:
        async with asyncio.timeout(FLEET_SECONDS):
            seen, mqtt5 = (
                await known(api.sample(SAMPLE_SESSIONS, websocket=websocket)),
                await known(api.mqtt5_clients()),
            )
    except TimeoutError:
        seen = mqtt5 = None
    if seen is None or clients is None:
        return Fleet(clients=clients, mqtt5_clients=mqtt5)
    looked = Looked(seen.looked_at, seen.connected_ids, *seen.persistent, seen.websocket_ids)
    return fleet_of(looked, seen.sessions, clients).model_copy(update={"mqtt5_clients": mqtt5})


async def counted(
    settings: Settings, apis: Mapping[Colour, Cluster], old: Colour, clients: Mapping[Colour, int | None], *, back: bool
) -> Fleet:
    """The fleet of the colour that is left; on the way ``back`` with the sessions that were left behind on the other one."""
    websocket, there = settings.balancer.websocket, apis.get(other(old))
    here = await fleet(apis[old], clients[old], websocket=websocket) if old in apis else Fleet()
    if back:
        left = await fleet(there, clients[other(old)], websocket=websocket) if there is not None else Fleet()
        here = here.model_copy(update={"stale_sessions": left.persistent_offline})
    return here.model_copy(update={"past": await past(settings, old, here.clients)})


async def past(settings: Settings, colour: Colour, clients: int | None) -> int | None:
    """The clients of a colour whose connections the balancer does not have; where it does not run that is everybody, and where it closes nobody it does not matter."""
    if not closes(settings, colour):
        return 0
    handle = BALANCERS[settings.balancer.target].observed(settings)
    if clients is None or handle is None:
        return clients
    try:
        held = (await router_of(handle).connections()).get(colour, 0)
    except UpgradeError:
        return None
    return max(0, clients - held)
