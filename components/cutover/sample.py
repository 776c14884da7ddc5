"""A fleet's numbers from a part of it: what was counted stays as it was counted, what is estimated adds up to it.

The rule: the part that was looked at is said beside every number that comes from it (``Fleet.sample``), and no estimate refuses a move
that the update would not: it counts everything once more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import NamedTuple

from components.cutover.cohort import cohort_counts
from components.cutover.forecast import Fleet, Sample


class Looked(NamedTuple):
    """Of the sessions that were looked at: the ids with a connection, and how many persist with and without one; ``queued`` messages wait in them.

    ``websocket`` are those of the ids that came by WebSocket, where the balancer cannot see them.
    """

    sessions: int
    ids: Sequence[str]
    connected: int
    offline: int
    queued: int
    websocket: Collection[str] = ()


def fleet_of(looked: Looked, sessions: int, clients: int) -> Fleet:
    """The fleet of ``clients`` connections and ``sessions`` in all.

    Where everything was looked at the numbers are what was seen; otherwise each is in proportion: cohorts and connected sessions to
    ``clients``, the rest to ``sessions``.
    """
    ids = sorted(set(looked.ids))
    masked = frozenset(looked.websocket)
    counts, assigned = cohort_counts([one for one in ids if one not in masked])
    if looked.sessions >= sessions:
        return Fleet(
            clients=len(ids),
            persistent_connected=looked.connected,
            persistent_offline=looked.offline,
            queued_messages=looked.queued,
            cohorts=counts,
            assigned=assigned,
            websocket=len(masked),
        )
    *cohorts, others, websocket = _apportioned([*counts, assigned, len(masked)], clients)
    return Fleet(
        clients=clients,
        persistent_connected=_part(looked.connected, len(ids), clients),
        persistent_offline=_part(looked.offline, looked.sessions, sessions),
        queued_messages=_part(looked.queued, looked.sessions, sessions),
        cohorts=tuple(cohorts),
        assigned=others,
        websocket=websocket,
        sample=Sample(looked_at=looked.sessions, sessions=sessions),
    )


def _part(count: int, of: int, whole: int) -> int:
    return round(count * whole / of) if of else 0


def _apportioned(counts: Sequence[int], whole: int) -> list[int]:
    """Whole numbers in the proportion of ``counts`` whose sum is ``whole``; without any count the last but one takes all: those without an id of their own."""
    of = sum(counts)
    if not of:
        return [*[0] * (len(counts) - 2), whole, 0]
    ends = [round(end * whole / of) for end in accumulate(counts)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]
