"""Whether a colour's MQTT listeners want the PROXY header, as its declaration says: with a wrong one no device gets in, and nothing says why.

The rule: a node is asked as it is declared, and only when it does not answer so, the other way; one that answers neither is not judged here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from components.emqx.base import Cluster
from components.emqx.errors import Refused
from components.emqx.known import known
from components.emqx.models import Node
from components.system.address import parsed

Answers = Callable[[Node, bool], Awaitable[bool]]
"""Whether a node answers a CONNECT with any CONNACK, sent with the PROXY header or without (``emqx.probes.answers``)."""


async def refuse_wrong_proxy(api: Cluster, answers: Answers) -> None:
    """Refuse a colour of which a node answers only the other way than ``proxyProtocol`` says.

    Raises:
        Refused: with listener, setting, and what it should be.

    """
    declared = api.handle.proxy_protocol
    nodes = api.handle.nodes
    wrong = await asyncio.gather(*(_is_wrong(node, answers, declared=declared) for node in nodes))
    for node, is_wrong in zip(nodes, wrong, strict=True):
        if is_wrong:
            path = f"emqx:clusters.{api.handle.colour}.proxyProtocol"
            has, wants = ("on", "off") if declared else ("off", "on")
            raise Refused(
                f"connecting to {api.handle.colour} at {node.mqtt}",
                node=node.name,
                seen=f"{path} is {str(declared).lower()}, and {await _listener(api, node)} has proxy_protocol {wants}",
                todo=f"set {path} to {str(not declared).lower()}, or switch proxy_protocol of that listener {has}",
            )


async def _is_wrong(node: Node, answers: Answers, *, declared: bool) -> bool:
    return not await answers(node, declared) and await answers(node, not declared)


async def _listener(api: Cluster, node: Node) -> str:
    """The listener by name, where the cluster lists one at that port."""
    names = (await known(api.listeners()) or {}).get(parsed(node.mqtt).port)
    return f"its listener {names}" if names else "its listener"
