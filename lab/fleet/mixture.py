"""Which devices of a fleet are of which kind, and what follows from it for the fleet; pure.

The rule: a device's kind follows from its number alone, every cycle of devices has each kind as often as its weight says, and a short
run of devices has them in nearly the same proportion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from lab.fleet.kind import Kind
from lab.fleet.kinds import KINDS, MIXTURE, PLAIN

MIXED = "mixture"
"""The word for the kinds of ``MIXTURE``, at their weights."""
MOST_WEIGHT = 1_000


class UnknownKindError(ValueError):
    """A word that names no kind, or a weight that cannot be; the message says which are allowed."""


@dataclass(frozen=True)
class Mixture:
    """Kinds and their weights, whole numbers; no kind twice."""

    kinds: tuple[Kind, ...]
    weights: tuple[int, ...]

    def of(self, number: int) -> tuple[Kind, int]:
        """The kind of a device, and the number that the device would have if the kinds were numbered one after the other.

        The second one decides level, session and QoS, so that these do not go hand in hand with the kind.
        """
        cycle, place = divmod(number, len(self._slots))
        index, rank = self._slots[place]
        return self.kinds[index], cycle * self.weights[index] + rank + sum(self.weights[:index])

    @cached_property
    def _slots(self) -> tuple[tuple[int, int], ...]:
        """One cycle of devices, as (index of the kind, which of its kind); at no place has a kind one more or less than its part.

        By R. Tijdeman's rule (The chairman assignment problem, 1980): of the kinds that are behind enough, the one that would be too late first.
        """
        whole, sharp = sum(self.weights), max(1, 2 * len(self.weights) - 2)
        taken, slots = [0] * len(self.weights), list[tuple[int, int]]()
        for place in range(1, whole + 1):
            behind = [sharp * (weight * place - had * whole) for weight, had in zip(self.weights, taken, strict=True)]
            due = [index for index, much in enumerate(behind) if much >= whole]
            index = min(due, key=lambda one: ((whole * (sharp - 1) - behind[one]) / self.weights[one], one))
            slots.append((index, taken[index]))
            taken[index] += 1
        return tuple(slots)

    def away(self, rate_per_second: float, seconds: float) -> float:
        """How many devices are away at most, on average, while so many a second are disconnected for so long; the connect itself not counted.

        That is the rate times the mean wait (Little's law), of which a step that is over sooner than a kind's wait sees a part only.
        """
        waits = (min(kind.mean_first_seconds, seconds) for kind in self.kinds)
        shared = sum(wait * weight for wait, weight in zip(waits, self.weights, strict=True))
        return rate_per_second * shared / sum(self.weights)

    def least_connected(self, clients: int, rate_per_second: float, shares: Sequence[float]) -> int:
        """How many of so many stay connected at least, as far as the waits and the largest step decide it.

        ``shares`` are the steps in percent. Three times the square root is what random waits make of an average at some moment.
        """
        largest = max(high - low for low, high in pairwise([0.0, *shares])) / 100 * clients
        away = self.away(rate_per_second, largest / rate_per_second)
        return max(0, int(clients - away - 3 * away**0.5))


def mixture(words: str) -> Mixture:
    """The mixture that ``NAME[=WEIGHT],...`` means; ``mixture`` alone is the default one.

    Raises:
        UnknownKindError: a word that is none.

    """
    if words == MIXED:
        return _mixed(MIXTURE.items())
    pairs = [word.strip().partition("=") for word in words.split(",")]
    return _mixed([(name, _weight(words, weight) if equals else 1) for name, equals, weight in pairs])


def only(kind: Kind) -> Mixture:
    """A fleet of one kind."""
    return Mixture((kind,), (1,))


def plain() -> Mixture:
    """The fleet whose figures are those of the brokers alone."""
    return only(PLAIN)


def _mixed(pairs: Iterable[tuple[str, int]]) -> Mixture:
    found = tuple(pairs)
    names = [name for name, _ in found]
    unknown = [name for name in names if name not in KINDS]
    if unknown or len(set(names)) < len(names):
        told = f"{unknown[0]!r} is no kind of client" if unknown else "a kind stands there twice"
        raise UnknownKindError(
            f"{told}: give {MIXED}, or of these, with commas, each as NAME or NAME=WEIGHT: {_known()}"
        )
    return Mixture(tuple(KINDS[name] for name in names), tuple(weight for _, weight in found))


def _weight(words: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST_WEIGHT:
        raise UnknownKindError(f"a weight of {text!r} in {words!r}: give a whole number of 1 to {MOST_WEIGHT:,}")
    return int(text)


def _known() -> str:
    return ", ".join(KINDS)
