"""The pace that movers of single clients share: batches as the budget and the meter allow, each behind a look at the lease, each told.

The rule: no more than the budget, whatever a call takes, and nobody before the run has been found to be the one that may act.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from components.cutover.pace import Pace
from components.cutover.words import Mover
from components.movers.task import Task
from components.run.run import Run

BATCH = 500
"""A bulk kick of 1,001 sessions took 0.6 s (docs/emqx/api.md#bulk-kick): a call must end well within its time-out."""

Act = Callable[[Sequence[str]], Awaitable[int]]
"""Disconnects the clients with these ids; how many there were."""


def batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids in portions that one call can take."""
    return (ids[first : first + BATCH] for first in range(0, len(ids), BATCH))


def holds(ordered: Sequence[str], one: str) -> bool:
    """Whether a sorted list has it; a set of a whole fleet would need more memory than the ids themselves."""
    index = bisect_left(ordered, one)
    return index < len(ordered) and ordered[index] == one


@dataclass
class Paced:
    """The pace of one step; what was earned is kept from one call to the next."""

    run: Run
    task: Task
    pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is earned yet."""
        orders = self.run.router.can.act_seconds
        self.pace = Pace.by_orders(self.task.budget_per_second, at=self.run.clock.now(), act_seconds=orders)

    @property
    def rate(self) -> int:
        """Clients per second that budget and meter allow now."""
        return min(self.task.moved.rate or self.task.budget_per_second, self.task.budget_per_second)

    async def disconnect(self, mover: Mover, ids: Sequence[str], act: Act) -> None:
        """Let ``act`` disconnect these clients, sorted; the journal has each batch, with how many MQTT 5 clients a kick told to go."""
        moved, clock = self.task.moved, self.run.clock
        began, done = clock.now(), 0
        told = moved.departures.mqtt5(ids) if mover == "kick" else None
        moved.departures.leave(ids)
        while done < len(ids):
            due, self.pace = self.pace.at_rate(self.rate).take(clock.now())
            for batch in batches(ids[done : done + due]):
                await self.run.checkpoint()
                count = await act(batch)
                done += len(batch)
                moved.count += count
                moved.departures.left(done, clock.now())
                more = {} if told is None else {"told": sum(map(told, batch))}
                self.run.record("move", step=self.task.step, mover=mover, count=count, **more)
                self.task.notice()
            if done < len(ids):
                await clock.sleep(self.pace.wait_seconds())
        moved.seconds += clock.now() - began
