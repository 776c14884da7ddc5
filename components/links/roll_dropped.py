"""Messages that found no subscriber while a node is rolled: the gauge of what its take-overs may have lost (docs/emqx/moving.md#take-over-has-a-small-hole).

The rule: a node that restarts counts from 0, so it is counted in stretches in each of which the same nodes run. What a run that was cut off
has seen, only that run has counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from components.emqx.known import known
from components.links.roll_away import Opens
from components.run.measure import dropped

PATIENCE_SECONDS = 0.5


@dataclass
class Dropped:
    """The count of one node's roll; None once a stretch could not be counted."""

    of_nodes: Opens
    before: int | None = 0
    _names: tuple[str, ...] = ()
    _since: int | None = field(default=0)

    async def among(self, names: Sequence[str]) -> None:
        """End the stretch, and begin the next one with these nodes."""
        self.before = await self.count()
        self._names = tuple(names)
        self._since = await self._told()

    async def count(self) -> int | None:
        """How many until now."""
        now = await self._told()
        if self.before is None or self._since is None or now is None or now < self._since:
            return None
        return self.before + now - self._since

    async def _told(self) -> int | None:
        if not self._names:
            return 0
        async with self.of_nodes(self._names) as some:
            metrics = await known(some.metrics(patience_seconds=PATIENCE_SECONDS))
        return dropped(metrics)
