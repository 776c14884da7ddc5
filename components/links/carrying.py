"""Sessions whose clients are offline, in one cluster: nothing moves them by itself, and they end with their node (recording C2_leave_ce).

The rule: node evacuation takes them along where there is one; elsewhere each is taken over by a connection of ours, only while its client is
not connected. What is left is counted, and nobody may end it who has not acknowledged that.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from components.cutover.words import Colour, other
from components.emqx.account import Account
from components.emqx.answers import SessionFacts
from components.emqx.base import Cluster
from components.emqx.errors import Refused
from components.emqx.probes import Topics
from components.run.run import Run

BATCH = 100
"""Taken over within a tenth of a second: a client that comes back after the listing and before its turn is thrown off once more."""
TRIES = 2


class Carried(NamedTuple):
    """How many sessions were taken over now, how many are left on the old colour, and the messages that wait in those."""

    taken: int
    left: int
    messages: int


async def not_carried(cluster: Cluster, to: Cluster | None = None) -> tuple[int, int]:
    """The sessions of a colour that nothing could take along (to the other one), and the messages that wait in them; known before anybody is moved."""
    if await _evacuates(cluster, cluster if to is None else to) or await cluster.takes_any_client_id():
        return 0, 0
    return await _offline(cluster)


async def offline_count(run: Run, source: Colour) -> int:
    """The sessions of offline clients, where they are to be carried; 0 elsewhere."""
    return (await _offline(run.clusters[source]))[0] if run.in_one_cluster else 0


async def carry_sessions(run: Run, source: Colour, per_second: int, *, before: int, may_end: bool) -> None:
    """Bring every session of offline clients from ``source`` to the other colour, at so many a second.

    ``before`` is how many there were: what an evacuation has taken along by now is not there any more.

    Raises:
        Refused: some could not be carried, and nobody acknowledged that (``may_end``).

    """
    done = await carry(run, run.clusters[source], run.clusters[other(source)], per_second)
    count = max(done.taken, before - done.left)
    run.record("fact", section="sessions carried", colour=source, count=count, **done._asdict())
    if count:
        run.progress(f"{count} sessions of offline clients of {source} are on {other(source)} now")
    if not done.left:
        return
    run.record("loss", section="sessions", count=done.left, messages=done.messages, acknowledged=may_end)
    if not may_end:
        raise left_behind(source, done.left, done.messages)
    run.warn(f"{done.left} sessions with {done.messages} messages are left on {source}, and end with its nodes")


def left_behind(source: Colour, sessions: int, messages: int | None) -> Refused:
    """What drain and plan say of sessions that cannot be carried and that nobody gave up."""
    return Refused(
        f"carrying the sessions of {source}",
        node=source,
        seen=f"{sessions} sessions of offline clients with {messages} queued messages cannot be taken over:"
        " no account of ours may connect with another client's id",
        todo="wait until their devices have come back, or add `acknowledge: [sessions]` to emqx:cutover when they may end",
    )


async def carry(run: Run, old: Cluster, new: Cluster, per_second: int) -> Carried:
    """Take over what no evacuation can take along from some nodes of a cluster to others of it."""
    taken = 0
    if not await _evacuates(old, new) and await new.takes_any_client_id():
        await new.sweep()
        async with new.temporary_account(Topics.fresh(None).rules()) as account:
            taken = await _take_all(run, old, new, account, per_second)
    left, messages = await _offline(old)
    return Carried(taken, left, messages)


async def _evacuates(old: Cluster, new: Cluster) -> bool:
    """Whether node evacuation takes sessions from one to the other: both are Enterprise (recording F1_ce_to_ee_mixed_and_roll: open source has none of it)."""
    return await old.has_evacuation() and await new.has_evacuation()


async def _take_all(run: Run, old: Cluster, new: Cluster, account: Account | None, per_second: int) -> int:
    """In batches, each listed afresh, until none is listed that was not tried; a device that is back is not listed."""
    tried: Counter[str] = Counter()
    taken = 0
    while True:
        await run.checkpoint()
        given_up = sum(count >= TRIES for count in tried.values())
        listed = await old.offline_sessions(BATCH + given_up)
        batch = [one for one in listed if tried[one.clientid] < TRIES][:BATCH]
        if not batch:
            return taken
        tried.update(one.clientid for one in batch)
        outcomes = await _take_batch(run, new, batch, account)
        taken += outcomes["taken"]
        run.record("sessions", **{name: outcomes[name] for name in ("taken", "absent", "refused")})
        await run.clock.sleep(len(batch) / per_second)


async def _take_batch(run: Run, new: Cluster, batch: Sequence[SessionFacts], account: Account | None) -> Counter[str]:
    """Spread over the nodes of the new colour."""
    nodes = new.handle.nodes
    asked = [
        run.take_over(nodes[index % len(nodes)], one, account, proxied=new.handle.proxy_protocol)
        for index, one in enumerate(batch)
    ]
    return Counter(await asyncio.gather(*asked))


async def _offline(cluster: Cluster) -> tuple[int, int]:
    sessions = messages = 0
    async for page in cluster.session_pages():
        offline = [one for one in page if not one.connected]
        sessions += len(offline)
        messages += sum(one.mqueue_len + one.inflight_cnt for one in offline)
    return sessions, messages
