"""Topic names and filters: what is valid, what matches, and an index of filters; pure, MQTT 5 section 4.7."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

V = TypeVar("V")


def matches(topic: str, topic_filter: str) -> bool:
    """Whether a filter without share prefix selects a topic; a leading wildcard does not select ``$`` topics."""
    if topic_filter == topic:
        return True
    if topic.startswith("$") and topic_filter[:1] in {"+", "#"}:
        return False
    levels, wanted = topic.split("/"), topic_filter.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index == len(levels) or level not in {"+", levels[index]}:
            return False
    return len(levels) == len(wanted)


def covers(topic_filter: str, wider: str) -> bool:
    """Whether every topic that `topic_filter` selects is selected by `wider` (used by rules on SUBSCRIBE)."""
    if topic_filter.startswith("$") and wider[:1] in {"+", "#"}:
        return False
    levels, wanted = topic_filter.split("/"), wider.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index == len(levels) or levels[index] == "#" or level not in {"+", levels[index]}:
            return False
    return len(levels) == len(wanted)


def is_wildcard(topic_filter: str) -> bool:
    """Whether the filter selects more than one topic."""
    return "+" in topic_filter or "#" in topic_filter


def valid_topic(topic: str, max_levels: int = 128) -> bool:
    """Whether a PUBLISH may carry this topic."""
    return bool(topic) and not is_wildcard(topic) and "\0" not in topic and topic.count("/") < max_levels


def valid_filter(topic_filter: str, max_levels: int = 128) -> bool:
    """Whether a SUBSCRIBE may carry this filter, share prefix included."""
    group, real = split_share(topic_filter)
    if topic_filter.startswith("$share/") and (not group or is_wildcard(group)):
        return False
    levels = real.split("/")
    if not real or "\0" in real or len(levels) > max_levels:
        return False
    return all(
        level == "+" or (level == "#" and index == len(levels) - 1) or not is_wildcard(level)
        for index, level in enumerate(levels)
    )


def split_share(topic_filter: str) -> tuple[str | None, str]:
    """Group and real filter of ``$share/g/t`` and ``$queue/t`` (group ``$queue``); (None, filter) for a plain one."""
    if topic_filter.startswith("$share/"):
        group, slash, real = topic_filter[7:].partition("/")
        return group, real if slash else ""
    if topic_filter.startswith("$queue/"):
        return "$queue", topic_filter[7:]
    return None, topic_filter


class FilterIndex(Generic[V]):
    """Filters with a value each; exact filters in one table, those with wildcards in a trie.

    Devices mostly subscribe to topics of their own, so the exact table carries the load.
    """

    __slots__ = ("_exact", "_root")

    def __init__(self) -> None:
        self._exact: dict[str, V] = {}
        self._root: _Branch[V] = _Branch()

    def get(self, topic_filter: str) -> V | None:
        """The value of exactly this filter."""
        if not is_wildcard(topic_filter):
            return self._exact.get(topic_filter)
        branch: _Branch[V] | None = self._root
        for level in topic_filter.split("/"):
            branch = branch.children.get(level) if branch is not None else None
        return branch.value if branch is not None else None

    def put(self, topic_filter: str, value: V) -> None:
        """Set the value of a filter."""
        if not is_wildcard(topic_filter):
            self._exact[topic_filter] = value
            return
        branch = self._root
        for level in topic_filter.split("/"):
            branch = branch.children.setdefault(level, _Branch())
        branch.value = value

    def discard(self, topic_filter: str) -> None:
        """Forget a filter, and the branches that only it needed."""
        if not is_wildcard(topic_filter):
            self._exact.pop(topic_filter, None)
            return
        path, branch = [], self._root
        for level in topic_filter.split("/"):
            if level not in branch.children:
                return
            path.append((branch, level))
            branch = branch.children[level]
        branch.value = None
        for parent, level in reversed(path):
            child = parent.children[level]
            if child.children or child.value is not None:
                return
            del parent.children[level]

    def match(self, topic: str) -> list[V]:
        """The values of all filters that select the topic."""
        found = [self._exact[topic]] if topic in self._exact else []
        if self._root.children:
            found.extend(_walk(self._root, topic.split("/"), 0, topic.startswith("$")))
        return found

    def __iter__(self) -> Iterator[tuple[str, V]]:
        yield from self._exact.items()
        yield from _items(self._root, ())


class _Branch(Generic[V]):
    __slots__ = ("children", "value")

    def __init__(self) -> None:
        self.children: dict[str, _Branch[V]] = {}
        self.value: V | None = None


def _walk(branch: _Branch[V], levels: list[str], depth: int, hidden: bool) -> Iterator[V]:
    children = branch.children
    if not hidden and (rest := children.get("#")) is not None and rest.value is not None:
        yield rest.value
    if depth == len(levels):
        if branch.value is not None:
            yield branch.value
        return
    if (exact := children.get(levels[depth])) is not None:
        yield from _walk(exact, levels, depth + 1, hidden=False)
    if not hidden and (one := children.get("+")) is not None:
        yield from _walk(one, levels, depth + 1, hidden=False)


def _items(branch: _Branch[V], path: tuple[str, ...]) -> Iterator[tuple[str, V]]:
    if branch.value is not None:
        yield "/".join(path), branch.value
    for level, child in branch.children.items():
        yield from _items(child, (*path, level))
