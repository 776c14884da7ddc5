"""A rebalance: evict from the fullest nodes until they are near the emptiest, then let everybody in again by itself.

Short form, as recorded (docs/emqx/evacuation.md#rebalance, recording evac_rebalance): states are spelled ``wait_*`` here and
``waiting_*`` in an evacuation, and that is EMQX's own spelling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from lab.node.broker.cluster import Cluster

TICK_SECONDS = 1.0


class Stage(StrEnum):
    """The spellings of ``state``."""

    WAIT_HEALTH_CHECK = "wait_health_check"
    EVICTING_CONNS = "evicting_conns"
    WAIT_TAKEOVER = "wait_takeover"
    EVICTING_SESSIONS = "evicting_sessions"


@dataclass(frozen=True)
class Thresholds:
    """A donor must be above the recipients by ``absolute`` clients and by the factor ``relative``."""

    absolute: int = 1000
    relative: float = 1.1

    def exceeded(self, donors: Iterable[int], recipients: Iterable[int]) -> bool:
        """Whether the average donor is above both."""
        high, low = average(donors), average(recipients)
        return high > low + self.absolute and high > low * self.relative


@dataclass(frozen=True)
class Wishes:
    """What POST /load_rebalance/:node/start asks for; waits in seconds, rates per second."""

    wait_health_check: int = 60
    conn_evict_rate: int = 500
    wait_takeover: int = 60
    sess_evict_rate: int = 500
    connections: Thresholds = field(default=Thresholds())
    sessions: Thresholds = field(default=Thresholds())
    nodes: tuple[str, ...] | None = None


@dataclass
class Work:
    """A running rebalance."""

    coordinator: str
    donors: tuple[str, ...]
    recipients: tuple[str, ...]
    wishes: Wishes
    initial: dict[str, tuple[int, int]]
    stage: Stage = Stage.WAIT_HEALTH_CHECK
    goals: dict[str, float] = field(default_factory=dict)

    def rates(self) -> dict[str, int]:
        """The two rates under the names of the status."""
        return {
            "session_eviction_rate": self.wishes.sess_evict_rate,
            "connection_eviction_rate": self.wishes.conn_evict_rate,
        }


def average(counts: Iterable[int]) -> float:
    """The mean; 0 of nothing."""
    values = list(counts)
    return sum(values) / len(values) if values else 0.0


def split(counts: dict[str, int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Donors at or above the mean, recipients below it; the recipients backwards, as they are shown."""
    mean = average(counts.values())
    donors = tuple(name for name, count in counts.items() if count >= mean)
    return donors, tuple(name for name in reversed(counts) if name not in donors)


class Rebalances:
    """All rebalances of a cluster; each runs in one task and ends by itself.  ``sleep`` waits, unless a test lets its own time pass."""

    def __init__(self, cluster: Cluster) -> None:
        """Nothing runs."""
        self.cluster = cluster
        self.sleep = cast("Callable[[float], Awaitable[None]]", asyncio.sleep)
        self.running: dict[str, Work] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def busy(self, name: str) -> bool:
        """Whether a node is a donor now."""
        return any(name in work.donors for work in self.running.values())

    def plan(self, coordinator: str, wishes: Wishes) -> Work | None:
        """The work to do; None when nothing is above the thresholds (``nothing_to_balance``)."""
        names = wishes.nodes or tuple(node.name for node in self.cluster.running_nodes())
        live = {name: self._live(name) for name in names}
        donors, recipients = split(live)
        over = wishes.connections.exceeded((live[one] for one in donors), (live[one] for one in recipients))
        idle = {name: self._idle(name) for name in names}
        if not over or not recipients:
            donors, recipients = split(idle)
            over = wishes.sessions.exceeded((idle[one] for one in donors), (idle[one] for one in recipients))
        if not over or not recipients:
            return None
        return Work(coordinator, donors, recipients, wishes, {one: (live[one], self._all(one)) for one in donors})

    def start(self, work: Work) -> None:
        """Begin; donors refuse clients from now on."""
        self.running[work.coordinator] = work
        for donor in work.donors:
            self.cluster.nodes[donor].refuse_connects()
        self._tasks[work.coordinator] = asyncio.get_running_loop().create_task(self._work(work))

    def stop(self, coordinator: str) -> bool:
        """End it; False when this node coordinates none."""
        task = self._tasks.pop(coordinator, None)
        if task is not None:
            task.cancel()
        return self._finish(coordinator)

    def status(self, name: str) -> dict[str, Any] | None:
        """What a donor shows of itself; None for everybody else."""
        for work in self.running.values():
            if name in work.donors:
                goals = {key: value for key, value in work.goals.items() if key.endswith("goal")}
                return {
                    "process": "rebalance",
                    "status": "enabled",
                    "state": str(work.stage),
                    "stats": self._stats(work, name),
                    "coordinator_node": work.coordinator,
                    "recipients": list(work.recipients),
                    **goals,
                    **work.rates(),
                }
        return None

    def overview(self) -> list[dict[str, Any]]:
        """The ``rebalances`` of global_status."""
        return [
            {
                "node": work.coordinator,
                "state": str(work.stage),
                "coordinator_node": work.coordinator,
                "donors": list(work.donors),
                "recipients": list(work.recipients),
                **work.goals,
                **work.rates(),
            }
            for work in self.running.values()
        ]

    def _stats(self, work: Work, name: str) -> dict[str, int]:
        connected, sessions = work.initial[name]
        return {
            "current_sessions": self._all(name),
            "initial_sessions": sessions,
            "current_disconnected_sessions": self._idle(name),
            "current_connected": self._live(name),
            "initial_connected": connected,
        }

    async def _work(self, work: Work) -> None:
        await self.sleep(work.wishes.wait_health_check)
        work.stage = Stage.EVICTING_CONNS
        while self._evict_connections(work):
            await self.sleep(TICK_SECONDS)
        work.stage = Stage.WAIT_TAKEOVER
        await self.sleep(work.wishes.wait_takeover)
        work.stage = Stage.EVICTING_SESSIONS
        while self._move_sessions(work):
            await self.sleep(TICK_SECONDS)
        self._tasks.pop(work.coordinator, None)
        self._finish(work.coordinator)

    def _evict_connections(self, work: Work) -> bool:
        high = {name: self._live(name) for name in work.donors}
        low = average(self._live(name) for name in work.recipients)
        if not work.wishes.connections.exceeded(high.values(), [self._live(name) for name in work.recipients]):
            return False
        work.goals |= {"donor_conn_avg": average(high.values()), "connection_goal": low}
        for name, count in high.items():
            if count > low:
                self.cluster.nodes[name].evict(work.wishes.conn_evict_rate)
        return True

    def _move_sessions(self, work: Work) -> bool:
        high = {name: self._idle(name) for name in work.donors}
        low = [self._idle(name) for name in work.recipients]
        if not work.wishes.sessions.exceeded(high.values(), low):
            return False
        work.goals |= {"donor_sess_avg": average(high.values()), "session_goal": average(low)}
        recipients = [self.cluster.nodes[name] for name in work.recipients]
        for name, count in high.items():
            if count > average(low):
                self.cluster.nodes[name].move_sessions(work.wishes.sess_evict_rate, recipients)
        return True

    def _finish(self, coordinator: str) -> bool:
        work = self.running.pop(coordinator, None)
        for donor in work.donors if work else ():
            self.cluster.nodes[donor].accept_connects()
        return work is not None

    def _live(self, name: str) -> int:
        return self.cluster.nodes[name].live_connections

    def _all(self, name: str) -> int:
        return self.cluster.nodes[name].connections

    def _idle(self, name: str) -> int:
        return self._all(name) - self._live(name)
