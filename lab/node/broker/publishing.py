"""The way of a message through the broker: delayed, retained, subscribers; with the counters that EMQX moves on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from components.mqtt.properties import Property
from lab.node.broker.delayed import DelayedQueue
from lab.node.broker.session import Place, Session
from lab.node.broker.subscriptions import Subscriptions
from lab.node.kept.message import Message, message_id
from lab.node.kept.store import Store
from lab.node.rules.acl_file import Client
from lab.node.rules.authz import Decides, Decision, Request
from lab.node.rules.limits import Limits, rate, seconds, size


class Publishing:
    """Publishes for one cluster: `clock` in unix seconds, `limits` those of now, `authorizer` who is asked."""

    def __init__(
        self,
        store: Store,
        subscriptions: Subscriptions,
        delayed: DelayedQueue,
        authorizer: Decides,
        clock: Callable[[], float],
        limits: Callable[[], Limits],
    ) -> None:
        self._store, self._subscriptions, self._delayed, self.authorizer = store, subscriptions, delayed, authorizer
        self._clock, self._limits = clock, limits
        self._second, self._in_second = 0, 0

    def publish(self, message: Message, node: Place) -> int:
        """Publish without asking; returns to how many subscriptions the message went."""
        metrics, now = node.metrics, self._clock()
        if not message.id or not message.at:
            message = replace(message, at=message.at or now, id=message.id or message_id(now))
        expiry = self._limits().message_expiry
        if expiry is not None and Property.MESSAGE_EXPIRY not in message.properties:
            message = replace(message, properties={**message.properties, Property.MESSAGE_EXPIRY: int(expiry)})
        kept = self._delayed.take(message, node.name)
        if kept is not None:
            metrics["messages.delayed"] += kept
            return 0
        metrics["messages.publish"] += 1
        if message.retain:
            self._retain(message)
        count = self._subscriptions.route(message, now)
        if not count and not message.topic.startswith("$SYS/"):
            metrics["messages.dropped"] += 1
            metrics["messages.dropped.no_subscribers"] += 1
        return count

    def publish_as(self, session: Session, message: Message) -> int:
        """Publish if the session's client may (a will); 0 when it may not."""
        decision = self.authorize(
            session, Request(client_of(session), "publish", message.topic, message.qos, message.retain)
        )
        if not decision.allowed:
            return 0
        return self.publish(replace(message, topic=session.mountpoint + message.topic), session.node)

    def authorize(self, session: Session, request: Request) -> Decision:
        """The decision about what a session's client wants, with its counters."""
        metrics = session.node.metrics
        metrics["client.authorize"] += 1
        metrics["authorization.cache_miss"] += 1
        if session.is_superuser:
            metrics["authorization.superuser"] += 1
            metrics["authorization.allow"] += 1
            return Decision(allowed=True, matched=True)
        decision = self.authorizer.decide(request)
        word = "allow" if decision.allowed else "deny"
        metrics[f"authorization.{word}"] += 1
        metrics[f"authorization.matched.{word}" if decision.matched else "authorization.nomatch"] += 1
        return decision

    def _retain(self, message: Message) -> None:
        settings, table = self._store.effective("retainer"), self._store.retained
        if not settings.get("enable", True):
            return
        if not message.payload:
            table.pop(message.topic, None)
            return
        if len(message.payload) > size(settings.get("max_payload_size", "1MB")) or not self._may_retain(
            message, settings
        ):
            return
        limit = int(settings.get("backend", {}).get("max_retained_messages", 0))
        if limit and len(table) >= limit and message.topic not in table:
            return
        lifetime = int(seconds(settings.get("msg_expiry_interval", "0s")))
        if lifetime and Property.MESSAGE_EXPIRY not in message.properties:
            message = replace(message, properties={**message.properties, Property.MESSAGE_EXPIRY: lifetime})
        table[message.topic] = message

    def _may_retain(self, message: Message, settings: dict[str, str]) -> bool:
        """`max_publish_rate`: above it QoS 0 is not retained, without a word (docs/emqx/backup.md#publishing-retained-messages-instead)."""
        second = int(message.at)
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return bool(message.qos) or self._in_second <= rate(settings.get("max_publish_rate", "infinity"))


def client_of(session: Session) -> Client:
    """Whom the rules see."""
    return Client(session.client_id, session.username, session.peer[0], session.node.name)
