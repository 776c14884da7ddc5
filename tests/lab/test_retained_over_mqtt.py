"""Retained messages come from 4.4 to 5.8 as they were, those of ``$SYS`` stay, and one that is otherwise there is found before a client moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from components.emqx import retained
from components.emqx.errors import VerificationFailed
from components.emqx.models import Credentials, MqttAccount
from components.emqx.retained import Reader
from components.emqx.v4.cluster import ClusterApi
from components.links import retained as links
from components.mqtt import Property, Publish
from tests.lab.data_bed import Bed, Cluster, bed, cluster
from tests.lab.node_process import node_process

pytestmark = pytest.mark.lab

READER = MqttAccount(username="reader", password="reader-pw")
SENT = (
    Publish("plant/1", b"\x00\xff\x01", 2, retain=True, packet_id=1),
    Publish("plant/2", b"short-lived", 1, retain=True, packet_id=2, properties={Property.MESSAGE_EXPIRY: 3_000}),
    Publish("plant/3", b"at most once", 0, retain=True, properties={Property.CONTENT_TYPE: "text/plain"}),
    Publish("plant/4", b"x" * 4_096, 1, retain=True, packet_id=4),
)


@asynccontextmanager
async def pair(directory: Path) -> AsyncIterator[tuple[Bed, Cluster]]:
    """A 4.4 with messages that clients have published, and a 5.8."""
    (directory / "old").mkdir()
    words = ("--version", "4.4.19", "--edition", "ce", "--nodes", "1")
    async with (
        node_process(directory / "old", *words) as old,
        cluster(directory / "green", "green", "--nodes", "1") as green,
    ):
        handle = old.handle("blue").model_copy(update={"edition": "ce"})
        async with ClusterApi(handle, Credentials(api_key="admin", api_secret="public")) as blue, green.api() as api:
            await blue.http.ask("POST", "/auth_username", body={"username": "reader", "password": "reader-pw"})
            writer = Reader.declared(handle.nodes[0], READER, proxied=False)
            await retained.publish(writer, SENT)
            other: Any = blue
            yield bed(other, api), green


async def there(green: Cluster) -> dict[str, Publish]:
    """What green gives to one who subscribes to each topic."""
    reader = Reader(green.handle.nodes[0], False, None)
    portions = retained.messages(reader, [one.topic for one in SENT])
    return {one.topic: one async for portion in portions for one in portion}


async def test_messages_come_along_as_they_were_and_one_that_does_not_ends_it_by_its_topic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "PAUSES_SECONDS", (0.0,))
    async with pair(tmp_path) as (here, green):
        await green.configure("retainer { max_payload_size = 1KB }")
        with pytest.raises(VerificationFailed, match=r"plant/4: it is not there") as caught:
            await links.copy(here.run, "blue", "green", READER)
        assert "xxxx" not in str(caught.value)
        await green.configure("retainer { max_payload_size = 1MB }")
        copied, topics = await links.copy(here.run, "blue", "green", READER)
        assert (copied.read, copied.published, copied.compared) == (len(SENT),) * 3
        assert sorted(topics) == [one.topic for one in SENT]
        found = await there(green)
        assert {topic: (one.payload, one.qos) for topic, one in found.items()} == {
            one.topic: (one.payload, one.qos) for one in SENT
        }
        assert 0 < int(found["plant/2"].properties[Property.MESSAGE_EXPIRY]) <= 3_000
        assert found["plant/3"].properties[Property.CONTENT_TYPE] == "text/plain"
        assert "short-lived" not in str(here.events) + str(here.lines)
