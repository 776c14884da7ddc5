"""Whether somebody listens at an address; the rule: a connection that is taken says so, and everything else is nobody."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from components.system.address import parsed

CONNECT_SECONDS = 2.0


async def listens(place: str) -> bool:
    """Whether a TCP connection is accepted there (``host:port``)."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(*parsed(place))
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
