"""Clients, their subscriptions and routes, kicking one (V_*_clients).

The rule: disconnected sessions are clients too, and a kick ends the session (docs/emqx/v4.md#clients).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from components.mqtt.reasons import Reason
from lab.node.broker.session import Session
from lab.node.v4.asked import Asked, CrashError, Way, clock, ok, page


def zone(session: Session) -> str:
    """Of the listener of its last connection."""
    kind, _, name = session.listener.partition(":")
    listeners = session.node.cluster.store.effective("listeners") or {}
    return str(listeners.get(kind, {}).get(name, {}).get("zone", "external"))


UNLIMITED = 10**9
_ZEROS = ("heap_size", "reductions", "mailbox_len")
_EXACT: dict[str, Callable[[Session], str]] = {
    "clientid": lambda s: s.client_id,
    "username": lambda s: s.username or "undefined",
    "ip_address": lambda s: s.peer[0],
    "conn_state": lambda s: "connected" if s.connected else "disconnected",
    "clean_start": lambda s: str(s.clean_start).lower(),
    "proto_ver": lambda s: str(s.level),
    "proto_name": lambda s: s.proto_name,
    "zone": zone,
}
_LIKE: dict[str, Callable[[Session], str]] = {
    "_like_clientid": lambda s: s.client_id,
    "_like_username": lambda s: s.username or "undefined",
}
_TIMES: dict[str, Callable[[Session], float]] = {
    "created_at": lambda s: s.created_at,
    "connected_at": lambda s: s.connected_at,
}


def row(asked: Asked, session: Session) -> dict[str, Any]:
    """One entry: 36 fields, those of 4.4, and ``disconnected_at`` of who is away."""
    found = _client(session) | _counters(session) | dict.fromkeys(_ZEROS, 0)
    later = _later(session) if asked.line.client_fields else {}
    found |= {name: later[name] for name in asked.line.client_fields}
    return found if session.disconnected_at is None else found | {"disconnected_at": clock(session.disconnected_at)}


def _client(session: Session) -> dict[str, Any]:
    """Who it is, and on what terms it is there."""
    limits = session.node.cluster.limits
    return {
        "clientid": session.client_id,
        "username": "undefined" if session.username is None else session.username,
        "ip_address": session.peer[0],
        "port": session.peer[1],
        "node": session.node.name,
        "zone": zone(session),
        "connected": session.connected,
        "connected_at": clock(session.connected_at),
        "created_at": clock(session.created_at),
        "keepalive": session.keep_alive,
        "clean_start": session.clean_start,
        "expiry_interval": session.expiry,
        "is_bridge": session.is_bridge,
        "proto_name": session.proto_name,
        "proto_ver": session.level,
        "mountpoint": session.mountpoint or "undefined",
        "max_subscriptions": 0 if limits.max_subscriptions >= UNLIMITED else limits.max_subscriptions,
        "max_mqueue": session.queue_max,
        "max_inflight": session.inflight_max,
        "max_awaiting_rel": limits.max_awaiting_rel,
    }


def _counters(session: Session) -> dict[str, int]:
    """What it has, and what came and went."""
    return {
        "subscriptions_cnt": len(session.subscriptions),
        "mqueue_len": session.queue_length,
        "mqueue_dropped": session.dropped_full,
        "inflight": len(session.inflight),
        "awaiting_rel": len(session.awaiting_rel or ()),
        "recv_oct": session.recv_oct,
        "recv_cnt": session.recv_pkt,
        "recv_pkt": session.recv_pkt,
        "recv_msg": sum(session.received or ()),
        "send_oct": session.send_oct,
        "send_cnt": session.send_pkt,
        "send_pkt": session.send_pkt,
        "send_msg": sum(session.sent or ()),
    }


def _later(session: Session) -> dict[str, int]:
    """What 4.4 tells besides."""
    found = {"recv_msg.dropped": session.recv_dropped}
    for word, counts in (("recv", session.received), ("send", session.sent)):
        found |= {f"{word}_msg.qos{level}": count for level, count in enumerate(counts or (0, 0, 0))}
    dropped = {
        "expired": session.dropped_expired,
        "queue_full": session.dropped_full,
        "too_large": session.dropped_large,
    }
    found |= {f"send_msg.dropped.{why}": count for why, count in dropped.items()}
    return found | {"send_msg.dropped": sum(dropped.values())}


def _answer(asked: Asked, sessions: Iterable[Session]) -> dict[str, Any]:
    tests = list(_tests(asked))
    rows = [session for session in sessions if all(test(session) for test in tests)]
    return page(asked, rows, lambda session: row(asked, session), filtered=bool(tests))


def _tests(asked: Asked) -> Iterable[Callable[[Session], bool]]:
    """Of the filters in the query; one that is unknown is passed over."""
    for name, value in asked.query.items():
        if name in _EXACT:
            yield _same(_EXACT[name], value)
        elif name in _LIKE:
            yield _like(asked, _LIKE[name], value)
        elif name[:5] in {"_gte_", "_lte_"} and name[5:] in _TIMES:
            yield _range(_TIMES[name[5:]], value, least=name.startswith("_gte_"))


def _same(get: Callable[[Session], str], value: str) -> Callable[[Session], bool]:
    return lambda session: get(session) == value


def _like(asked: Asked, get: Callable[[Session], str], part: str) -> Callable[[Session], bool]:
    """4.2 takes it for a regular expression, and fails over a broken one; later ones look for the text (V_*_clients 36)."""
    if not asked.line.one_kind:
        return lambda session: part in get(session)
    try:
        found = re.compile(part)
    except re.error:
        raise CrashError from None
    return lambda session: found.search(get(session)) is not None


def _range(get: Callable[[Session], float], value: str, *, least: bool) -> Callable[[Session], bool]:
    try:
        bound = float(value) if value.isdigit() else datetime.fromisoformat(value).timestamp()
    except ValueError:
        raise CrashError from None
    return lambda session: get(session) >= bound if least else get(session) <= bound


def clients(asked: Asked) -> dict[str, Any]:
    """GET /clients."""
    return _answer(asked, asked.host.cluster.sessions.values())


def clients_of_node(asked: Asked) -> dict[str, Any]:
    """GET /nodes/:node/clients."""
    return _answer(asked, asked.host.cluster.nodes[asked.node()].sessions.values())


def client(asked: Asked) -> dict[str, Any]:
    """GET /clients/:clientid: a list of one, or of none; with a node in the path, only if it is there."""
    node = asked.node() if "node" in asked.path else None
    session = asked.host.cluster.sessions.get(asked.path["clientid"])
    there = session is not None and node in {None, session.node.name}
    return ok([row(asked, session)] if there and session is not None else [])


def by_username(asked: Asked) -> dict[str, Any]:
    """GET /clients/username/:username."""
    name, node = asked.path["username"], asked.node() if "node" in asked.path else None
    sessions = asked.host.cluster.sessions.values()
    return ok([row(asked, one) for one in sessions if one.username == name and node in {None, one.node.name}])


def kick(asked: Asked) -> dict[str, Any]:
    """DELETE /clients/:clientid."""
    reason = Reason.ADMINISTRATIVE_ACTION if asked.line.kick_tells else None
    if asked.host.cluster.kick(asked.path["clientid"], reason):
        return ok()
    return dict(asked.line.kick_unknown)


def _subscription(one: tuple[Session, str]) -> dict[str, Any]:
    session, topic = one
    return {
        "topic": topic,
        "qos": session.subscriptions[topic].qos,
        "node": session.node.name,
        "clientid": session.client_id,
    }


def _subscribed(asked: Asked, node: str | None) -> dict[str, Any]:
    sessions = asked.host.cluster.sessions.values()
    rows = [(one, topic) for one in sessions if node in {None, one.node.name} for topic in one.subscriptions]
    wanted = {name: asked.query[name] for name in ("clientid", "topic", "qos") if name in asked.query}
    rows = [one for one in rows if all(str(_subscription(one)[name]) == value for name, value in wanted.items())]
    return page(asked, rows, _subscription, filtered=bool(wanted))


def subscriptions(asked: Asked) -> dict[str, Any]:
    """GET /subscriptions."""
    return _subscribed(asked, None)


def subscriptions_of_node(asked: Asked) -> dict[str, Any]:
    """GET /nodes/:node/subscriptions."""
    return _subscribed(asked, asked.node())


def subscriptions_of(asked: Asked) -> dict[str, Any]:
    """GET /subscriptions/:clientid."""
    session = asked.host.cluster.sessions.get(asked.path["clientid"])
    rows = [] if session is None else [_subscription((session, topic)) for topic in session.subscriptions]
    return ok([row | {"node": asked.here} for row in rows] if asked.line.lookup_says_here else rows)


def routes(asked: Asked) -> dict[str, Any]:
    """GET /routes."""
    rows = [(topic, name) for topic, names in asked.host.cluster.subscriptions.topics() for name in sorted(names)]
    return page(asked, rows, lambda one: {"topic": one[0], "node": one[1]}, hasnext=False)


WAYS = (
    Way("GET", "/clients", clients),
    Way("GET", "/nodes/{node}/clients", clients_of_node),
    Way("GET", "/clients/{clientid}", client),
    Way("GET", "/nodes/{node}/clients/{clientid}", client),
    Way("GET", "/clients/username/{username}", by_username),
    Way("GET", "/nodes/{node}/clients/username/{username}", by_username),
    Way("DELETE", "/clients/{clientid}", kick),
    Way("GET", "/subscriptions", subscriptions),
    Way("GET", "/subscriptions/{clientid}", subscriptions_of),
    Way("GET", "/nodes/{node}/subscriptions", subscriptions_of_node),
    Way("GET", "/nodes/{node}/subscriptions/{clientid}", subscriptions_of),
    Way("GET", "/routes", routes),
)
