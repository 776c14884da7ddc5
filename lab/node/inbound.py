"""What a connected client sends, one function for each packet type; the answers are those of two-cluster.md section C."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
)
from lab.node.authz import Request
from lab.node.message import Message, message_id
from lab.node.metrics import MESSAGES_RECEIVED
from lab.node.publishing import client_of
from lab.node.rewrite import rewritten
from lab.node.session import Session, SubOptions, interned
from lab.node.topics import is_wildcard, split_share, valid_filter, valid_topic

if TYPE_CHECKING:
    from lab.node.channel import Channel

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
    now = cluster.clock()
    properties = (
        {key: value for key, value in packet.properties.items() if key in _FORWARDED}
        if packet.properties
        else packet.properties
    )
    message = Message(
        topic,
        packet.payload,
        packet.qos,
        packet.retain,
        session.client_id,
        session.username or "",
        now,
        message_id(now),
        properties,
    )
    count = cluster.publishing.publish(message, channel.node)
    _answer(channel, packet, 0 if count else Reason.NO_MATCHING_SUBSCRIBERS)


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


def on_subscribe(channel: Channel, session: Session, packet: Subscribe) -> None:
    """SUBSCRIBE: SUBACK first, then the retained messages."""
    cluster, metrics = channel.node.cluster, channel.node.metrics
    metrics["client.subscribe"] += 1
    identifier = packet.properties.get(Property.SUBSCRIPTION_ID, (0,))[0]
    reasons: list[int] = []
    added: list[tuple[str, SubOptions, bool]] = []
    for one in packet.subscriptions:
        levels = cluster.limits.max_topic_levels
        if not valid_filter(one.topic_filter, levels) or (one.no_local and split_share(one.topic_filter)[0]):
            metrics["packets.subscribe.error"] += 1
            channel.fail(Reason.TOPIC_FILTER_INVALID if not one.no_local else Reason.PROTOCOL_ERROR)
            return
        rules = cluster.store.effective("rewrite")
        name = rewritten(rules, "subscribe", one.topic_filter, session.client_id, session.username)
        refusal = _refuse_subscription(channel, session, name, one)
        if refusal == Reason.NOT_AUTHORIZED and cluster.authorizer.disconnects:
            channel.fail(None)  # a bare FIN for both versions (C_probes)
            return
        reasons.append(refusal or one.qos)
        if not refusal:
            added.append((name, _options(session, one, identifier), name not in session.subscriptions))
    for name, options, _ in added:
        cluster.subscriptions.add(session, name, options)
    channel.send(
        Suback(packet.packet_id, tuple(reason if channel.level == 5 or reason < 3 else 0x80 for reason in reasons))
    )
    for name, options, is_new in added:
        deliver_retained(channel, session, name, options, is_new=is_new)


def _options(session: Session, one: Subscription, identifier: int) -> SubOptions:
    if session.level == 5:
        return interned(one.qos, int(one.no_local), int(one.retain_as_published), one.retain_handling, identifier)
    return interned(one.qos, 0, int(session.is_bridge), 0, 0)  # bridges see the retain flag as it was published


def _refuse_subscription(channel: Channel, session: Session, name: str, one: Subscription) -> int:
    """Why a subscription is refused; 0 when it is not."""
    cluster, metrics = channel.node.cluster, channel.node.metrics
    group, real = split_share(name)
    limits = cluster.limits
    if group is not None and not limits.shared:
        return Reason.SHARED_NOT_SUPPORTED
    if is_wildcard(real) and not limits.wildcards:
        return Reason.WILDCARD_NOT_SUPPORTED
    if len(session.subscriptions) >= limits.max_subscriptions and name not in session.subscriptions:
        return Reason.QUOTA_EXCEEDED
    if cluster.publishing.authorize(session, Request(client_of(session), "subscribe", real, one.qos)).allowed:
        return 0
    metrics["packets.subscribe.error"] += 1
    metrics["packets.subscribe.auth_error"] += 1
    return Reason.NOT_AUTHORIZED


def deliver_retained(channel: Channel, session: Session, name: str, options: SubOptions, *, is_new: bool) -> None:
    """The retained messages of a subscription, as Retain Handling says; shared subscriptions get none."""
    cluster = channel.node.cluster
    group, real = split_share(name)
    if group is not None or options.rh == 2 or (options.rh == 1 and not is_new):
        return
    now = cluster.clock()
    for message in tuple(cluster.store.retained.select(real, now)):
        session.deliver(message, options, now, retained=True)


def subscribe_automatically(channel: Channel, session: Session) -> None:
    """`auto_subscribe`: fires at each connect, for whoever connects with the id."""
    cluster = channel.node.cluster
    values = {"${clientid}": session.client_id, "${username}": session.username or "", "${host}": session.peer[0]}
    for row in (cluster.store.effective("auto_subscribe") or {}).get("topics", []):
        name = row["topic"].replace("${port}", str(session.peer[1]))
        for placeholder, value in values.items():
            name = name.replace(placeholder, value)
        options = interned(row.get("qos", 0), row.get("nl", 0), row.get("rap", 0), row.get("rh", 0), 0)
        is_new = name not in session.subscriptions
        cluster.subscriptions.add(session, name, options)
        deliver_retained(channel, session, name, options, is_new=is_new)


def on_unsubscribe(channel: Channel, session: Session, packet: Unsubscribe) -> None:
    """UNSUBSCRIBE."""
    cluster = channel.node.cluster
    channel.node.metrics["client.unsubscribe"] += 1
    rules = cluster.store.effective("rewrite")
    names = (rewritten(rules, "subscribe", one, session.client_id, session.username) for one in packet.topic_filters)
    gone = [cluster.subscriptions.remove(session, name) for name in names]
    channel.send(Unsuback(packet.packet_id, tuple(0 if one else Reason.NO_SUBSCRIPTION_EXISTED for one in gone)))


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
