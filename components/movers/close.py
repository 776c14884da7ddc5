"""Moving a cohort by ending its connections at the balancer: each device sees a FIN, and no packet tells it to go.

The rule: everyone is listed before the first is closed, and nobody is closed twice in a step. Two clusters share no sessions, so what a closed
client leaves behind is ended there, once it is not connected; within one cluster nothing is ever kicked, and the session follows its client.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from components.cutover.words import other
from components.emqx.answers import SessionFacts
from components.emqx.clients import ConnectedClients, once
from components.emqx.errors import GaveUp
from components.emqx.known import known
from components.emqx.packed import Packed
from components.movers.kick import MOST_AGAIN, ROUNDS, SETTLE_SECONDS, Move, told
from components.movers.paced import BATCH, Paced, batches, holds
from components.movers.task import Task
from components.routers.base import Mark, SeenAs
from components.run.run import Run

AHEAD_SECONDS = 2.0
"""Connections are looked for so long before they are closed: a look goes through all that a replica holds (0.01 s of its processor, and of ours, for 1,000)."""


async def carry_out(run: Run, task: Task) -> None:
    """The mover ``close``.

    ``task.moved`` is updated while it works; ``task.notice`` is called at each batch.

    Raises:
        GaveUp: clients stay on the source whose connections are not the balancer's, or who come back to it.

    """
    closing = _Closing(run, task)
    seen, again = "", 0
    for _ in range(ROUNDS):
        await run.checkpoint()
        mark = await run.router.mark()
        listed = await closing.source.connected_clients(closing.move.leaves, mqtt5=told(closing.move, task.moved))
        # asked after the list, so that nobody who is on it is unknown here
        if listed and (late := await run.late(task.source, task.green_parts)):
            listed.leave_out(late.__contains__)
        if not listed:
            await closing.end_sessions(all_that_moved=True)
            return
        seen = f"{len(listed)} clients stay on {task.source}, such as {[one.client_id for one in islice(listed, 3)]}"
        if not all(closing.has_tried(one.client_id) for one in listed):
            listed.leave_out(closing.has_tried)
        elif again == MOST_AGAIN:
            break
        else:
            again += 1
        await closing.round(listed, mark)
        await run.clock.sleep(SETTLE_SECONDS)
        await closing.end_sessions(all_that_moved=False)
    raise GaveUp(
        f"moving the cohort of {task.step}",
        node=task.source,
        seen=f"{seen}: their connections are not the balancer's, or they come back past it",
        todo=f"let these clients connect through the balancer (they reach {task.source} directly), then run pulumi up again",
    )


@dataclass
class _Closing:
    """What the rounds of a step know; the ids are sorted.

    ``closed`` are the ids whose connection was ended, ``missed`` those whose connection was not found once, ``tried`` those for whom there is no other way left.
    """

    run: Run
    task: Task
    closed: Packed = field(default_factory=Packed)
    missed: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """What does not change from round to round."""
        self.move = Move(self.task.step, self.task.source, self.task.green_parts)
        self.source = self.run.clusters[self.task.source]
        self.paced = Paced(self.run, self.task)
        self.seen_as: SeenAs = "client" if self.source.handle.proxy_protocol else "balancer"

    def has_tried(self, client_id: str) -> bool:
        """Whether there is no other way left for the client."""
        return holds(self.tried, client_id)

    async def round(self, listed: ConnectedClients, mark: Mark) -> None:
        """Close whom the balancer has, and end by a kick, where that may be, who came back or is not found a second time."""
        back = [one.client_id for one in listed if one.client_id in self.closed]
        missed, ended = list[str](), [self.closed]
        for portion in self._portions(listed):
            missed += await self._close(portion, mark, ended)
        self.closed = Packed(heapq.merge(*ended))
        last = sorted({*back, *(one for one in missed if holds(self.missed, one))})
        self.missed = sorted({*self.missed, *missed})
        self.tried = sorted({*self.tried, *last})
        if last and not self.run.in_one_cluster:
            self.task.moved.to_move += len(last)
            await self.paced.disconnect("kick", last, self._kick)

    def _portions(self, listed: ConnectedClients) -> Iterator[dict[str, str]]:
        """Addresses by id."""
        while len(listed):
            some = listed.take(max(BATCH, int(self.paced.rate * AHEAD_SECONDS)))
            yield {one: place for one, place in some if self.run.in_one_cluster or one not in self.closed}

    async def _close(self, addresses: dict[str, str], mark: Mark, ended: list[Packed]) -> list[str]:
        """The ids whose connection is not found; those whose connection was ended are added."""
        moved, began = self.task.moved, self.run.clock.now()
        found = await self.run.router.find(self.task.source, addresses.values(), seen_as=self.seen_as)
        moved.seconds += self.run.clock.now() - began
        here = [one for one, address in addresses.items() if address in found]
        moved.to_move += len(here)
        gone: list[str] = []

        async def close(ids: Sequence[str]) -> int:
            wanted = {addresses[one]: found[addresses[one]] for one in ids}
            there = await self.run.router.close(self.task.source, wanted, seen_as=self.seen_as, mark=mark)
            before = len(gone)
            gone.extend(one for one in ids if addresses[one] in there)
            moved.to_move -= len(ids) - (len(gone) - before)
            return len(gone) - before

        await self.paced.disconnect("close", here, close)
        ended.append(Packed(gone))
        return [one for one, address in addresses.items() if address not in found]

    async def _kick(self, ids: Sequence[str]) -> int:
        await self.source.kick(ids)
        return len(ids)

    async def end_sessions(self, *, all_that_moved: bool) -> None:
        """End what the closed clients left behind on a cluster of its own, or all of the move that are connected on the other one by now.

        That is also what an earlier run left which was killed between the two. An id that is connected is never kicked here.
        """
        if self.run.in_one_cluster or self.task.keeps_sessions or not (self.closed or all_that_moved):
            return
        pages = self.source.session_pages()
        offline = once([session.clientid async for page in pages for session in page if self._left(session)])
        due = [one for one in offline if one in self.closed]
        if all_that_moved and len(due) < len(offline):
            there = self.run.clusters[other(self.task.source)]
            due += await known(there.connected_client_ids(lambda one: holds(offline, one))) or []
        for batch in batches(once(due)):
            await self.run.act("sessions-ended", step=self.task.step, colour=self.task.source, count=len(batch))
            await self.source.kick(batch)

    def _left(self, session: SessionFacts) -> bool:
        return not session.connected and self.move.leaves(session.clientid)
