"""The small lists of the ``mqtt`` section: automatic subscriptions, topic rewrite, topic metrics, and the list of gateways.

Answers as in recordings 04, 05, 07 and A_setup_blue_ce_5.8.9.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from lab.node.api.call import NO_CONTENT, Answer, Call, Endpoint, timestamp
from lab.node.api.errors import ApiError, invalid, not_found
from lab.node.kept.topics import is_wildcard

_METRICS = (
    "messages.dropped",
    "messages.in",
    "messages.out",
    "messages.qos0.in",
    "messages.qos0.out",
    "messages.qos1.in",
    "messages.qos1.out",
    "messages.qos2.in",
    "messages.qos2.out",
)
GATEWAYS = ("coap", "exproto", "lwm2m", "mqttsn", "stomp")


async def _list(call: Call, required: tuple[str, ...], defaults: dict[str, Any]) -> list[dict[str, Any]]:
    body = await call.body()
    rows = body if isinstance(body, list) else []
    if not isinstance(body, list):
        raise invalid(value=body, reason="not_array", path="root")
    for index, row in enumerate(rows, 1):
        for name in required:
            if not isinstance(row, dict) or name not in row:
                raise invalid(reason="required_field", path=f"root.{index}.{name}")
    return [dict(sorted((defaults | row).items())) for row in rows]


async def auto_subscribe(call: Call) -> Answer:
    """GET /mqtt/auto_subscribe."""
    defaults = {"qos": 0, "rh": 0, "rap": 0, "nl": 0}
    return Answer([defaults | row for row in call.managed.store.effective("auto_subscribe")["topics"]])


async def put_auto_subscribe(call: Call) -> Answer:
    """PUT /mqtt/auto_subscribe replaces the list."""
    rows = await _list(call, ("topic",), {"qos": 0, "rh": 0, "rap": 0, "nl": 0})
    if len(rows) > 20:
        raise ApiError(409, "EXCEED_LIMIT", "Max auto subscribe topic count is 20")
    call.managed.store.put("auto_subscribe", {"topics": rows})
    return Answer(rows)


async def rewrite(call: Call) -> Answer:
    """GET /mqtt/topic_rewrite."""
    return Answer(list(call.managed.store.effective("rewrite")))


async def put_rewrite(call: Call) -> Answer:
    """PUT /mqtt/topic_rewrite replaces the list."""
    rows = await _list(call, ("action", "source_topic", "re", "dest_topic"), {})
    call.managed.store.put("rewrite", rows)
    return Answer(rows)


async def topic_metrics(call: Call) -> Answer:
    """GET /mqtt/topic_metrics: a definition and counters that start at 0 (they are not carried by an export)."""
    return Answer([_metrics(call, row["topic"]) for row in call.managed.store.effective("topic_metrics")])


def _metrics(call: Call, topic: str) -> dict[str, Any]:
    counters: dict[str, Any] = {}
    for name in _METRICS:
        counters |= {f"{name}.count": 0, f"{name}.rate": 0.0}
    return {"topic": topic, "metrics": counters, "create_time": timestamp(call.managed.started)}


async def create_topic_metrics(call: Call) -> Answer:
    """POST /mqtt/topic_metrics."""
    body = await call.body()
    topic = str(body.get("topic", "")) if isinstance(body, dict) else ""
    if is_wildcard(topic):
        raise ApiError(400, "BAD_TOPIC", "Wildcard topic is not supported")
    rows = list(call.managed.store.effective("topic_metrics"))
    if any(row["topic"] == topic for row in rows):
        raise ApiError(400, "BAD_TOPIC", f"Topic {topic} already exists")
    call.managed.store.put("topic_metrics", [*rows, {"topic": topic}])
    return Answer(_metrics(call, topic))


async def delete_topic_metrics(call: Call) -> Answer:
    """DELETE /mqtt/topic_metrics/:topic."""
    topic = unquote(call.path["topic"])
    rows = list(call.managed.store.effective("topic_metrics"))
    left = [row for row in rows if row["topic"] != topic]
    if len(left) == len(rows):
        raise not_found("Topic not found", "TOPIC_NOT_FOUND")
    call.managed.store.put("topic_metrics", left)
    return NO_CONTENT


async def gateways(_call: Call) -> Answer:
    """GET /gateways: the five kinds, none loaded (none was recorded loaded)."""
    return Answer([{"name": name, "status": "unloaded"} for name in GATEWAYS])


ENDPOINTS = (
    Endpoint("GET", "/mqtt/auto_subscribe", auto_subscribe),
    Endpoint("PUT", "/mqtt/auto_subscribe", put_auto_subscribe),
    Endpoint("GET", "/mqtt/topic_rewrite", rewrite),
    Endpoint("PUT", "/mqtt/topic_rewrite", put_rewrite),
    Endpoint("GET", "/mqtt/topic_metrics", topic_metrics),
    Endpoint("POST", "/mqtt/topic_metrics", create_topic_metrics),
    Endpoint("DELETE", "/mqtt/topic_metrics/{topic}", delete_topic_metrics),
    Endpoint("GET", "/gateways", gateways),
)
