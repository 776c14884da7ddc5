"""The share as it should be and the share in force, changed together while nobody else may write either; and the nodes that are out of service.

The rule: the ledger first. A router that restarts at that very moment comes back with the new share, and a run that is killed in between
is finished by ``settle`` of the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import get_args
from urllib.parse import quote, unquote

from components.cutover.words import COLOURS, Colour
from components.emqx.errors import Refused
from components.ledger.base import SERVERS, STATES, Ledger
from components.routers.base import Router, ServerState
from components.routers.haproxy.servers import relisted


async def set_share(router: Router, ledger: Ledger, parts: int, *, holder: str | None) -> None:
    """Write green's share (parts of 10,000) and bring it into force.

    Raises:
        BadInput: no share; nothing was written.
        LeaseLost: another run than ``holder`` may act; nothing was written.
        NotNow, Unreachable: the router did not take it, and ``settle`` has to.

    """
    async with ledger.held(holder) as writing:
        await writing.write(share=parts)
        await router.set_share(parts)


async def settle(router: Router, ledger: Ledger) -> None:
    """Bring every replica to what the ledger says: after a run that was killed between two of them, or for a replica that is new.

    What a person has set at a replica, and the ledger does not know, stays.
    """
    async with ledger.held(None) as writing:
        if writing.record.share is not None:
            await router.set_share(writing.record.share)
        kept_out = out_of_service(writing.record.memory)
        here = await router.servers() if kept_out else {}
        for (colour, node), state in kept_out.items():
            if node in here.get(colour, {}):
                await router.set_server(colour, node, state)


async def set_server(
    router: Router, ledger: Ledger, colour: Colour, node: str, state: ServerState, *, holder: str | None
) -> None:
    """Write the state of a node at the balancer, and bring it into force; one that is ``ready`` is remembered no more.

    Raises:
        LeaseLost: another run than ``holder`` may act; nothing was written.
        Refused: the balancer has no such node; nothing was written.
        NotNow, Unreachable: the router did not take it, and ``settle`` has to.

    """
    async with ledger.held(holder) as writing:
        if node not in (await router.servers()).get(colour, {}):
            todo = "run pulumi up: it brings the balancer to the declared nodes"
            raise Refused(f"setting a node to {state}", node=node, seen=f"the balancer has none of {colour}", todo=todo)
        await writing.write(remembering(writing.record.memory, {(colour, node): state}))
        await router.set_server(colour, node, state)


def out_of_service(memory: Mapping[str, str]) -> dict[tuple[Colour, str], ServerState]:
    """The nodes that are out of service, by colour and name, as the ledger remembers them: ``blue/emqx@10.0.0.1=maint green/..``."""
    found: dict[tuple[Colour, str], ServerState] = {}
    for word in memory.get(SERVERS, "").split():
        where, _, state = word.partition("=")
        colour, _, node = where.partition("/")
        for known, known_state in product(COLOURS, get_args(ServerState)):
            if (known, known_state) == (colour, state):
                found[known, unquote(node)] = known_state
    return found


def remembering(memory: Mapping[str, str], changes: Mapping[tuple[Colour, str], ServerState]) -> dict[str, str | None]:
    """What the ledger is to remember after these changes, by name."""
    states = memory.get(STATES)
    more = {} if states is None else {STATES: relisted(states, changes)}
    return {SERVERS: kept_out(memory, changes), **more}


def kept_out(memory: Mapping[str, str], changes: Mapping[tuple[Colour, str], ServerState]) -> str | None:
    """The nodes that are out of service after these changes; None when every node is ready."""
    after = {**out_of_service(memory), **changes}
    words = [f"{colour}/{quote(node)}={state}" for (colour, node), state in sorted(after.items()) if state != "ready"]
    return " ".join(words) or None
