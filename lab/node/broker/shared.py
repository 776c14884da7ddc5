"""What all nodes of a cluster share: who is connected where, and what happens to sessions, wills and messages.

The rule: every change of a session's life goes through here, so that registry, subscriptions, counters and deadlines agree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Literal

from components.mqtt.properties import Property
from components.mqtt.reasons import Reason
from lab.node.broker.aftermath import Aftermath
from lab.node.broker.agenda import Agenda
from lab.node.broker.delayed import DelayedQueue
from lab.node.broker.publishing import Publishing
from lab.node.broker.registry import Registry
from lab.node.broker.session import Place, Session
from lab.node.broker.subscriptions import Subscriptions
from lab.node.kept.message import Message, message_id
from lab.node.kept.store import Store
from lab.node.rules.authn import Authenticator, Checks
from lab.node.rules.authz import Authorizer, Decides
from lab.node.rules.flapping import Flapping
from lab.node.rules.licence import Licence
from lab.node.rules.limits import Limits


class Shared(ABC):
    """The part of a cluster that its nodes know.

    Args:
        store: what is replicated.
        licence_max_sessions: of the licence; None or 0 for no limit.
        clock: unix seconds.
        random: chooses the recipients of moved sessions and makes client ids.

    Attributes:
        registry: which session lives where; takeover and the API ask it.
        subscriptions, limits, authenticator, authorizer, licence, agenda, delayed, publishing, aftermath: the parts.

    """

    def __init__(
        self, store: Store, licence_max_sessions: int | None, clock: Callable[[], float], random: Random
    ) -> None:
        self.store, self.clock, self.random = store, clock, random
        self.registry = Registry()
        self.subscriptions = Subscriptions()
        self.agenda = Agenda()
        self.licence = Licence(licence_max_sessions)
        self.limits = Limits.of(store.effective("mqtt"))
        self.authenticator: Checks = Authenticator(store)
        self.authorizer: Decides = Authorizer(store)
        self.flapping = Flapping(store)
        self.aftermath = Aftermath(random)
        self.delayed = DelayedQueue(store, self.agenda, self._publish_delayed)
        self.publishing = Publishing(
            store, self.subscriptions, self.delayed, self.authorizer, clock, lambda: self.limits
        )
        store.watch(self._config_changed)

    @abstractmethod
    def running_nodes(self) -> Sequence[Place]:
        """The nodes that serve."""

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Client id -> session, of all nodes."""
        return self.registry.sessions

    def judge_by(self, authenticator: Checks, authorizer: Decides) -> None:
        """Ask others about CONNECTs and topics from now on."""
        self.authenticator, self.authorizer, self.publishing.authorizer = authenticator, authorizer, authorizer

    def kick(self, client_id: str, reason: int | None = Reason.ADMINISTRATIVE_ACTION) -> bool:
        """End a client's session wherever it lives; False when there is none.

        A live MQTT 5 client gets DISCONNECT 0x98 (or another ``reason``, or none), everybody a FIN; the will is published at once even with a delay; the session is gone
        (docs/emqx/moving.md#kick).
        """
        session = self.sessions.get(client_id)
        if session is None:
            return False
        channel = session.channel
        if channel is not None:
            session.expiry = 0
            self.detach(session, will="now")
            channel.close(reason)
        else:
            self.publish_will(session)
            self.terminate(session)
        return True

    def publish(self, message: Message, node: Place | None = None) -> int:
        """Publish a message with no further questions (`POST /publish` passes every rule): retained table, subscribers.

        Args:
            message: `at` and `id` may be left at their defaults.
            node: whose counters move; the first running node when None.

        Returns:
            The number of subscriptions that it went to; 0 when no node runs.

        """
        taker = node or next(iter(self.running_nodes()), None)
        return self.publishing.publish(message, taker) if taker is not None else 0

    def publish_will(self, session: Session) -> None:
        """Publish a session's will now, if it has one that is not published."""
        will, session.will = session.will, None
        if will is None:
            return
        now = self.clock()
        properties = {key: value for key, value in will.properties.items() if key != Property.WILL_DELAY}
        message = Message(
            will.topic,
            will.payload,
            will.qos,
            will.retain,
            session.client_id,
            session.username or "",
            now,
            message_id(now),
            properties,
        )
        self.publishing.publish_as(session, message)

    def detach(self, session: Session, *, will: Literal["now", "delayed", "none"]) -> None:
        """The connection of a session ends; the caller closes the channel.  Nothing happens when it has none.

        A persistent session stays until its expiry, any other ends here.  A will is published now, after its delay, or dropped.
        """
        if session.untie() is None:
            return
        session.node.metrics["client.disconnected"] += 1
        now = self.clock()
        self.flapping.disconnected(session.client_id, now)
        session.disconnected_at = now
        session.epoch += 1
        self._settle_will(session, will, now)
        if session.expiry <= 0:
            self.terminate(session)
        elif session.expiry < 0xFFFFFFFF:
            epoch = session.epoch
            self.agenda.add(now + session.expiry, lambda: self._expire(session, epoch))

    def terminate(self, session: Session) -> None:
        """A session ends: subscriptions, queue and registry entry are gone; what a shared subscription gave it goes to others."""
        self.publish_will(session)
        unfinished = session.unfinished_shared()
        self.lose(session)
        session.node.metrics["session.terminated"] += 1
        for delivery in unfinished:
            self.subscriptions.hand_on(delivery, self.clock())

    def lose(self, session: Session) -> None:
        """Forget a session without will or counter, as the death of its node does; its channel, if any, has none from then on."""
        session.untie()
        if self.registry.forget(session):
            session.epoch += 1
            self.subscriptions.remove_all(session)

    def counts(self, node: Place) -> dict[str, int]:
        """The gauges of a node as they are now."""
        mine, live = self.registry.on(node).values(), len(self.registry.live(node))
        filters = sum(len(session.subscriptions) for session in mine)
        shared = sum(1 for session in mine for name in session.subscriptions if name.startswith(("$share/", "$queue/")))
        return {
            "connections": len(mine),
            "live_connections": live,
            "channels": len(mine),
            "sessions": len(mine),
            "cluster_sessions": len(self.sessions),
            "topics": len({name for session in self.sessions.values() for name in session.subscriptions}),
            "suboptions": filters,
            "subscribers": sum(1 for session in mine if session.subscriptions),
            "subscriptions": filters,
            "subscriptions.shared": shared,
            "retained": len(self.store.retained),
            "delayed": len(self.store.delayed),
        }

    def _settle_will(self, session: Session, will: Literal["now", "delayed", "none"], now: float) -> None:
        if session.will is None or will == "none":
            session.will = None
            return
        delay = min(int(session.will.properties.get(Property.WILL_DELAY, 0)), session.expiry)
        if will == "now" or delay <= 0:
            self.publish_will(session)
            return
        epoch = session.epoch
        self.agenda.add(now + delay, lambda: self.publish_will(session) if session.epoch == epoch else None)

    def _expire(self, session: Session, epoch: int) -> None:
        if session.epoch == epoch and session.channel is None:
            self.terminate(session)

    def _publish_delayed(self, message: Message, node: str) -> None:
        self.publish(message, next((one for one in self.running_nodes() if one.name == node), None))

    def _config_changed(self, root: str) -> None:
        if root == "mqtt":
            self.limits = Limits.of(self.store.effective("mqtt"))
        elif root == "flapping_detect":
            self.flapping.configure()
