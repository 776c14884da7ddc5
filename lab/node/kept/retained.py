"""Retained messages: a table by topic with an index by level, so that a wildcard filter does not read the whole table."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from lab.node.kept.message import Message
from lab.node.kept.topics import is_wildcard


class RetainedTable(MutableMapping[str, Message]):
    """topic -> message; `select` finds by filter.  A node of the index is a dict of levels, a topic's end the key ``""/END``."""

    def __init__(self) -> None:
        self._messages: dict[str, Message] = {}
        self._index: _Level = _Level()

    def __getitem__(self, topic: str) -> Message:
        return self._messages[topic]

    def __setitem__(self, topic: str, message: Message) -> None:
        if topic not in self._messages:
            level = self._index
            for name in topic.split("/"):
                level = level.below.setdefault(name, _Level())
            level.topic = topic
        self._messages[topic] = message

    def __delitem__(self, topic: str) -> None:
        del self._messages[topic]
        path, level = [], self._index
        for name in topic.split("/"):
            path.append((level, name))
            level = level.below[name]
        level.topic = None
        for parent, name in reversed(path):
            if parent.below[name].below or parent.below[name].topic is not None:
                return
            del parent.below[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._messages)

    def __len__(self) -> int:
        return len(self._messages)

    def select(self, topic_filter: str, now: float) -> Iterator[Message]:
        """The unexpired messages that a plain filter (no share prefix) selects; `now` in unix seconds."""
        if not is_wildcard(topic_filter):
            topics = iter((topic_filter,) if topic_filter in self._messages else ())
        else:
            topics = _below(self._index, topic_filter.split("/"), 0)
        for topic in topics:
            message = self._messages[topic]
            if (end := message.expires_at()) is None or end > now:
                yield message

    def drop_expired(self, now: float) -> int:
        """Forget what has expired; says how many."""
        gone = [topic for topic, one in self._messages.items() if (end := one.expires_at()) is not None and end <= now]
        for topic in gone:
            del self[topic]
        return len(gone)


class _Level:
    __slots__ = ("below", "topic")

    def __init__(self) -> None:
        self.below: dict[str, _Level] = {}
        self.topic: str | None = None


def _below(level: _Level, wanted: list[str], depth: int) -> Iterator[str]:
    if depth == len(wanted):
        if level.topic is not None:
            yield level.topic
        return
    name = wanted[depth]
    if name == "#":
        yield from _all(level, hide=depth == 0)
    elif name == "+":
        for below_name, below in level.below.items():
            if depth or not below_name.startswith("$"):
                yield from _below(below, wanted, depth + 1)
    elif name in level.below:
        yield from _below(level.below[name], wanted, depth + 1)


def _all(level: _Level, *, hide: bool = False) -> Iterator[str]:
    if level.topic is not None:
        yield level.topic
    for name, below in level.below.items():
        if not (hide and name.startswith("$")):
            yield from _all(below)
