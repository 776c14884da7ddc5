"""Clients, their subscriptions and their queues; kicking one or many.

Sources: recordings 04, E_*, F_*, H_* and K_checks; docs/emqx/sessions.md for paging and the traps of the queues.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lab.node.api import check
from lab.node.api.call import NO_CONTENT, Answer, Call, Endpoint, parse_time
from lab.node.api.errors import ApiError, client_not_found, invalid
from lab.node.api.paging import page_of
from lab.node.api.rows import ATOMS, SELECTABLE, row, subscription
from lab.node.broker.delivery import Delivery
from lab.node.broker.session import Session
from lab.node.kept.topics import matches, split_share

MAX_PAYLOAD_BYTES = 1024 * 1024
_RANGES = {"gte_created_at": "created_at", "lte_created_at": "created_at"} | {
    "gte_connected_at": "connected_at",
    "lte_connected_at": "connected_at",
}


class Rows:
    """A sequence that makes a row only when its page is asked for."""

    def __init__(self, items: list[Any], make: Callable[[Any], Any]) -> None:
        """``items`` are all that fit, ``make`` is applied to a page of them."""
        self.items, self.make = items, make

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, wanted: slice) -> list[Any]:
        return [self.make(item) for item in self.items[wanted]]


def _fields(call: Call) -> tuple[str, ...] | None:
    text = call.query.get("fields", "all")
    if text == "all":
        return None
    names = text.split(",")
    for index, name in enumerate(names, 1):
        if name not in SELECTABLE:
            kind = {"kind": "validation_error"}
            reason = "not_a_enum_symbol" if name in ATOMS else "unable_to_convert_to_enum_symbol"
            array = {"value": name, "reason": reason, "path": f"fields.{index}"} | kind
            everything = {"value": names, "reason": {"expected": "all"}, "path": "fields"} | kind
            raise invalid(
                reason="matched_no_union_member", path="fields", mismatches={"array": array, "all": everything}
            )
    return tuple(names)


def _sessions(call: Call) -> Iterable[Session]:
    query, registry = call.query, call.managed.cluster.sessions
    wanted = query.getlist("clientid")
    found: Iterable[Session] = registry.values() if not wanted else [registry[one] for one in wanted if one in registry]
    for test in _tests(call):
        found = filter(test, found)
    visible = {node.name for node in call.managed.visible(call.here)}
    return (session for session in found if session.node.name in visible)


_EXACT: dict[str, Callable[[Session], str]] = {
    "node": lambda s: s.node.name,
    "ip_address": lambda s: s.peer[0],
    "conn_state": lambda s: "connected" if s.connected else "disconnected",
    "clean_start": lambda s: str(s.clean_start).lower(),
    "proto_ver": lambda s: str(s.level),
}
_LIKE: dict[str, Callable[[Session], str]] = {
    "like_clientid": lambda s: s.client_id,
    "like_username": lambda s: s.username or "",
}


def _tests(call: Call) -> Iterator[Callable[[Session], bool]]:
    query = call.query
    if names := query.getlist("username"):
        yield lambda s: s.username in names
    if (state := query.get("conn_state")) is not None:
        check.symbol(state, ("connected", "idle", "disconnected"), "conn_state")
    for name, get in _EXACT.items():
        if (value := query.get(name)) is not None:
            yield lambda s, get=get, value=value: get(s) == value  # type: ignore[misc]  # a default binds the value of this turn
    for name, get in _LIKE.items():
        if (part := query.get(name)) is not None:
            yield lambda s, get=get, part=part: part in get(s)  # type: ignore[misc]  # a default binds the value of this turn
    for name, attribute in _RANGES.items():
        if (value := query.get(name)) is not None:
            yield _range(name, attribute, value)


def _range(name: str, attribute: str, value: str) -> Callable[[Session], bool]:
    try:
        bound = int(value) / 1000 if value.isdigit() else parse_time(value)
    except ValueError:
        bound = None
    if bound is None:
        raise invalid(value=value, reason="Not a valid datetime", path=name)
    if name.startswith("gte"):
        return lambda s: bool(getattr(s, attribute) >= bound)
    return lambda s: bool(getattr(s, attribute) <= bound)


async def clients(call: Call) -> Answer:
    """GET /clients: by node, then in the order in which they came."""
    fields = _fields(call)
    fuzzy = any(name.startswith(("like_", "gte_", "lte_")) for name in call.query)
    rows: Any = Rows(list(_sessions(call)), lambda session: row(session, fields))
    return Answer(page_of(rows, call.query, fuzzy=fuzzy))


def _session(call: Call) -> Session:
    found = call.managed.cluster.sessions.get(call.path["clientid"])
    if found is None:
        raise client_not_found()
    return found


async def client(call: Call) -> Answer:
    """GET /clients/:clientid."""
    return Answer(row(_session(call)))


async def kick(call: Call) -> Answer:
    """DELETE /clients/:clientid ends the session and publishes the will."""
    if not call.managed.cluster.kick(call.path["clientid"]):
        raise client_not_found()
    return NO_CONTENT


async def kick_many(call: Call) -> Answer:
    """POST /clients/kickout/bulk: ids of all nodes, unknown ones are passed over."""
    body = await call.body()
    if not isinstance(body, list):
        # EMQX tries to read an object as an array with its keys as indices.
        raise invalid(path="root", kind="validation_error", bad_array_index_keys=sorted(body))
    for client_id in body:
        call.managed.cluster.kick(str(client_id))
    return NO_CONTENT


async def client_subscriptions(call: Call) -> Answer:
    """GET /clients/:clientid/subscriptions."""
    session = _session(call)
    return Answer([subscription(session, topic) for topic in session.subscriptions])


async def subscriptions(call: Call) -> Answer:
    """GET /subscriptions: of all clients, filtered."""
    query = call.query
    rows = [(session, topic) for session in _sessions_by_id(call) for topic in session.subscriptions]
    if (topic := query.get("topic")) is not None:
        rows = [one for one in rows if topic in (one[1], split_share(one[1])[1])]
    if (group := query.get("share_group")) is not None:
        rows = [one for one in rows if split_share(one[1])[0] == group]
    if (qos := query.get("qos")) is not None:
        rows = [one for one in rows if str(one[0].subscriptions[one[1]].qos) == qos]
    if (like := query.get("match_topic")) is not None:
        rows = [one for one in rows if matches(split_share(one[1])[1], like)]
    lazy: Any = Rows(rows, lambda one: subscription(*one))
    return Answer(page_of(lazy, query, fuzzy=like is not None))


def _sessions_by_id(call: Call) -> Iterable[Session]:
    registry = call.managed.cluster.sessions
    wanted = call.query.get("clientid")
    if wanted is not None:
        return [registry[wanted]] if wanted in registry else []
    node = call.query.get("node")
    return [session for session in registry.values() if node is None or session.node.name == node]


async def topics(call: Call) -> Answer:
    """GET /topics: each subscribed filter once for every node that has it."""
    rows = [
        {"topic": topic, "node": node}
        for topic, names in call.managed.cluster.subscriptions.topics()
        for node in sorted(names)
    ]
    for name in ("topic", "node"):
        if (wanted := call.query.get(name)) is not None:
            rows = [one for one in rows if one[name] == wanted]
    return Answer(page_of(rows, call.query))


async def queued(call: Call) -> Answer:
    """GET /clients/:clientid/mqueue_messages."""
    return _messages(call, list(_session(call).queue or ()), "_0")


async def inflight(call: Call) -> Answer:
    """GET /clients/:clientid/inflight_messages."""
    return _messages(call, [one.delivery for one in _session(call).inflight.values()], "")


def _messages(call: Call, deliveries: list[Delivery], priority: str) -> Answer:
    """A page of a queue; ``position`` is ``<inserted_at>_<priority>`` of the last message *before* the byte limit cuts.

    So what the limit left out is skipped by the next page: measured in K_checks, kept.
    """
    size = check.limit(call.query.get("limit"), 100)
    room = check.limit(call.query.get("max_payload_bytes"), MAX_PAYLOAD_BYTES, top=None, name="max_payload_bytes")
    form = check.symbol(call.query.get("payload", "base64"), ("none", "base64", "plain"), "payload")
    after = _position(call.query.get("position"))
    ordered = sorted(deliveries, key=lambda one: one.inserted)
    if not ordered:
        return Answer({"meta": {"start": "none", "position": "none"}, "data": []})
    page = [one for one in ordered if one.inserted > after][:size]
    last = page[-1].inserted if page else ordered[-1].inserted
    meta = {"start": f"{ordered[0].inserted}{priority}", "position": f"{last}{priority}"}
    return Answer({"meta": meta, "data": [_message(one, form, bool(priority)) for one in _fitting(page, room, form)]})


def _position(text: str | None) -> int:
    if text in {None, "none", ""}:
        return 0
    number, _, priority = str(text).partition("_")
    if not number.isdigit() or (priority and not priority.isdigit()):
        raise ApiError(400, "INVALID_PARAMETER", "position_limit_invalid")
    return int(number)


def _fitting(page: list[Delivery], room: int, form: str) -> Iterator[Delivery]:
    # The first message always comes; sizes are counted as they are sent, base64 being a third longer (K_checks).
    used = 0
    for index, one in enumerate(page):
        used += len(_payload(one.message.payload, form) or "")
        if index and used > room:
            return
        yield one


def _payload(raw: bytes, form: str) -> str | None:
    if form == "none":
        return None
    return base64.b64encode(raw).decode() if form == "base64" else raw.decode(errors="replace")


def _message(one: Delivery, form: str, queue: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"inserted_at": str(one.inserted)}
    if queue:
        shown["mqueue_priority"] = 0
    shown |= {
        "publish_at": int(one.message.at * 1000),
        "msgid": one.message.id,
        "from_username": one.message.username,
        "from_clientid": one.message.sender,
        "qos": one.qos,
        "topic": one.message.topic,
    }
    payload = _payload(one.message.payload, form)
    return shown if payload is None else shown | {"payload": payload}


ENDPOINTS = (
    Endpoint("GET", "/clients", clients),
    Endpoint("POST", "/clients/kickout/bulk", kick_many),
    Endpoint("GET", "/clients/{clientid}", client),
    Endpoint("DELETE", "/clients/{clientid}", kick),
    Endpoint("GET", "/clients/{clientid}/subscriptions", client_subscriptions),
    Endpoint("GET", "/clients/{clientid}/mqueue_messages", queued),
    Endpoint("GET", "/clients/{clientid}/inflight_messages", inflight),
    Endpoint("GET", "/subscriptions", subscriptions),
    Endpoint("GET", "/topics", topics),
)
