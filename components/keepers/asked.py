"""What a node runs as its own API says it, for keepers that nobody else could tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from components.cutover.versions import Version, leading
from components.emqx.known import known
from components.emqx.models import ClusterHandle, Credentials, missing_credentials
from components.emqx.registry import cluster_of
from components.keepers.base import Running


async def says(handle: ClusterHandle, node: str, credentials: Credentials | None) -> Running | None:
    """What the node runs; None while its API does not answer.

    Raises:
        BadInput: there are no credentials to ask with.

    """
    if credentials is None:
        raise missing_credentials(handle.colour)
    one = tuple(each for each in handle.nodes if each.name == node)
    async with cluster_of(handle.model_copy(update={"nodes": one}), credentials, patience_seconds=0) as api:
        facts = await known(api.nodes(node=node)) or ()
    here = next((each for each in facts if each.name == node and each.running), None)
    if here is None:
        return None
    found = leading(here.version or "")
    plain = str(Version(*found.line, found.patch)) if found is not None and found.patch is not None else here.version
    return Running(plain, here.edition)


async def until_it_says(
    ask: Callable[[], Awaitable[Running | None]], seconds: float, every_seconds: float, interrupted: Callable[[], None]
) -> Running | None:
    """What the node runs as soon as it says it; None when it has said nothing for so long."""
    end = time.monotonic() + seconds
    while (here := await ask()) is None:
        interrupted()
        if time.monotonic() >= end:
            return None
        await asyncio.sleep(every_seconds)
    return here
