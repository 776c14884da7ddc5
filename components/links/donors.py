"""Nodes from which EMQX moves clients to emptier ones by itself: out of service at the balancer meanwhile, since they refuse every connect (recording D6_rebalance_ee).

The rule: they are remembered before the first is taken out, so that whoever goes on after a kill puts back those and no others.
"""

from __future__ import annotations

from collections.abc import Iterable

from components.cutover.roll_memory import DONORS, Donors, donors
from components.cutover.words import Colour
from components.links.roll_ready import wait_until_in
from components.run.run import Run


async def keep_out(run: Run, colour: Colour, nodes: Iterable[str]) -> None:
    """Give these nobody new; whom they have stays."""
    fuller = Donors(colour, tuple(nodes))
    await run.remember({DONORS: str(fuller)})
    for node in fuller.nodes:
        await run.act("server", colour=colour, node=node, state="drain")
        await run.set_server(colour, node, "drain")


async def let_in(run: Run, colour: Colour) -> None:
    """Put back those that were kept out, in this run or one before; nothing where there are none.

    Raises:
        GaveUp: one is not up at the balancer in time.

    """
    nodes = donors(await run.memory(), colour)
    for node in nodes:
        await run.act("server", colour=colour, node=node, state="ready")
        await run.set_server(colour, node, "ready")
    for node in nodes:
        await wait_until_in(run, colour, node)
    if nodes:
        await run.remember({DONORS: None})
