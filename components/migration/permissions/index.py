"""Which of many filters is the first that matches a topic, without going through all of them.

The rule kept here: the answer is that of ``topics.matches`` asked for one filter after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from components.migration.permissions.topics import Words

KEPT = 256
"""Indices of so many logins and actions are kept: questions come login by login, and those of 100,000 would need 150 MB."""


class _Node:
    """One level: ``ends`` is the first filter that ends here, ``rest`` the first with ``#`` behind it."""

    __slots__ = ("below", "ends", "rest")

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        self.ends: int | None = None
        self.rest: int | None = None


class Filters:
    """Filters by their place; ``others`` are the places of those that are not known before somebody asks (None)."""

    __slots__ = ("_root", "others")

    def __init__(self, filters: Iterable[Words | None]) -> None:
        """Every filter is added once."""
        self._root = _Node()
        self.others: list[int] = []
        for place, words in enumerate(filters):
            if words is None:
                self.others.append(place)
            else:
                self._add(place, words)

    def _add(self, place: int, words: Words) -> None:
        node = self._root
        has_rest = words[-1] == "#"
        for word in words[:-1] if has_rest else words:
            node = node.below.setdefault(word, _Node())
        if has_rest:
            node.rest = place if node.rest is None else node.rest
        else:
            node.ends = place if node.ends is None else node.ends

    def first_of(self, topic: Sequence[str], fits: Callable[[int], bool], *, loose: bool) -> int | None:
        """The lowest place that matches; of those in ``others`` it is asked by ``fits``."""
        best = self.first(topic, loose=loose)
        before = (place for place in self.others if best is None or place < best)
        return next((place for place in before if fits(place)), best)

    def first(self, topic: Sequence[str], *, loose: bool) -> int | None:
        """The lowest place of a known filter that matches; ``loose`` as in ``topics.matches``."""
        found: list[int | None] = []
        keeps_out = not loose and topic[0].startswith("$")  # a leading wildcard does not match it
        waiting = [(self._root, 0)]
        while waiting:
            node, at = waiting.pop()
            if at or not keeps_out:
                found.append(node.rest)
            if at == len(topic):
                found.append(node.ends)
                continue
            ways = {topic[at]} if keeps_out and not at else {topic[at], "+"}
            waiting += [(node.below[way], at + 1) for way in ways if way in node.below]
        return min((place for place in found if place is not None), default=None)
