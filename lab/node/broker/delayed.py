"""Messages that are published later: `$delayed/<seconds>/<topic>`, kept in the store so that they survive a restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lab.node.broker.agenda import Agenda
from lab.node.kept.message import Message
from lab.node.kept.records import DelayedMessage
from lab.node.kept.store import Store
from lab.node.rules.limits import count

_PREFIX = "$delayed/"
_MAX_SECONDS = 4_294_967


class DelayedQueue:
    """Keeps delayed messages and publishes them when they are due.

    Args:
        store: holds the table and the `delayed` root.
        agenda: calls when a message is due.
        publish: takes the message with its real topic, and the name of the node that took it.

    """

    def __init__(self, store: Store, agenda: Agenda, publish: Callable[[Message, str], None]) -> None:
        self._store, self._agenda, self._publish = store, agenda, publish
        for delayed in store.delayed.values():
            self._schedule(delayed)

    def take(self, message: Message, node: str) -> bool | None:
        """Keep a message if it is a delayed one.

        Returns:
            None when it is an ordinary message; True when it is kept; False when it is refused (bad interval, table full).

        """
        if not message.topic.startswith(_PREFIX) or not self._store.effective("delayed").get("enable", True):
            return None
        interval, slash, topic = message.topic[len(_PREFIX) :].partition("/")
        limit = count(self._store.effective("delayed").get("max_delayed_messages", 0))
        if not slash or not topic or not interval.isdigit() or int(interval) > _MAX_SECONDS:
            return False
        if limit and len(self._store.delayed) >= limit:
            return False
        self.add(DelayedMessage(replace(message, topic=topic), message.at + int(interval), int(interval), node))
        return True

    def add(self, delayed: DelayedMessage) -> None:
        """Keep a delayed message until it is due; removing it from `store.delayed` cancels it."""
        self._store.delayed[delayed.message.id] = delayed
        self._schedule(delayed)

    def _schedule(self, delayed: DelayedMessage) -> None:
        def due() -> None:
            if self._store.delayed.pop(delayed.message.id, None) is not None:
                self._publish(delayed.message, delayed.node)

        self._agenda.add(delayed.due, due)
