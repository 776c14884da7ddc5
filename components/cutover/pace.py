"""How fast: one budget for the whole cutover, in clients per second, over all nodes that drain at the same time.

The rule: in any window of T seconds at most ``budget x (T + burst) + 1`` clients are moved; time that was lost in a stall is not
caught up, because the target's capacity for connects has not grown meanwhile.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

LATE_SECONDS = 60.0
"""A drain of nobody may take so long: nodes that restart, an API that answers 500 meanwhile (docs/emqx/cluster.md#a-node-dies)."""


@dataclass(frozen=True)
class Pace:
    """A token bucket as a value: ``due, pace = pace.take(now)`` before each batch.

    ``at`` is the time (seconds of any clock) up to which tokens are counted; ``burst_seconds`` is how much lost time a slow
    call may make up for.
    """

    budget_per_second: int
    at: float
    tokens: float = 0.0
    batch_interval_seconds: float = 0.05
    burst_seconds: float = 0.25

    def __post_init__(self) -> None:
        """A pace of nothing would never end."""
        if self.budget_per_second < 1:
            message = f"budget {self.budget_per_second} per second: at least 1 is allowed"
            raise ValueError(message)

    @classmethod
    def by_orders(cls, budget_per_second: int, *, at: float, act_seconds: float) -> Pace:
        """That of a mover whose orders take so long on their way: each is for what the budget has earned since the one before, and may be late once."""
        if act_seconds <= 0:
            return cls(budget_per_second, at=at)
        return cls(budget_per_second, at=at, batch_interval_seconds=act_seconds / 4, burst_seconds=2 * act_seconds)

    def take(self, now: float) -> tuple[int, Pace]:
        """How many clients may be moved at ``now``, and the pace after they were; never negative, also when time goes back."""
        most = 1.0 + self.budget_per_second * self.burst_seconds
        tokens = min(most, self.tokens + max(0.0, now - self.at) * self.budget_per_second)
        due = int(tokens)
        return due, replace(self, at=max(now, self.at), tokens=tokens - due)

    def at_rate(self, rate_per_second: int) -> Pace:
        """The same at another rate from now on; tokens that were earned before stay, as many as the new rate may hold (``take``)."""
        return self if rate_per_second == self.budget_per_second else replace(self, budget_per_second=rate_per_second)

    def wait_seconds(self) -> float:
        """How long to sleep until a batch is worth a call: the interval, or until one whole client is due."""
        return max(self.batch_interval_seconds, (1.0 - self.tokens) / self.budget_per_second)


def split(budget_per_second: int, connections: Mapping[str, int], conn_evict_rate: int | None = None) -> dict[str, int]:
    """The eviction rate of each node so that all are done at the same time; the sum is at most the budget.

    EMQX refuses a rate below 1 (docs/emqx/evacuation.md#values), so each node has at least that, and with fewer clients per second than
    nodes the sum is the number of nodes. No rate is above ``conn_evict_rate``. Each further client per second goes to the node
    that would take longest, which is proportional to its connections and still right when they are few.
    """
    rates = dict.fromkeys(connections, 1)
    waiting: list[tuple[float, str]] = [(-count, name) for name, count in connections.items() if count > 1]
    heapq.heapify(waiting)
    for _ in range(budget_per_second - len(rates)):
        if not waiting:
            break
        _, name = heapq.heappop(waiting)
        if conn_evict_rate is not None and rates[name] >= conn_evict_rate:
            continue
        rates[name] += 1
        heapq.heappush(waiting, (-connections[name] / rates[name], name))
    return rates


def limit_seconds(clients: int, budget_per_second: int) -> float:
    """The shortest time in which the budget lets so many clients be moved: what kicks take, and what a cutover is measured against."""
    return clients / budget_per_second


def evacuation_seconds(clients: int, budget_per_second: int, wait_health_check_seconds: float = 0.0) -> float:
    """The expected time until node evacuation has taken off so many clients from nodes that are loaded evenly.

    One burst a second, and a whole second after the last one before the state says so (docs/emqx/evacuation.md#timing).
    """
    return wait_health_check_seconds + math.ceil(clients / budget_per_second) + (1.0 if clients else 0.0)


def evacuation_limit_seconds(connections: Mapping[str, int], rates: Mapping[str, int]) -> float:
    """How long node evacuation may take, without its wait for the health check, before it is given up.

    The slowest node decides. EMQX keeps its rate to 0.1 s in any run (docs/emqx/evacuation.md#timing), so twice its time is late.
    """
    slowest = max((math.ceil(count / rates[node]) for node, count in connections.items() if node in rates), default=0)
    return LATE_SECONDS + 2.0 * slowest
