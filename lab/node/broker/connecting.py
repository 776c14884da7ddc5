"""From CONNECT to CONNACK: refuse, authenticate, open or take over the session; in EMQX's order.

Evacuation and licence are asked first, then the ban list, then the authenticators (the counters of G_metrics_by_kind_of_connect show it: a
banned client is never authenticated).  Every refusal is one CONNACK and a FIN.
"""

from __future__ import annotations

import string
from dataclasses import replace

from components.mqtt import Auth, Connack, Connect, Packet, Property, Reason
from components.mqtt.reasons import connack_code
from lab.node.broker.aftermath import Meets
from lab.node.broker.channel import Channel
from lab.node.broker.opening import open_session
from lab.node.broker.subscribing import subscribe_automatically
from lab.node.rules.authn import Credentials, Verdict
from lab.node.rules.bans import banned
from lab.node.rules.scram import METHODS, Exchange

_LETTERS = string.ascii_letters + string.digits
_BAD_CREDENTIALS = {Reason.BAD_USERNAME_OR_PASSWORD, Reason.NOT_AUTHORIZED, Reason.BAD_AUTHENTICATION_METHOD}


def on_connect(channel: Channel, packet: Connect) -> None:
    """Handle a CONNECT; a second one on the same connection is a protocol error."""
    if channel.session is not None or channel.exchange is not None:
        channel.fail(Reason.PROTOCOL_ERROR)
        return
    channel.level = packet.level if packet.level in {3, 4, 5} else 4
    channel.node.metrics["client.connect"] += 1
    packet = _certified(channel, packet)
    fault = channel.node.fault
    if fault is not None and fault.delay_seconds > 0:
        channel.hold(fault.delay_seconds, lambda: _decide(channel, packet))
    else:
        _decide(channel, packet)


def _certified(channel: Channel, packet: Connect) -> Connect:
    """The CONNECT with the name in the client's certificate, where the configuration takes it."""
    name, limits = channel.common_name, channel.node.cluster.limits
    if name is None:
        return packet
    username = name if limits.certificate_as_username else packet.username
    client_id = name if limits.certificate_as_clientid else packet.client_id
    return replace(packet, username=username, client_id=client_id)


def on_auth(channel: Channel, packet: Packet) -> None:
    """Handle the packet after a CONNECT whose enhanced authentication goes on; anything but AUTH ends it."""
    exchange, channel.exchange = channel.exchange, None
    if exchange is None or not isinstance(packet, Auth):
        channel.close(None)
        return
    answer = exchange.last(packet.properties.get(Property.AUTH_DATA, b""))
    if answer is None or exchange.user is None:
        _refuse(channel, Reason.NOT_AUTHORIZED, asked=True)
        return
    connect, client_id = exchange.connect
    _count(channel, Verdict(is_superuser=exchange.user.is_superuser))
    extra: dict[int, object] = {Property.AUTH_METHOD: exchange.method, Property.AUTH_DATA: answer}
    _accept(channel, connect, client_id, exchange.user.is_superuser, extra)


def _decide(channel: Channel, packet: Connect) -> None:
    reason = _refusal(channel, packet)
    if reason:
        _refuse(channel, reason)
        return
    node = channel.node
    if node.cluster.limits.username_as_clientid and packet.username:
        client_id = packet.username
    else:
        client_id = packet.client_id or "".join(node.cluster.random.choices(_LETTERS, k=16))
    if banned(node.cluster.store, client_id, packet.username, channel.peer[0], node.cluster.clock()):
        _refuse(channel, Reason.BANNED)
        return
    verdict = _authenticate(channel, packet, client_id)
    if verdict is not None:
        _count(channel, verdict)
        if verdict.reason:
            _refuse(channel, verdict.reason, asked=True)
        else:
            _accept(channel, packet, client_id, verdict.is_superuser, {})


def _refusal(channel: Channel, packet: Connect) -> int:
    """The reason to refuse that needs no look at credentials; 0 for none."""
    node = channel.node
    if packet.level not in {3, 4, 5}:
        return Reason.UNSUPPORTED_PROTOCOL_VERSION
    if node.fault is not None and node.fault.reason is not None:
        return node.fault.reason
    if node.refusing:
        return Reason.USE_ANOTHER_SERVER
    if node.cluster.licence.exceeded:
        return Reason.QUOTA_EXCEEDED
    too_long = len(packet.client_id.encode()) > node.cluster.limits.max_clientid
    nameless = not packet.client_id and (packet.level == 3 or (packet.level == 4 and not packet.clean_start))
    return Reason.CLIENT_ID_NOT_VALID if too_long or nameless else 0


def _authenticate(channel: Channel, packet: Connect, client_id: str) -> Verdict | None:
    """The verdict; None when an enhanced authentication has begun and the client must speak next."""
    node, store = channel.node, channel.node.cluster.store
    node.metrics["client.authenticate"] += 1
    if node.auth_phase == "open" or not channel.listener.enable_authn:
        return Verdict(anonymous=True)
    if node.auth_phase == "shut" and store.effective("authentication"):
        return Verdict(Reason.NOT_AUTHORIZED)
    authenticator = node.cluster.authenticator
    method = packet.properties.get(Property.AUTH_METHOD)
    scram = authenticator.scram()
    if method is not None and scram is not None and METHODS.get(method) == scram.get("algorithm", "sha256"):
        exchange = Exchange(scram, store.scram_users, node.cluster.random, (packet, client_id))
        answer = exchange.first(packet.properties.get(Property.AUTH_DATA, b""))
        if answer is None:
            return Verdict(Reason.NOT_AUTHORIZED)
        channel.exchange = exchange
        properties: dict[int, object] = {Property.AUTH_DATA: answer, Property.AUTH_METHOD: method}
        channel.send(Auth(Reason.CONTINUE_AUTHENTICATION, properties))
        return None
    return authenticator.check(Credentials(client_id, packet.username, packet.password, method, node.name))


def _count(channel: Channel, verdict: Verdict) -> None:
    metrics = channel.node.metrics
    if verdict.reason:
        metrics["authentication.failure"] += 1
        return
    metrics["authentication.success"] += 1
    if verdict.anonymous:
        metrics["authentication.success.anonymous"] += 1
        metrics["client.auth.anonymous"] += 1


def _refuse(channel: Channel, reason: int, *, asked: bool = False) -> None:
    """CONNACK and FIN; `asked` when it was an authenticator that said no."""
    metrics = channel.node.metrics
    metrics["client.connack"] += 1
    metrics["packets.connack.error"] += 1
    if asked and reason in _BAD_CREDENTIALS:
        metrics["packets.connack.auth_error"] += 1
    reference = channel.node.server_reference if reason == Reason.USE_ANOTHER_SERVER else ""
    properties: dict[int, object] = {Property.SERVER_REFERENCE: reference} if reference else {}
    channel.send(Connack(reason if channel.level == 5 else connack_code(reason), False, properties))
    channel.close(None)


def _accept(channel: Channel, packet: Connect, client_id: str, is_superuser: bool, extra: dict[int, object]) -> None:
    node = channel.node
    meets = node.cluster.aftermath.meets(client_id, node.cluster.clock())
    if meets is Meets.BUSY:
        _refuse(channel, Reason.SERVER_BUSY)
        return
    if meets is Meets.CUT:
        channel.close(None)
        return
    session = node.cluster.sessions.get(client_id)
    if node.route_hole and session is not None and session.node is not node and not packet.clean_start:
        sessions = node.cluster.sessions
        node.cluster.subscriptions.leave_out(session, node.route_hole, lambda: sessions.get(client_id) is session)
        channel.hold(node.route_hole, lambda: _open(channel, packet, client_id, is_superuser, extra))
        return
    _open(channel, packet, client_id, is_superuser, extra)


def _open(channel: Channel, packet: Connect, client_id: str, is_superuser: bool, extra: dict[int, object]) -> None:
    node, limits = channel.node, channel.node.cluster.limits
    session, present = open_session(channel, packet, client_id, is_superuser)
    node.metrics["client.connack"] += 1
    node.metrics["client.connected"] += 1
    channel.send(Connack(0, present, _capabilities(channel, packet, client_id) | extra if packet.level == 5 else {}))
    keep_alive = (
        limits.server_keepalive if limits.server_keepalive is not None and packet.level == 5 else packet.keep_alive
    )
    channel.keep_alive = keep_alive * limits.keepalive_multiplier
    if channel.keep_alive:
        node.cluster.agenda.add(node.cluster.clock() + channel.keep_alive, channel.watch_silence)
    subscribe_automatically(channel, session)
    session.resume(node.cluster.clock())


def _capabilities(channel: Channel, packet: Connect, client_id: str) -> dict[int, object]:
    """The properties of a successful CONNACK, in the order of evac_cli_redirect."""
    limits = channel.node.cluster.limits
    out: dict[int, object] = {
        Property.RECEIVE_MAXIMUM: max(1, min(limits.max_inflight, 65535)),
        Property.MAXIMUM_PACKET_SIZE: limits.max_packet_size,
        Property.SHARED_AVAILABLE: int(limits.shared),
        Property.SUBSCRIPTION_ID_AVAILABLE: 1,
        Property.WILDCARD_AVAILABLE: int(limits.wildcards),
        Property.RETAIN_AVAILABLE: int(limits.retain_available),
        Property.TOPIC_ALIAS_MAXIMUM: limits.max_topic_alias,
    }
    if limits.max_qos < 2:
        out[Property.MAXIMUM_QOS] = limits.max_qos
    if limits.server_keepalive is not None:
        out[Property.SERVER_KEEP_ALIVE] = limits.server_keepalive
    if client_id != packet.client_id:
        out[Property.ASSIGNED_CLIENT_ID] = client_id
    return out
