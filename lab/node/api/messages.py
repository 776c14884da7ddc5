"""Retained and delayed messages, and publishing through the API, which passes every ACL.

Answers as in recordings 04, 07, A_setup_blue_ce_5.8.9, F_* and K_checks.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from components.mqtt.properties import Property
from lab.node.api import check
from lab.node.api.call import NO_CONTENT, Answer, Call, Endpoint, timestamp
from lab.node.api.errors import ApiError, invalid, not_found
from lab.node.api.paging import page_of
from lab.node.kept.message import Message, message_id
from lab.node.kept.records import DelayedMessage
from lab.node.kept.store import merged
from lab.node.kept.topics import valid_topic

NOBODY = {"message": "no_matching_subscribers", "reason_code": 16}
_PUBLISH: dict[str, check.Check] = {
    "topic": check.text,
    "qos": check.anything,
    "payload": check.text,
    "payload_encoding": check.text,
    "retain": check.boolean,
    "clientid": check.text,
    "properties": check.anything,
}
_PROPERTIES = {
    "payload_format_indicator": Property.PAYLOAD_FORMAT,
    "message_expiry_interval": Property.MESSAGE_EXPIRY,
    "response_topic": Property.RESPONSE_TOPIC,
    "content_type": Property.CONTENT_TYPE,
}


async def publish(call: Call) -> Answer:
    """POST /publish: 200 with an id, or 202 when nobody subscribed."""
    return _answer(_publish(call, await call.body()))


async def publish_bulk(call: Call) -> Answer:
    """POST /publish/bulk: one result for each; 202 when one of them went to nobody."""
    body = await call.body()
    if not isinstance(body, list):
        raise invalid(value=body, reason="not_array", path="root")
    results = [_publish(call, one) for one in body]
    return Answer(results, 200 if all("id" in one for one in results) else 202)


def _answer(result: dict[str, Any]) -> Answer:
    return Answer(result, 200 if "id" in result else 202)


def _publish(call: Call, body: Any) -> dict[str, Any]:
    fields = check.body_fields(body, _PUBLISH, required=("topic", "payload"))
    qos = fields.get("qos", 0)
    if qos not in (0, 1, 2):
        raise invalid(value=qos, reason={"expected": "0 | 1 | 2"}, path="root.qos")
    if not valid_topic(fields["topic"]):
        raise ApiError(400, "BAD_REQUEST", "topic_name_invalid")
    now = call.now()
    message = Message(
        topic=fields["topic"],
        payload=_payload(fields),
        qos=qos,
        retain=fields.get("retain", False),
        sender=fields.get("clientid", "http_api"),
        at=now,
        id=message_id(now),
        properties=_properties(fields.get("properties", {})),
    )
    node = call.managed.cluster.nodes[call.here]
    # A delayed message has no subscriber yet, and EMQX says so.
    reached = (
        0 if call.managed.cluster.delayed.take(message, call.here) else call.managed.cluster.publish(message, node)
    )
    return {"id": message.id} if reached else dict(NOBODY)


def _payload(fields: dict[str, Any]) -> bytes:
    text: str = fields["payload"]
    if check.symbol(fields.get("payload_encoding", "plain"), ("plain", "base64"), "root.payload_encoding") == "plain":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ApiError(400, "BAD_REQUEST", "bad_base64_payload") from None


def _properties(given: dict[str, Any]) -> dict[int, Any]:
    out: dict[int, Any] = {int(code): given[name] for name, code in _PROPERTIES.items() if name in given}
    if "correlation_data" in given:
        out[int(Property.CORRELATION_DATA)] = str(given["correlation_data"]).encode()
    if users := given.get("user_properties"):
        out[int(Property.USER_PROPERTY)] = tuple((str(key), str(value)) for key, value in users.items())
    return out


async def retainer(call: Call) -> Answer:
    """GET /mqtt/retainer."""
    root = call.managed.store.effective("retainer")
    return Answer({key: value for key, value in sorted(root.items()) if key != "flow_control"})


async def put_retainer(call: Call) -> Answer:
    """PUT /mqtt/retainer: ``backend`` is replaced as a whole (recorded: its other keys vanish)."""
    body = await call.body()
    if not isinstance(body, dict):
        raise invalid(value=body, reason="bad_value_for_struct", path="root")
    store = call.managed.store
    store.put("retainer", merged(store.effective("retainer"), body))
    if "backend" in body:
        store.effective("retainer")["backend"] = body["backend"]
    return await retainer(call)


def _retained(message: Message, *, payload: bool = False) -> dict[str, Any]:
    shown: dict[str, Any] = {"topic": message.topic}
    if payload:
        shown["payload"] = base64.b64encode(message.payload).decode()
    return shown | {
        "qos": message.qos,
        "from_clientid": message.sender,
        "from_username": message.username,
        "msgid": message.id,
        "publish_at": timestamp(message.at, milliseconds=True),
    }


async def retained(call: Call) -> Answer:
    """GET /mqtt/retainer/messages: all with a count, or those of a filter without one."""
    table, wanted = call.managed.store.retained, call.query.get("topic")
    found = list(table.values() if wanted is None else table.select(wanted, call.now()))
    page = page_of(found, call.query, fuzzy=wanted is not None)
    return Answer(page | {"data": [_retained(message) for message in page["data"]]})


def _one(call: Call) -> Message:
    found = call.managed.store.retained.get(call.path["topic"])
    if found is None:
        raise not_found("Viewed message doesn't exist")
    return found


async def retained_message(call: Call) -> Answer:
    """GET /mqtt/retainer/message/:topic with the payload in base64."""
    return Answer(_retained(_one(call), payload=True))


async def delete_retained(call: Call) -> Answer:
    """DELETE /mqtt/retainer/message/:topic."""
    del call.managed.store.retained[_one(call).topic]
    return NO_CONTENT


async def clear_retained(call: Call) -> Answer:
    """DELETE /mqtt/retainer/messages."""
    call.managed.store.retained.clear()
    return NO_CONTENT


async def delayed(call: Call) -> Answer:
    """GET /mqtt/delayed."""
    return Answer(dict(call.managed.store.effective("delayed")))


async def put_delayed(call: Call) -> Answer:
    """PUT /mqtt/delayed."""
    fields = check.body_fields(await call.body(), {"enable": check.boolean, "max_delayed_messages": check.anything})
    call.managed.store.merge("delayed", fields)
    return await delayed(call)


def _delayed(call: Call, one: DelayedMessage, *, payload: bool = False) -> dict[str, Any]:
    shown: dict[str, Any] = {"node": one.node, "topic": one.message.topic}
    if payload:
        shown["payload"] = base64.b64encode(one.message.payload).decode()
    return shown | {
        "qos": one.message.qos,
        "delayed_interval": one.interval,
        "delayed_remaining": max(0, int(one.due - call.now())),
        "expected_at": timestamp(one.due, milliseconds=True),
        "from_clientid": one.message.sender,
        "from_username": one.message.username or "undefined",
        "msgid": one.message.id,
        "publish_at": timestamp(one.message.at, milliseconds=True),
    }


async def delayed_messages(call: Call) -> Answer:
    """GET /mqtt/delayed/messages, without payloads."""
    page = page_of(list(call.managed.store.delayed.values()), call.query)
    return Answer(page | {"data": [_delayed(call, one) for one in page["data"]]})


def _one_delayed(call: Call) -> DelayedMessage:
    found = call.managed.store.delayed.get(call.path["msgid"])
    if found is None or found.node != call.path["node"]:
        raise ApiError(404, "MESSAGE_ID_NOT_FOUND", f"Message ID {call.path['msgid']} not found")
    return found


async def delayed_message(call: Call) -> Answer:
    """GET /mqtt/delayed/messages/:node/:msgid with the payload in base64."""
    return Answer(_delayed(call, _one_delayed(call), payload=True))


async def delete_delayed(call: Call) -> Answer:
    """DELETE /mqtt/delayed/messages/:node/:msgid."""
    del call.managed.store.delayed[_one_delayed(call).message.id]
    return NO_CONTENT


ENDPOINTS = (
    Endpoint("POST", "/publish", publish),
    Endpoint("POST", "/publish/bulk", publish_bulk),
    Endpoint("GET", "/mqtt/retainer", retainer),
    Endpoint("PUT", "/mqtt/retainer", put_retainer),
    Endpoint("GET", "/mqtt/retainer/messages", retained),
    Endpoint("DELETE", "/mqtt/retainer/messages", clear_retained),
    Endpoint("GET", "/mqtt/retainer/message/{topic}", retained_message),
    Endpoint("DELETE", "/mqtt/retainer/message/{topic}", delete_retained),
    Endpoint("GET", "/mqtt/delayed", delayed),
    Endpoint("PUT", "/mqtt/delayed", put_delayed),
    Endpoint("GET", "/mqtt/delayed/messages", delayed_messages),
    Endpoint("GET", "/mqtt/delayed/messages/{node}/{msgid}", delayed_message),
    Endpoint("DELETE", "/mqtt/delayed/messages/{node}/{msgid}", delete_delayed),
)
