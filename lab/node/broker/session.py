"""One client's session: its subscriptions, its queue and what is on the way to it, with or without a connection.

The rule: a session never touches a socket and never looks at the clock by itself; it hands packets to its channel, and everything that
ends it goes through the cluster (`Cluster.detach`, `Cluster.terminate`).  Its `channel` is the only record of the tie between the two: a
channel that is not named here has no session, whatever it was tied to before.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from components.mqtt.packets import Packet, Publish, Pubrel, Will
from components.mqtt.properties import Property
from lab.node.broker.delivery import Delivery, Inflight, SubOptions
from lab.node.kept.message import Message
from lab.node.kept.store import Store
from lab.node.kept.topics import split_share
from lab.node.rules.limits import Limits


class Whole(Protocol):
    """What a session needs of its cluster."""

    @property
    def limits(self) -> Limits:
        """The `mqtt` settings of now."""

    @property
    def store(self) -> Store:
        """What is replicated."""


class Place(Protocol):
    """What a session needs of the node where it lives."""

    @property
    def name(self) -> str:
        """``emqx@127.a.b.i``."""

    @property
    def metrics(self) -> dict[str, int]:
        """The node's counters."""

    @property
    def cluster(self) -> Whole:
        """Where the node belongs."""


class Connection(Protocol):
    """What a session and its node need of a connection."""

    tied: Session | None

    @property
    def session(self) -> Session | None:
        """The session that names this connection as its own."""

    def send(self, packet: Packet) -> None:
        """Send a packet."""

    def send_message(self, packet: Publish, qos: int) -> bool:
        """Send a PUBLISH; False when it is larger than the client accepts."""

    def close(self, reason: int | None, server_reference: str = "") -> None:
        """Close with FIN, after a DISCONNECT where there is a reason and the client speaks MQTT 5."""

    def abort(self) -> None:
        """Reset."""


class Session:
    """The state of one client id in the cluster.

    Attributes:
        client_id, username, level (3, 4, 5), proto_name, is_bridge, clean_start, keep_alive (seconds), expiry (seconds, 0 = ends with
        the connection), is_superuser, listener (``tcp:default``), peer (host, port): of the last connection.
        created_at, connected_at, disconnected_at: unix seconds; `disconnected_at` is None while connected.
        mountpoint: what stands before every topic of the client, filled in; empty for none.  Subscriptions hold it, the client never sees it.
        node: where the session lives.
        channel: the live connection, set by `tie` and `untie` alone; None for a disconnected session.
        subscriptions: filter as subscribed (``$share/g/t`` included) -> options.
        queue: what waits for a place in flight or for a connection (`mqueue`).
        inflight: packet id -> delivery that is not acknowledged.
        awaiting_rel: packet ids of received QoS 2 messages that are not released -> unix seconds.
        will: what to publish when the connection ends without DISCONNECT.

    """

    __slots__ = (
        "awaiting_rel", "channel", "clean_start", "client_id", "connected_at", "created_at", "disconnected_at", "dropped_expired",
        "dropped_full", "dropped_large", "epoch", "expiry", "inflight", "inflight_max", "is_bridge", "is_superuser", "keep_alive", "last_inserted",
        "level", "listener", "mountpoint", "next_id", "node", "peer", "proto_name", "queue", "queue_max", "received", "recv_dropped", "recv_oct",
        "recv_pkt", "send_oct", "send_pkt", "sent", "store_qos0", "subscriptions", "username", "will",
    )  # fmt: skip

    def __init__(self, client_id: str, node: Place, now: float) -> None:
        self.client_id, self.node = client_id, node
        self.username: str | None = None
        self.channel: Connection | None = None
        self.level, self.proto_name, self.is_bridge = 4, "MQTT", False
        self.clean_start, self.keep_alive, self.expiry, self.is_superuser = True, 60, 0, False
        self.listener, self.peer, self.mountpoint = "tcp:default", ("127.0.0.1", 0), ""
        self.created_at = self.connected_at = now
        self.disconnected_at: float | None = None
        self.subscriptions: dict[str, SubOptions] = {}
        self.queue: deque[Delivery] | None = None
        self.inflight: dict[int, Inflight] = {}
        self.awaiting_rel: dict[int, float] | None = None
        self.inflight_max, self.queue_max, self.store_qos0 = 32, 1000, True
        self.will: Will | None = None
        self.next_id = 1
        self.last_inserted = 0
        self.epoch = 0
        self.received: list[int] | None = None
        self.sent: list[int] | None = None
        self.recv_oct = self.recv_pkt = self.send_oct = self.send_pkt = 0
        self.recv_dropped = self.dropped_full = self.dropped_large = self.dropped_expired = 0

    @property
    def connected(self) -> bool:
        """Whether a connection is there now."""
        return self.channel is not None

    def tie(self, channel: Connection) -> None:
        """A connection is behind this session from now on, and no other one."""
        self.channel, channel.tied = channel, self

    def untie(self) -> Connection | None:
        """The connection that was behind this session, which is behind it no more; None when there was none."""
        channel, self.channel = self.channel, None
        return channel

    @property
    def queue_length(self) -> int:
        """How many messages wait (`mqueue_len`)."""
        return len(self.queue) if self.queue else 0

    def mounted(self, topic_filter: str) -> str:
        """The filter as the broker knows it: the mountpoint before the topic, a share prefix before both."""
        if not self.mountpoint:
            return topic_filter
        _, real = split_share(topic_filter)
        return topic_filter[: len(topic_filter) - len(real)] + self.mountpoint + real

    def deliver(
        self, message: Message, options: SubOptions, now: float, *, retained: bool = False, shared: str = ""
    ) -> None:
        """Take a message for this client: send it, or keep it.

        Args:
            message: what was published.
            options: of the subscription that matched.
            now: unix seconds.
            retained: it comes from the retained table, so the client sees the retain flag.
            shared: the shared filter that it comes through, if any.

        """
        metrics = self.node.metrics
        if (options.nl or self.node.cluster.limits.ignore_loop) and message.sender == self.client_id:
            metrics["delivery.dropped"] += 1
            metrics["delivery.dropped.no_local"] += 1
            return
        upgrade = self.node.cluster.limits.upgrade_qos
        qos = max(message.qos, options.qos) if upgrade else min(message.qos, options.qos)
        identifiers = (options.identifier,) if options.identifier else ()
        keep = retained or bool(options.rap and message.retain)
        self.last_inserted = max(int(now * 1e9), self.last_inserted + 1)  # the API pages by it: never twice the same
        delivery = Delivery(message, qos, keep, identifiers, self.last_inserted, shared)
        if self.channel is not None and (qos == 0 or len(self.inflight) < self.inflight_max):
            self._send(delivery, now)
        else:
            self._keep(delivery)

    def acknowledge(self, packet_id: int, now: float) -> bool:
        """A PUBACK or PUBCOMP came (or a PUBREC that refuses): free the place; False when nothing was in flight there."""
        if self.inflight.pop(packet_id, None) is None:
            return False
        self.node.metrics["messages.acked"] += 1
        self.drain(now)
        return True

    def receive(self, packet_id: int) -> bool:
        """A PUBREC came: the message is released, PUBREL follows; False when nothing was in flight there."""
        waiting = self.inflight.get(packet_id)
        if waiting is None:
            return False
        waiting.released = True
        return True

    def resume(self, now: float) -> None:
        """Send again what was in flight (DUP, or PUBREL), then what was queued; called after the CONNACK."""
        channel = self.channel
        if channel is None:
            return
        for packet_id, waiting in tuple(self.inflight.items()):
            if waiting.released:
                channel.send(Pubrel(packet_id))
            elif self._expired(waiting.delivery, now):
                del self.inflight[packet_id]
            else:
                channel.send(self._packet(waiting.delivery, packet_id, now, dup=True))
        self.drain(now)

    def unfinished_shared(self) -> list[Delivery]:
        """What another member of a shared subscription must get when this session ends.

        All that is queued, and QoS 1 in flight; QoS 2 in flight must not be sent to anybody else (MQTT 5 section 4.8.2).
        """
        waiting = [one.delivery for one in self.inflight.values() if one.delivery.qos == 1]
        return [delivery for delivery in (*waiting, *(self.queue or ())) if delivery.shared]

    def drain(self, now: float) -> None:
        """Send from the queue while there is room in flight."""
        while self.queue and self.channel is not None and len(self.inflight) < self.inflight_max:
            self._send(self.queue.popleft(), now)
        if not self.queue:
            self.queue = None

    def _send(self, delivery: Delivery, now: float) -> None:
        channel = self.channel
        if channel is None or self._expired(delivery, now):
            return
        packet_id = None
        if delivery.qos:
            packet_id = self._free_id()
            self.inflight[packet_id] = Inflight(delivery)
        if not channel.send_message(self._packet(delivery, packet_id, now), delivery.qos):
            self.dropped_large += 1
            self.node.metrics["delivery.dropped"] += 1
            self.node.metrics["delivery.dropped.too_large"] += 1
            if packet_id is not None:
                del self.inflight[packet_id]

    def _keep(self, delivery: Delivery) -> None:
        metrics = self.node.metrics
        if delivery.qos == 0 and not self.store_qos0:
            metrics["delivery.dropped"] += 1
            metrics["delivery.dropped.qos0_msg"] += 1
            return
        if self.queue is None:
            self.queue = deque()
        if len(self.queue) >= self.queue_max > 0:
            self.queue.popleft()
            self.dropped_full += 1
            metrics["delivery.dropped"] += 1
            metrics["delivery.dropped.queue_full"] += 1
        self.queue.append(delivery)

    def _expired(self, delivery: Delivery, now: float) -> bool:
        end = delivery.message.expires_at()
        if end is None or end > now:
            return False
        self.dropped_expired += 1
        self.node.metrics["delivery.dropped"] += 1
        self.node.metrics["delivery.dropped.expired"] += 1
        return True

    def _packet(self, delivery: Delivery, packet_id: int | None, now: float, *, dup: bool = False) -> Publish:
        message = delivery.message
        properties = message.properties
        if self.level == 5 and (delivery.identifiers or Property.MESSAGE_EXPIRY in properties):
            out = dict(properties)
            if (end := message.expires_at()) is not None:
                out[Property.MESSAGE_EXPIRY] = max(1, int(end - now))
            if delivery.identifiers:
                out[Property.SUBSCRIPTION_ID] = delivery.identifiers
            properties = out
        topic = message.topic.removeprefix(self.mountpoint)
        return Publish(topic, message.payload, delivery.qos, delivery.retain, dup, packet_id, properties)

    def _free_id(self) -> int:
        while self.next_id in self.inflight:
            self.next_id = self.next_id % 65535 + 1
        found, self.next_id = self.next_id, self.next_id % 65535 + 1
        return found
