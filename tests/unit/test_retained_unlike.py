"""A retained message counts as carried when it is there as it was: payload, QoS, properties, and what remains of its expiry."""

from __future__ import annotations

import pytest

from components.emqx.retained import unlike
from components.mqtt import Property, Publish

pytestmark = pytest.mark.unit


def message(payload: bytes = b"on", qos: int = 1, *, expiry: int | None = None, **properties: object) -> Publish:
    """One of the topic ``t``."""
    kept: dict[int, object] = {Property[name.upper()]: value for name, value in properties.items()}
    if expiry is not None:
        kept[Property.MESSAGE_EXPIRY] = expiry
    return Publish("t", payload, qos, retain=True, packet_id=1 if qos else None, properties=kept)


def test_what_is_there_as_it_was_is_not_unlike() -> None:
    sent = message(expiry=60, content_type="text/plain")
    assert unlike([sent], [sent], seconds=0) == []
    assert unlike([sent], [message(expiry=57, content_type="text/plain")], seconds=1) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (message(b"off"), "payload of 3 bytes"),
        (message(qos=0), "QoS 0 instead of 1"),
        (message(expiry=60), "60 s until it expires instead of no expiry"),
        (message(content_type="text/plain"), "properties"),
    ],
)
def test_each_thing_that_is_otherwise_is_named_without_content(found: Publish, said: str) -> None:
    (line,) = unlike([message(b"secret-payload")] if said.startswith("payload") else [message()], [found], seconds=1)
    assert line.startswith("t: ")
    assert said in line
    assert "secret-payload" not in line


def test_an_expiry_that_began_anew_is_named() -> None:
    assert unlike([message(expiry=60)], [message(expiry=3_600)], seconds=5)
    assert unlike([message(expiry=60)], [message()], seconds=5)


def test_one_that_is_missing_is_named_unless_it_has_expired() -> None:
    assert unlike([message()], [], seconds=5) == ["t: it is not there"]
    assert unlike([message(expiry=60)], [], seconds=5) == ["t: it is not there"]
    assert unlike([message(expiry=3)], [], seconds=5) == []
