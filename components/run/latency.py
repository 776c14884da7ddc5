"""How long a node takes to accept a connection and read a packet, measured without being counted by it; the way to a pod, where one has to be opened first, is left out."""

from __future__ import annotations

import asyncio
import time

from components.emqx.models import ClusterHandle, Node
from components.emqx.probes import proxy_header
from components.kubernetes.forward import opening_seconds
from components.system.address import parsed

PROBE_SECONDS = 3.0
MALFORMED_CONNECT = bytes.fromhex("10 02 00 00")
"""EMQX closes the connection and counts nothing (docs/emqx/counters.md#what-an-attempt-to-connect-counts)."""


async def connect_milliseconds(handle: ClusterHandle) -> float | None:
    """The time of the slowest node; None when none of them answers."""
    found = await asyncio.gather(*(_probe(node, proxied=handle.proxy_protocol) for node in handle.nodes))
    return max((seconds * 1000 for seconds in found if seconds is not None), default=None)


async def _probe(node: Node, *, proxied: bool) -> float | None:
    began = time.monotonic()
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(*parsed(node.mqtt))
            local = writer.get_extra_info("sockname")
            try:
                if proxied:
                    writer.write(proxy_header(writer.get_extra_info("sockname"), writer.get_extra_info("peername")))
                writer.write(MALFORMED_CONNECT)
                await reader.read()
            finally:
                writer.close()
    except TimeoutError:
        return PROBE_SECONDS
    except ConnectionResetError:
        pass
    except OSError:
        return None
    return max(0.0, time.monotonic() - began - opening_seconds(local))
