"""Moving a cohort by paced kicks: everyone is listed before the first kick, and nobody is kicked twice in a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from components.cutover.cohort import moves
from components.cutover.words import Colour, other
from components.emqx.errors import GaveUp
from components.movers.paced import Paced, holds
from components.movers.task import Task
from components.run.moved import Moved
from components.run.run import Run

SETTLE_SECONDS = 0.3
"""A connection that the balancer accepted before the share was set reaches the broker's list within this time."""
MOST_AGAIN = 1
"""How often clients that came back are kicked again: one that does so twice does not pass the balancer."""
ROUNDS = 12
"""Listings of a cohort before the mover gives up; the first finds all but those who were connecting just then."""


@dataclass(frozen=True)
class Move:
    """Who is to leave which colour in a step: the connected ids that are not ``source``'s at ``green_parts``."""

    step: str
    source: Colour
    green_parts: int

    def leaves(self, client_id: str) -> bool:
        """Whether the connected client leaves (ids that look assigned leave last, when everybody does)."""
        return moves(client_id, other(self.source), self.green_parts)


async def carry_out(run: Run, task: Task) -> None:
    """The mover ``kick``: kick the cohort off the source at the paced rate until no client of it is left there.

    ``task.moved`` is updated while it works; ``task.notice`` is called at each batch.

    Raises:
        GaveUp: clients come back to the source again and again, so they do not pass the balancer.

    """
    move, source, moved = Move(task.step, task.source, task.green_parts), run.clusters[task.source], task.moved
    paced = Paced(run, task)
    kicked: list[str] = []
    again = 0

    async def kick(ids: Sequence[str]) -> int:
        await source.kick(ids)
        return len(ids)

    for _ in range(ROUNDS):
        await run.checkpoint()
        listed = await source.connected_client_ids(move.leaves, mqtt5=told(move, moved))
        # asked after the list, so that nobody who is on it is unknown here
        if listed and (late := await run.late(move.source, move.green_parts)):
            listed = [client for client in listed if client not in late]
        fresh = [client for client in listed if not holds(kicked, client)] if kicked else listed
        if not listed:
            return
        again += not fresh
        if again > MOST_AGAIN:
            break
        moved.to_move += len(fresh)
        await paced.disconnect("kick", fresh or listed, kick)
        kicked = sorted([*kicked, *fresh]) if kicked else fresh
        await run.clock.sleep(SETTLE_SECONDS)
    raise GaveUp(
        f"moving the cohort of {move.step}",
        node=move.source,
        seen=f"{len(listed)} clients are connected to {move.source} again after their disconnect, such as {listed[:3]}",
        todo=f"let these clients connect through the balancer (they reach {move.source} directly), then run pulumi up again",
    )


def told(move: Move, moved: Moved) -> Callable[[str], None]:
    """What a listing is given to tell who of the move speaks MQTT 5."""

    def mqtt5(client: str) -> None:
        if move.leaves(client):
            moved.departures.speaks_mqtt5(client)

    return mqtt5
