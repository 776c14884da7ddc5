"""Moving a cohort by paced kicks: everyone is listed before the first kick, and nobody is kicked twice in a step."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from components.cutover.cohort import moves
from components.cutover.pace import Pace
from components.cutover.words import Colour, other
from components.emqx.errors import GaveUp
from components.movers.task import Task
from components.run.moved import Moved
from components.run.run import Run

SETTLE_SECONDS = 0.3
"""A connection that the balancer accepted before the share was set reaches the broker's list within this time."""
MOST_AGAIN = 1
"""How often clients that came back are kicked again: one that does so twice does not pass the balancer."""
BATCH = 500
"""A bulk kick of 1,001 sessions took 0.6 s (docs/emqx/api.md#bulk-kick): a call must end well within its time-out."""
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
    """The mover ``kick``."""
    move = Move(task.step, task.source, task.green_parts)
    await kick(run, move, task.budget_per_second, task.moved, task.notice)


async def kick(run: Run, move: Move, budget_per_second: int, moved: Moved, notice: Callable[[], None]) -> None:
    """Kick the cohort off the source at the paced rate until no client of it is left there.

    ``moved`` is updated while it works; ``notice`` is called at each batch.

    Raises:
        GaveUp: clients come back to the source again and again, so they do not pass the balancer.

    """
    source = run.clusters[move.source]
    kicked: list[str] = []
    again = 0
    for _ in range(ROUNDS):
        await run.checkpoint()
        listed = await source.connected_client_ids(move.leaves, mqtt5=_told(move, moved))
        # asked after the list, so that nobody who is on it is unknown here
        if listed and (late := await run.late(move.source, move.green_parts)):
            listed = [client for client in listed if client not in late]
        fresh = [client for client in listed if not _holds(kicked, client)] if kicked else listed
        if not listed:
            return
        again += not fresh
        if again > MOST_AGAIN:
            break
        moved.to_move += len(fresh)
        await _kick_paced(run, move, budget_per_second, fresh or listed, moved, notice)
        kicked = sorted([*kicked, *fresh]) if kicked else fresh
        await run.clock.sleep(SETTLE_SECONDS)
    raise GaveUp(
        f"moving the cohort of {move.step}",
        node=move.source,
        seen=f"{len(listed)} clients are connected to {move.source} again after their disconnect, such as {listed[:3]}",
        todo=f"let these clients connect through the balancer (they reach {move.source} directly), then run pulumi up again",
    )


def _told(move: Move, moved: Moved) -> Callable[[str], None]:
    def mqtt5(client: str) -> None:
        if move.leaves(client):
            moved.departures.speaks_mqtt5(client)

    return mqtt5


def batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids in portions that one call can take."""
    return (ids[first : first + BATCH] for first in range(0, len(ids), BATCH))


def _holds(ordered: Sequence[str], one: str) -> bool:
    """Whether a sorted list has it; a set of a whole fleet would need more memory than the ids themselves."""
    index = bisect_left(ordered, one)
    return index < len(ordered) and ordered[index] == one


async def _kick_paced(
    run: Run, move: Move, budget_per_second: int, ids: Sequence[str], moved: Moved, notice: Callable[[], None]
) -> None:
    source = run.clusters[move.source]
    began = run.clock.now()
    pace = Pace(budget_per_second, at=began)
    done = 0
    moved.departures.leave(ids)
    while done < len(ids):
        due, pace = pace.at_rate(min(moved.rate or budget_per_second, budget_per_second)).take(run.clock.now())
        for batch in batches(ids[done : done + due]):
            await run.checkpoint()
            await source.kick(batch)
            done += len(batch)
            moved.count += len(batch)
            moved.departures.left(done, run.clock.now())
            run.record("move", step=move.step, mover="kick", count=len(batch))
            notice()
        if done < len(ids):
            await run.clock.sleep(pace.wait_seconds())
    moved.seconds += run.clock.now() - began
