"""Who gets a message: the index of all subscriptions of a cluster, shared groups included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice

from lab.node.broker.delivery import Delivery, SubOptions
from lab.node.broker.session import Session
from lab.node.kept.message import Message
from lab.node.kept.topics import FilterIndex, split_share


class Group:
    """The members of one shared subscription, served in turn, connected or not (docs/emqx/sessions.md#making-many: 50 of 100 waited)."""

    __slots__ = ("members", "name", "turn")

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[Session, SubOptions] = {}
        self.turn = 0

    def deliver(self, message: Message, now: float) -> None:
        """Hand the message to the member whose turn it is (`round_robin`)."""
        self.turn = (self.turn + 1) % len(self.members)
        session, options = next(islice(self.members.items(), self.turn, None))
        session.deliver(message, options, now, shared=self.name)


class Subscriptions:
    """Filter -> subscribers, and (group, filter) -> members."""

    def __init__(self) -> None:
        self._plain: FilterIndex[dict[Session, SubOptions]] = FilterIndex()
        self._shared: FilterIndex[dict[str, Group]] = FilterIndex()

    def add(self, session: Session, topic_filter: str, options: SubOptions) -> None:
        """Subscribe, or change the options."""
        session.subscriptions[topic_filter] = options
        group, real = split_share(topic_filter)
        if group is None:
            row = self._plain.get(real)
            if row is None:
                self._plain.put(real, {session: options})
            else:
                row[session] = options
            return
        groups = self._shared.get(real)
        if groups is None:
            groups = {}
            self._shared.put(real, groups)
        groups.setdefault(group, Group(topic_filter)).members[session] = options

    def remove(self, session: Session, topic_filter: str) -> bool:
        """Unsubscribe; False when there was no such subscription."""
        if session.subscriptions.pop(topic_filter, None) is None:
            return False
        group, real = split_share(topic_filter)
        if group is None:
            row = self._plain.get(real)
            if row is not None:
                row.pop(session, None)
                if not row:
                    self._plain.discard(real)
            return True
        groups = self._shared.get(real)
        if groups is not None and group in groups:
            groups[group].members.pop(session, None)
            if not groups[group].members:
                del groups[group]
            if not groups:
                self._shared.discard(real)
        return True

    def remove_all(self, session: Session) -> None:
        """Forget everything a session subscribed to."""
        for topic_filter in tuple(session.subscriptions):
            self.remove(session, topic_filter)

    def leave_out(self, session: Session, seconds: float, lives: Callable[[], bool]) -> None:
        """Nothing is routed to a session for so long, whether its client is still there then or not; ``lives`` says whether it is itself."""
        kept = dict(session.subscriptions)
        self.remove_all(session)

        def put_back() -> None:
            for topic_filter, options in kept.items() if lives() else ():
                self.add(session, topic_filter, options)

        asyncio.get_running_loop().call_later(seconds, put_back)

    def route(self, message: Message, now: float) -> int:
        """Hand a message to everybody who subscribed; says to how many (one for each matching subscription)."""
        count = 0
        for row in self._plain.match(message.topic):
            for session, options in tuple(row.items()):
                session.deliver(message, options, now)
                count += 1
        for groups in self._shared.match(message.topic):
            for group in tuple(groups.values()):
                group.deliver(message, now)
                count += 1
        return count

    def hand_on(self, delivery: Delivery, now: float) -> None:
        """Give a shared delivery of a session that is gone to the next member of its group, if there is one."""
        name, real = split_share(delivery.shared)
        group = (self._shared.get(real) or {}).get(name or "")
        if group is not None:
            group.deliver(delivery.message, now)

    def topics(self) -> Iterator[tuple[str, set[str]]]:
        """Each subscribed filter (share prefix taken off) with the names of the nodes that have subscribers (`GET /topics`)."""
        found: dict[str, set[str]] = {}
        for real, row in self._plain:
            found.setdefault(real, set()).update(session.node.name for session in row)
        for real, groups in self._shared:
            for group in groups.values():
                found.setdefault(real, set()).update(session.node.name for session in group.members)
        yield from found.items()
