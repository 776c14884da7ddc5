"""Opening the session of an accepted CONNECT: a new one, the old one resumed, or one taken over from a live connection.

Takeover works over all nodes: whoever is connected with the id is thrown off with 0x8E (MQTT 5) and FIN, and the session, queue included, moves to
the node of the newcomer (docs/emqx/sessions.md#a-session-made-for-a-client, also for sessions that somebody else prepared).
"""

from __future__ import annotations

from components.mqtt import Connect, Property, Reason
from lab.node.broker.channel import Channel
from lab.node.broker.session import Session
from lab.node.broker.shared import Shared

_NO_LIMIT = 65535


def open_session(channel: Channel, packet: Connect, client_id: str, is_superuser: bool) -> tuple[Session, bool]:
    """The session behind the channel, and whether it was there before (`session_present`)."""
    node, cluster = channel.node, channel.node.cluster
    session = cluster.sessions.get(client_id)
    if session is not None:
        _throw_off(cluster, session, ends=packet.clean_start)
    if session is not None and packet.clean_start:
        node.metrics["session.discarded"] += 1
        cluster.terminate(session)
        session = None
    present = session is not None
    now = cluster.clock()
    if session is None:
        session = Session(client_id, node, now)
        cluster.registry.place(session, node)
        node.metrics["session.created"] += 1
    else:
        session.node.metrics["session.takenover"] += 1
        node.metrics["session.resumed"] += 1
        if session.node is not node:
            cluster.registry.place(session, node)
    session.is_superuser = is_superuser
    _take_terms(session, channel, packet)
    session.tie(channel)
    session.connected_at, session.disconnected_at = now, None
    session.epoch += 1
    return session, present


def _throw_off(cluster: Shared, session: Session, *, ends: bool) -> None:
    """End the live connection of a session that somebody takes over or (``ends``) discards.

    A will is dropped only where it has a delay and the session goes on (B1_takeover_open_ce, B1_close_kinds_ce).
    """
    delay = session.will is not None and min(int(session.will.properties.get(Property.WILL_DELAY, 0)), session.expiry)
    waits = bool(delay) and not ends
    channel = session.channel
    if channel is None:
        if not waits:
            cluster.publish_will(session)
        session.will = None
        return
    expiry, session.expiry = session.expiry, max(session.expiry, 1)  # the session itself goes on, whatever its expiry
    cluster.detach(session, will="none" if waits else "now")
    session.expiry = expiry
    channel.close(Reason.SESSION_TAKEN_OVER)


def _take_terms(session: Session, channel: Channel, packet: Connect) -> None:
    """What the CONNECT asks for replaces what the last one asked for, user name included (docs/emqx/sessions.md#a-session-made-for-a-client)."""
    limits, properties = channel.node.cluster.limits, packet.properties
    session.username, session.level, session.is_bridge = packet.username, packet.level, packet.bridge
    session.proto_name = "MQIsdp" if packet.level == 3 else "MQTT"
    session.clean_start, session.keep_alive, session.will = packet.clean_start, packet.keep_alive, packet.will
    session.listener, session.peer = channel.listener.id, channel.peer
    mountpoint = channel.listener.mountpoint
    if mountpoint:
        mountpoint = mountpoint.replace("${clientid}", session.client_id).replace("${username}", packet.username or "")
    session.mountpoint = mountpoint
    if packet.level == 5:
        session.expiry = int(properties.get(Property.SESSION_EXPIRY, 0))
    else:
        session.expiry = 0 if packet.clean_start else limits.session_expiry
    wanted = int(properties.get(Property.RECEIVE_MAXIMUM, _NO_LIMIT))
    session.inflight_max = min(limits.max_inflight or _NO_LIMIT, wanted)
    session.queue_max, session.store_qos0 = limits.max_mqueue, limits.store_qos0
    channel.max_packet = int(properties.get(Property.MAXIMUM_PACKET_SIZE, 0))
