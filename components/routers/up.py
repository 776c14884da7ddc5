"""The wait for the first nodes behind a balancer, bounded, and with what it last saw."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from components.cutover.cohort import share_percent
from components.cutover.words import COLOURS
from components.emqx.errors import GaveUp
from components.routers.base import Router

POLL_SECONDS = 2.0


async def wait_until_up(
    router: Router, seconds: float, interrupted: Callable[[], None], progress: Callable[[str], None]
) -> None:
    """Wait until a node of each colour that has a share is up.

    Raises:
        GaveUp: with the nodes that are not.
        Stopped: the update was interrupted.

    """
    end, told = time.monotonic() + seconds, ""
    while True:
        interrupted()
        share, health = await router.share(), await router.health()
        serving = [colour for colour in COLOURS if share_percent(colour, share) > 0]
        if all(any(health.get(colour, {}).values()) for colour in serving):
            return
        down = sorted(node for colour in serving for node, up in health.get(colour, {}).items() if not up)
        seen = f"not up at the balancer: {', '.join(down) or 'no node at all'}"
        if time.monotonic() > end:
            todo = "look at these nodes, and whether the balancer reaches their management port (its security group)"
            raise GaveUp("waiting for the balancer", node="the balancer", seen=f"after {seconds:g} s {seen}", todo=todo)
        if seen != told:
            progress(seen)
            told = seen
        await asyncio.sleep(POLL_SECONDS)
