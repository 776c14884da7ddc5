"""Publishing through the API (V_*_retained): it passes every rule, and is the only way of a 4.x API to set a retained message."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

from lab.node.kept.message import Message
from lab.node.kept.topics import valid_topic
from lab.node.v4.asked import Asked, Way, ok, said


def _published(asked: Asked, body: dict[str, Any]) -> dict[str, Any] | None:
    """Why a message is refused; None when it is published."""
    topics = [body["topic"]] if "topic" in body else [one for one in str(body.get("topics", "")).split(",") if one]
    if not topics or not all(valid_topic(one) for one in topics):
        return said("bad_topic", code=108)
    payload = str(body.get("payload", "")).encode()
    if body.get("encoding") == "base64":
        try:
            payload = b64decode(payload, validate=True)
        except binascii.Error:
            return said("bad_payload", code=108)
    sender, retain = str(body.get("clientid", "")), body.get("retain") in {True, "true"}
    for topic in topics:
        message = Message(topic, payload, int(body.get("qos", 0)), retain, sender, at=asked.now())
        asked.host.cluster.publish(message, asked.host.cluster.nodes[asked.here])
    return None


def publish(asked: Asked) -> dict[str, Any]:
    """POST /mqtt/publish."""
    return _published(asked, asked.object()) or ok()


def publish_batch(asked: Asked) -> dict[str, Any]:
    """POST /mqtt/publish_batch: an answer for each."""
    bodies = asked.body if isinstance(asked.body, list) else [asked.object()]
    return ok([{"topic": one.get("topic"), "code": 0} | (_published(asked, one) or {}) for one in bodies])


WAYS = (Way("POST", "/mqtt/publish", publish), Way("POST", "/mqtt/publish_batch", publish_batch))
