"""A session as a row of GET /clients: one getter for each name, so that a page asks only for the fields it shows.

Names and types as in recordings 04 (connected) and F_session_formats (disconnected); what an Erlang process has and a
session here has not (heap, reductions, mailbox) is answered as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.node.api.call import timestamp
from lab.node.broker.session import Session

Getter = Callable[["Session"], Any]

NOT_SELECTABLE = frozenset({"listener", "peersni", "auth_expire_at", "disconn_props", "is_persistent", "enable_authn"})
"""Shown, but refused in ``fields`` (``listener`` was recorded; the others are missing in openapi's list too)."""


def _time(value: float) -> str:
    return timestamp(value, milliseconds=True)


def _nth(counts: list[int] | None, index: int) -> int:
    return counts[index] if counts else 0


def _config(session: Session) -> Mapping[str, Any]:
    kind, _, name = session.listener.partition(":")
    found: Mapping[str, Any] = (session.node.cluster.store.effective("listeners") or {}).get(kind, {}).get(name, {})
    return found


def mountpoint(session: Session) -> str | None:
    """The mountpoint of the session's listener with the placeholders filled in; None when it has none."""
    text = str(_config(session).get("mountpoint", ""))
    return text.replace("${clientid}", session.client_id).replace("${username}", session.username or "") or None


_ZEROS = (
    "heap_size",
    "reductions",
    "mailbox_len",
    "recv_msg.dropped.await_pubrel_timeout",
)

GETTERS: dict[str, Getter] = {
    "clientid": lambda s: s.client_id,
    "username": lambda s: s.username,
    "node": lambda s: s.node.name,
    "connected": lambda s: s.connected,
    "proto_name": lambda s: s.proto_name,
    "proto_ver": lambda s: s.level,
    "ip_address": lambda s: s.peer[0],
    "port": lambda s: s.peer[1],
    "clean_start": lambda s: s.clean_start,
    "keepalive": lambda s: s.keep_alive,
    "expiry_interval": lambda s: s.expiry,
    "is_persistent": lambda s: s.expiry > 0,
    "is_bridge": lambda s: s.is_bridge,
    "is_expired": lambda _: False,
    "durable": lambda _: False,
    "enable_authn": lambda s: bool(_config(s).get("enable_authn", True)),
    "listener": lambda s: s.listener,
    "mountpoint": mountpoint,
    "client_attrs": lambda _: {},
    "peersni": lambda _: None,
    "auth_expire_at": lambda _: None,
    "created_at": lambda s: _time(s.created_at),
    "connected_at": lambda s: _time(s.connected_at),
    "subscriptions_cnt": lambda s: len(s.subscriptions),
    "subscriptions_max": lambda _: "infinity",
    "inflight_cnt": lambda s: len(s.inflight),
    "inflight_max": lambda s: s.inflight_max,
    "awaiting_rel_cnt": lambda s: len(s.awaiting_rel or ()),
    "awaiting_rel_max": lambda s: s.node.cluster.limits.max_awaiting_rel,
    "mqueue_len": lambda s: s.queue_length,
    "mqueue_max": lambda s: s.queue_max,
    "mqueue_dropped": lambda s: s.dropped_full,
    "recv_oct": lambda s: s.recv_oct,
    "recv_pkt": lambda s: s.recv_pkt,
    "recv_cnt": lambda s: s.recv_pkt,
    "recv_msg": lambda s: sum(s.received or ()),
    "recv_msg.qos0": lambda s: _nth(s.received, 0),
    "recv_msg.qos1": lambda s: _nth(s.received, 1),
    "recv_msg.qos2": lambda s: _nth(s.received, 2),
    "recv_msg.dropped": lambda s: s.recv_dropped,
    "send_oct": lambda s: s.send_oct,
    "send_pkt": lambda s: s.send_pkt,
    "send_cnt": lambda s: s.send_pkt,
    "send_msg": lambda s: sum(s.sent or ()),
    "send_msg.qos0": lambda s: _nth(s.sent, 0),
    "send_msg.qos1": lambda s: _nth(s.sent, 1),
    "send_msg.qos2": lambda s: _nth(s.sent, 2),
    "send_msg.dropped": lambda s: s.dropped_full + s.dropped_large + s.dropped_expired,
    "send_msg.dropped.expired": lambda s: s.dropped_expired,
    "send_msg.dropped.queue_full": lambda s: s.dropped_full,
    "send_msg.dropped.too_large": lambda s: s.dropped_large,
} | dict.fromkeys(_ZEROS, lambda _: 0)

_AWAY: dict[str, Getter] = {
    "disconnected_at": lambda s: _time(s.disconnected_at or s.created_at),
    "disconn_props": lambda _: {},
}

SELECTABLE = frozenset(GETTERS | _AWAY) - NOT_SELECTABLE
ATOMS = frozenset({*GETTERS, *_AWAY, "peername", "conn_state"})
"""Words that Erlang knows: another one is refused in other words (B0_fields)."""


def row(session: Session, fields: tuple[str, ...] | None = None) -> dict[str, Any]:
    """The row of a session with all fields, or with those of ``fields`` that it has."""
    away = not session.connected
    if fields is None:
        everything = GETTERS | _AWAY if away else GETTERS
        return {name: get(session) for name, get in everything.items()}
    return {
        name: (GETTERS.get(name) or _AWAY[name])(session)
        for name in fields
        if name in GETTERS or (away and name in _AWAY)
    }


def subscription(session: Session, topic: str) -> dict[str, Any]:
    """One subscription (docs/emqx/sessions.md#listing); the Subscription Identifier is not shown."""
    options = session.subscriptions[topic]
    return {
        "node": session.node.name,
        "nl": options.nl,
        "topic": topic,
        "clientid": session.client_id,
        "qos": options.qos,
        "rh": options.rh,
        "rap": options.rap,
        "durable": False,
    }
