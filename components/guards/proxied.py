"""Whether a colour's MQTT listeners want the PROXY header, as its declaration says: with a wrong one no device gets in, and nothing says why.

The rule: a node is asked as it is declared, and only when it does not answer so, the other way; one that answers neither is not judged here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

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
    await _refuse_wrong(api, answers, {node: node.mqtt for node in api.handle.nodes})


async def refuse_wrong_websocket(api: Cluster, upgrades: Answers) -> None:
    """Refuse the same of the nodes' listeners for WebSocket, each of which has a setting of its own (``emqx.probes.upgrades``).

    Raises:
        Refused: with listener, setting, and what it should be.

    """
    await _refuse_wrong(api, upgrades, {node: node.ws for node in api.handle.nodes if node.ws is not None})


async def _refuse_wrong(api: Cluster, answers: Answers, places: Mapping[Node, str]) -> None:
    declared = api.handle.proxy_protocol
    wrong = await asyncio.gather(*(_is_wrong(node, answers, declared=declared) for node in places))
    for (node, place), is_wrong in zip(places.items(), wrong, strict=True):
        if is_wrong:
            path = f"emqx:clusters.{api.handle.colour}.proxyProtocol"
            has, wants = ("on", "off") if declared else ("off", "on")
            raise Refused(
                f"connecting to {api.handle.colour} at {place}",
                node=node.name,
                seen=f"{path} is {str(declared).lower()}, and {await _listener(api, place)} has proxy_protocol {wants}",
                todo=f"set {path} to {str(not declared).lower()}, or switch proxy_protocol of that listener {has}",
            )


async def _is_wrong(node: Node, answers: Answers, *, declared: bool) -> bool:
    return not await answers(node, declared) and await answers(node, not declared)


async def _listener(api: Cluster, place: str) -> str:
    """The listener by name, where the cluster lists one at that port."""
    names = (await known(api.listeners()) or {}).get(parsed(place).port)
    return f"its listener {names}" if names else "its listener"
