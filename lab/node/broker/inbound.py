"""What a connected client sends, one function for each packet type; the answers are those of docs/emqx/probes.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.mqtt import (
    Auth,
    Disconnect,
    Pingreq,
    Pingresp,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Reason,
    Subscribe,
    Unsubscribe,
)
from lab.node.broker.channel import Channel
from lab.node.broker.metrics import MESSAGES_RECEIVED
from lab.node.broker.publishing import client_of
from lab.node.broker.session import Session
from lab.node.broker.subscribing import on_subscribe, on_unsubscribe
from lab.node.kept.message import Message, message_id
from lab.node.kept.topics import valid_topic
from lab.node.rules.authz import Request
from lab.node.rules.rewrite import rewritten

_FORWARDED = frozenset(
    {
        Property.PAYLOAD_FORMAT,
        Property.MESSAGE_EXPIRY,
        Property.CONTENT_TYPE,
        Property.RESPONSE_TOPIC,
        Property.CORRELATION_DATA,
        Property.USER_PROPERTY,
    }
)


def on_publish(channel: Channel, session: Session, packet: Publish) -> None:
    """PUBLISH: check, ask, publish, acknowledge."""
    cluster, metrics = channel.node.cluster, channel.node.metrics
    metrics["messages.received"] += 1
    metrics[MESSAGES_RECEIVED[packet.qos]] += 1
    session.received = session.received or [0, 0, 0]
    session.received[packet.qos] += 1
    topic = _topic(channel, packet)
    problem = _problem(channel, packet, topic)
    if problem or topic is None:
        metrics["packets.publish.error"] += 1
        channel.fail(problem)
        return
    topic = rewritten(cluster.store.effective("rewrite"), "publish", topic, session.client_id, session.username)
    request = Request(client_of(session), "publish", topic, packet.qos, packet.retain)
    if not cluster.publishing.authorize(session, request).allowed:
        metrics["packets.publish.error"] += 1
        metrics["packets.publish.auth_error"] += 1
        _deny_publish(channel, packet)
        return
    if packet.qos == 2 and not _admit(channel, session, packet):
        return
    message = _message(session, packet, session.mountpoint + topic, cluster.clock())
    count = cluster.publishing.publish(message, channel.node)
    _answer(channel, packet, 0 if count else Reason.NO_MATCHING_SUBSCRIBERS)


def _message(session: Session, packet: Publish, topic: str, now: float) -> Message:
    """What is published: of the properties only those that MQTT 5 forwards."""
    properties = packet.properties
    if properties:
        properties = {key: value for key, value in properties.items() if key in _FORWARDED}
    sender, username = session.client_id, session.username or ""
    return Message(topic, packet.payload, packet.qos, packet.retain, sender, username, now, message_id(now), properties)


def _topic(channel: Channel, packet: Publish) -> str | None:
    """The topic, the alias resolved; None for an alias that is unknown or too large."""
    alias = packet.properties.get(Property.TOPIC_ALIAS)
    if alias is None:
        return packet.topic
    if alias > channel.node.cluster.limits.max_topic_alias:
        return None
    if channel.aliases is None:
        channel.aliases = {}
    if packet.topic:
        channel.aliases[alias] = packet.topic
    return channel.aliases.get(alias)


def _problem(channel: Channel, packet: Publish, topic: str | None) -> int:
    """Why the connection must be closed for this PUBLISH; 0 for no reason."""
    limits = channel.node.cluster.limits
    if topic is None:
        return Reason.TOPIC_ALIAS_INVALID if packet.topic else Reason.PROTOCOL_ERROR
    if not valid_topic(topic, limits.max_topic_levels):
        return Reason.TOPIC_NAME_INVALID
    if packet.qos > limits.max_qos:
        return Reason.QOS_NOT_SUPPORTED
    return Reason.RETAIN_NOT_SUPPORTED if packet.retain and not limits.retain_available else 0


def _deny_publish(channel: Channel, packet: Publish) -> None:
    """`deny_action`: ignore answers like a success to 3.1.1, disconnect closes (MQTT 5 with 0x87)."""
    if channel.node.cluster.authorizer.disconnects:
        channel.fail(Reason.NOT_AUTHORIZED)
    else:
        _answer(channel, packet, Reason.NOT_AUTHORIZED)


def _answer(channel: Channel, packet: Publish, reason: int) -> None:
    if packet.qos == 1:
        channel.send(Puback(packet.packet_id or 0, reason))
    elif packet.qos == 2:
        channel.send(Pubrec(packet.packet_id or 0, reason))


def _admit(channel: Channel, session: Session, packet: Publish) -> bool:
    """Whether a QoS 2 PUBLISH is new and there is room for it; what is in the way is answered here."""
    waiting = session.awaiting_rel if session.awaiting_rel is not None else {}
    session.awaiting_rel = waiting
    limits, now = channel.node.cluster.limits, channel.node.cluster.clock()
    for packet_id, since in tuple(waiting.items()):
        if now - since > limits.await_rel_timeout:
            del waiting[packet_id]
            channel.node.metrics["messages.dropped.await_pubrel_timeout"] += 1
    if packet.packet_id in waiting:
        channel.node.metrics["packets.publish.inuse"] += 1
        channel.send(Pubrec(packet.packet_id or 0, Reason.PACKET_ID_IN_USE))
        return False
    if limits.max_awaiting_rel and len(waiting) >= limits.max_awaiting_rel:
        channel.node.metrics["packets.publish.dropped"] += 1
        session.recv_dropped += 1
        channel.fail(Reason.RECEIVE_MAXIMUM_EXCEEDED)
        return False
    waiting[packet.packet_id or 0] = now
    return True


def on_pubrel(channel: Channel, session: Session, packet: Pubrel) -> None:
    """PUBREL: the end of a received QoS 2 message."""
    known = session.awaiting_rel is not None and session.awaiting_rel.pop(packet.packet_id, None) is not None
    if not session.awaiting_rel:
        session.awaiting_rel = None
    if not known:
        channel.node.metrics["packets.pubrel.missed"] += 1
    channel.send(Pubcomp(packet.packet_id, 0 if known else Reason.PACKET_ID_NOT_FOUND))


def on_puback(channel: Channel, session: Session, packet: Puback) -> None:
    """PUBACK: a QoS 1 message arrived."""
    if not session.acknowledge(packet.packet_id, channel.node.cluster.clock()):
        channel.node.metrics["packets.puback.missed"] += 1


def on_pubrec(channel: Channel, session: Session, packet: Pubrec) -> None:
    """PUBREC: a QoS 2 message arrived, or is refused."""
    if packet.reason >= Reason.UNSPECIFIED_ERROR:
        session.acknowledge(packet.packet_id, channel.node.cluster.clock())
        return
    known = session.receive(packet.packet_id)
    if not known:
        channel.node.metrics["packets.pubrec.missed"] += 1
    channel.send(Pubrel(packet.packet_id, 0 if known else Reason.PACKET_ID_NOT_FOUND))


def on_pubcomp(channel: Channel, session: Session, packet: Pubcomp) -> None:
    """PUBCOMP: the end of a sent QoS 2 message."""
    if not session.acknowledge(packet.packet_id, channel.node.cluster.clock()):
        channel.node.metrics["packets.pubcomp.missed"] += 1


def on_pingreq(channel: Channel, session: Session, packet: Pingreq) -> None:  # noqa: ARG001  one signature for all handlers
    """PINGREQ."""
    channel.send(Pingresp())


def on_disconnect(channel: Channel, session: Session, packet: Disconnect) -> None:
    """DISCONNECT: the will is dropped, unless MQTT 5 asks for it (0x04); a new expiry must not revive a session that ends."""
    expiry = packet.properties.get(Property.SESSION_EXPIRY)
    if expiry is not None:
        if expiry and not session.expiry:
            channel.fail(Reason.PROTOCOL_ERROR)
            return
        session.expiry = int(expiry)
    channel.node.cluster.detach(session, will="delayed" if packet.reason else "none")
    channel.close(None)


def on_auth(channel: Channel, session: Session, packet: Auth) -> None:  # noqa: ARG001  one signature for all handlers
    """AUTH of a connected client: the lab does not re-authenticate."""
    channel.fail(Reason.PROTOCOL_ERROR)


HANDLERS: dict[type[Any], Callable[[Any, Session, Any], None]] = {
    Publish: on_publish,
    Pubrel: on_pubrel,
    Puback: on_puback,
    Pubrec: on_pubrec,
    Pubcomp: on_pubcomp,
    Subscribe: on_subscribe,
    Unsubscribe: on_unsubscribe,
    Pingreq: on_pingreq,
    Disconnect: on_disconnect,
    Auth: on_auth,
}
