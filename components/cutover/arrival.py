"""Where a step's clients are: still there, here, or on their way; who was moved a moment ago is not lost (devices back off for a minute).

The rule: on their way is judged by the new colour alone, and by its own bound (``clients_away_fraction``).
"""

from __future__ import annotations

from typing import NamedTuple

STAYS = 0.99
"""The part of the new colour's own clients that is counted on to stay: a fleet always has some that come and go."""


class Before(NamedTuple):
    """What was counted before a step: the clients on the new colour, those on the old one, and those of them that the step moves.

    None is what could not be counted.
    """

    here: int | None = None
    there: int | None = None
    leaving: int | None = None

    @property
    def wanted_percent(self) -> float | None:
        """The part of the clients that the step makes the new colour's; whoever is there already stays."""
        if self.here is None or self.there is None or self.leaving is None or not self.here + self.there:
            return None
        return 100 * (self.here + self.leaving) / (self.here + self.there)


def on_their_way(before: Before, here: int | None, moved: int) -> int | None:
    """How many of the ``moved`` clients have not arrived on the new colour, which has ``here`` now; None where it is not known."""
    if before.here is None or here is None:
        return None
    return min(moved, max(0, moved - here + int(STAYS * before.here)))


def measured_percent(before: Before, here: int | None, there: int | None, moved: int) -> float | None:
    """The part of the clients that is the new colour's; those on their way are.

    A fleet without clients is where it should be. Moved clients that are on the old colour again are not on their way.
    """
    if here is None or there is None:
        return None
    missing = max(0, (before.here or 0) + (before.there or 0) - here - there)
    away = min(missing, on_their_way(before, here, moved) or 0)
    everybody = here + there + away
    return 100 * (here + away) / everybody if everybody else before.wanted_percent
