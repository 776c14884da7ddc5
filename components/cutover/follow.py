"""A pace that follows the new colour: before a gate gives up, the rate halves, and it recovers when the gates are well again.

The rule: the rate is never above the budget, and it comes to rest: each recovery waits twice as long as the one before, and after
``MOST_RECOVERIES`` of them the rate only falls. It slows down for the gates alone that get better by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from components.cutover.facts import Verdict

NEAR = 0.5
"""The part of a gate's threshold from which on it is near."""
FOLLOWED = frozenset(
    {
        "connect_failure_rate_above_baseline",
        "connect_latency_p99_milliseconds",
        "load1",
        "clients_away_fraction",
    }
)
"""Gates whose value falls when fewer clients come at once; memory in use, lost nodes and licences do not."""
LEAST_PART = 16
"""The rate never falls below the budget over this, nor below one client per second."""
SETTLE_SECONDS = 3.0
"""What a change of the rate does is seen after a few looks; before that it is not changed again."""
CALM_SECONDS = 10.0
"""How long the gates are well before the first recovery."""
MOST_RECOVERIES = 5


@dataclass(frozen=True)
class Pacing:
    """The rate as a value: ``pacing = pacing.after(now, strain(verdicts))`` at each look.

    ``budget_per_second`` is the most, ``rate_per_second`` what is allowed now; ``now`` is seconds of any clock.
    """

    budget_per_second: int
    rate_per_second: int
    changed_at: float
    calm_since: float | None = None
    strain: float = 0.0
    recoveries: int = 0

    @classmethod
    def full(cls, budget_per_second: int, now: float) -> Pacing:
        """At the budget, as a step begins."""
        return cls(budget_per_second, budget_per_second, now - SETTLE_SECONDS)

    @property
    def least_per_second(self) -> int:
        """Where it stops falling."""
        return max(1, self.budget_per_second // LEAST_PART)

    def after(self, now: float, strain: float) -> Pacing:
        """The pacing once a look has found this strain."""
        settled = now - self.changed_at >= SETTLE_SECONDS
        if strain >= NEAR:
            # What is getting better already, as the window of a gate empties, is given its time.
            worse = self.calm_since is not None or strain >= self.strain
            if not (settled and worse) or self.rate_per_second == self.least_per_second:
                return replace(self, calm_since=None, strain=max(strain, self.strain) if not settled else strain)
            slower = max(self.least_per_second, self.rate_per_second // 2)
            return replace(self, rate_per_second=slower, changed_at=now, calm_since=None, strain=strain)
        since = now if self.calm_since is None else self.calm_since
        wait = CALM_SECONDS * 2**self.recoveries
        full = self.rate_per_second == self.budget_per_second
        if full or self.recoveries >= MOST_RECOVERIES or now - max(since, self.changed_at) < wait:
            return replace(self, calm_since=since)
        faster = min(self.budget_per_second, self.rate_per_second * 2)
        return replace(self, rate_per_second=faster, changed_at=now, calm_since=since, recoveries=self.recoveries + 1)


def nearest(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The gate that is nearest to its threshold of those that get better when fewer clients come; None where none is measured."""
    measured = [one for one in verdicts if one.gate in FOLLOWED and one.value is not None and one.threshold > 0]
    return max(measured, key=_part, default=None)


def strain(verdict: Verdict | None) -> float:
    """Its value as a part of the threshold; 0 where nothing is measured."""
    return _part(verdict) if verdict is not None else 0.0


def _part(verdict: Verdict) -> float:
    return max(0.0, (verdict.value or 0.0) / verdict.threshold)
