"""What a hold does to nodes that move their clients by themselves: they are opened again, and go on as before when it ends.

The rule: a node that has nothing left to give stays shut, only what was stopped here is begun again, and one that does not answer is asked
again for as long as the hold lasts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from components.cutover.words import Colour
from components.emqx.answers import EvacuationFacts
from components.emqx.known import known
from components.run.orders import Still
from components.run.run import Run

Begin = Callable[[str], Awaitable[object]]
"""Begins the evacuation of a node as it was begun before."""


def evacuations(
    run: Run, colour: Colour, nodes: Collection[str], begin: Begin, has_done: Callable[[EvacuationFacts], bool]
) -> Still:
    """The evacuations of these nodes; one for which ``has_done`` holds is left as it is."""
    api, stopped = run.clusters[colour], set[str]()

    async def stop() -> None:
        running = await known(api.evacuations()) or {}
        for node in sorted(node for node in nodes if node in running and not has_done(running[node])):
            if await known(api.evacuation_stop(node)) is not None:
                stopped.add(node)
                run.record("stilled", what="evacuation", colour=colour, node=node)

    async def start() -> None:
        for node in sorted(stopped):
            stopped.discard(node)
            run.record("begun-again", what="evacuation", colour=colour, node=node)
            await begin(node)

    return Still(stop, start)


def rebalances(run: Run, colour: Colour) -> Still:
    """Every rebalance of the cluster; whoever waits for it sees that there is none, and begins the next where one is needed."""
    api = run.clusters[colour]

    async def stop() -> None:
        running = await known(api.evacuation_status()) or {}
        for one in running.get("rebalances") or ():
            if await known(api.rebalance_stop(one["coordinator_node"])):
                run.record("stilled", what="rebalance", colour=colour, node=one["coordinator_node"])

    async def start() -> None:
        """Nothing."""

    return Still(stop, start)
