"""SUBSCRIBE, UNSUBSCRIBE and the subscriptions that the broker makes by itself; what is denied is answered as in docs/emqx/probes.md#denied-topics."""

from __future__ import annotations

from components.mqtt import Property, Reason, Suback, Subscribe, Subscription, Unsuback, Unsubscribe
from lab.node.broker.channel import Channel
from lab.node.broker.delivery import SubOptions, interned
from lab.node.broker.publishing import client_of
from lab.node.broker.session import Session
from lab.node.kept.topics import is_wildcard, split_share, valid_filter
from lab.node.rules.authz import Request
from lab.node.rules.rewrite import rewritten


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
        name = session.mounted(name)
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
    if len(session.subscriptions) >= limits.max_subscriptions and session.mounted(name) not in session.subscriptions:
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
        name = session.mounted(name)
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
    gone = [cluster.subscriptions.remove(session, session.mounted(name)) for name in names]
    channel.send(Unsuback(packet.packet_id, tuple(0 if one else Reason.NO_SUBSCRIPTION_EXISTED for one in gone)))
