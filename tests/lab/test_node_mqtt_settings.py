"""What the configuration changes about the MQTT side: limits, retainer, SCRAM, PROXY protocol, slow clients."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from components.mqtt import (
    Auth,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Property,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
    encode,
)
from lab.node.broker.node import BrokerNode
from lab.node.kept.message import Message
from lab.node.rules.passwords import new_scram_user
from tests.lab.node_bed import SCRAM, serving
from tests.lab.node_mqtt_client import PATIENCE_SECONDS, RawClient, Time, seen

pytestmark = pytest.mark.lab


@pytest.fixture
async def node(clock: Time) -> AsyncIterator[BrokerNode]:
    async with serving(1, clock=clock) as cluster:
        yield next(iter(cluster.nodes.values()))


def client(node: BrokerNode, **more: Any) -> RawClient:
    return RawClient((node.ip, 1883), Connect("c", **{"level": 5, "keep_alive": 0, **more}))


@pytest.mark.parametrize(
    ("setting", "packet", "reason"),
    [
        ({"max_qos_allowed": 1}, Publish("t", b"", 2, packet_id=1), 0x9B),
        ({"retain_available": False}, Publish("t", b"", retain=True), 0x9A),
        ({"max_topic_alias": 1}, Publish("t", b"", properties={Property.TOPIC_ALIAS: 2}), 0x94),
        ({"max_packet_size": "1KB"}, Publish("t", bytes(2000)), 0x95),
        ({"max_topic_levels": 2}, Publish("a/b/c"), 0x90),
        ({}, Publish("a/+"), 0x90),
        ({}, Subscribe(1, (Subscription("a/#/b"),)), 0x8F),
        ({}, Subscribe(1, (Subscription("$share/g/t", no_local=True),)), 0x82),
    ],
)
async def test_what_a_setting_forbids_ends_the_connection_with_its_reason(
    node: BrokerNode, setting: dict[str, Any], packet: Publish | Subscribe, reason: int
) -> None:
    node.cluster.store.merge("mqtt", setting)
    async with client(node) as one:
        await one.connack()
        one.send(packet)
        assert (await one.next(Disconnect)).reason == reason
        await one.fin()


@pytest.mark.parametrize(
    ("setting", "topic_filter", "reason"),
    [
        ({"wildcard_subscription": False}, "a/+", 0xA2),
        ({"shared_subscription": False}, "$share/g/a", 0x9E),
        ({"max_subscriptions": 0}, "a", 0x97),
    ],
)
async def test_what_a_setting_forbids_to_subscribe_is_in_the_suback(
    node: BrokerNode, setting: dict[str, Any], topic_filter: str, reason: int
) -> None:
    node.cluster.store.merge("mqtt", setting)
    async with client(node) as one:
        await one.subscribe(topic_filter)
        assert (await one.next(Suback)).reasons == (reason,)


async def test_the_connack_says_what_the_server_changed(node: BrokerNode) -> None:
    node.cluster.store.merge("mqtt", {"server_keepalive": 7, "max_qos_allowed": 1, "max_inflight": 5})
    async with client(node) as one:
        properties = (await one.connack()).properties
        wanted = {Property.SERVER_KEEP_ALIVE: 7, Property.MAXIMUM_QOS: 1, Property.RECEIVE_MAXIMUM: 5}
        assert {key: properties[key] for key in wanted} == wanted


async def test_the_retainer_drops_qos_0_above_its_rate_and_what_is_too_large(node: BrokerNode) -> None:
    store = node.cluster.store
    store.merge("retainer", {"max_publish_rate": "10/s", "max_payload_size": "10B"})
    for index in range(20):
        node.cluster.publish(Message(f"r/{index}", b"x", 0, retain=True, at=1000.0, id=str(index)))
    assert len(list(store.retained.select("r/#", 1000.0))) == 10
    node.cluster.publish(Message("r/sure", b"x", 1, retain=True, at=1000.0, id="sure"))
    node.cluster.publish(Message("r/large", bytes(11), 1, retain=True))
    node.cluster.publish(Message("r/0", b"", 1, retain=True))
    assert "r/sure" in store.retained
    assert "r/large" not in store.retained
    assert "r/0" not in store.retained


def scram_proof(password: str, bare: str, said: str, without_proof: str) -> bytes:
    fields = dict(part.split("=", 1) for part in said.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b64decode(fields["s"]), int(fields["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    spoken = f"{bare},{said},{without_proof}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), spoken, "sha256")
    return b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True)))


@pytest.mark.parametrize(("password", "reason"), [("pencil", 0), ("wrong", 0x87)])
async def test_scram_authenticates_in_two_rounds(node: BrokerNode, password: str, reason: int) -> None:
    store = node.cluster.store
    store.put("authentication", [SCRAM])
    store.scram_users["user"] = new_scram_user("sha256", 4096, "user", "pencil", True, Random(2))
    bare = "n=user,r=abcdef"
    method: dict[int, Any] = {Property.AUTH_METHOD: "SCRAM-SHA-256"}
    async with client(node, properties={**method, Property.AUTH_DATA: f"n,,{bare}".encode()}) as one:
        challenge = await one.next(Auth)
        assert challenge.reason == 0x18
        said = challenge.properties[Property.AUTH_DATA].decode()
        without_proof = f"c=biws,r={dict(part.split('=', 1) for part in said.split(','))['r']}"
        proof = scram_proof(password, bare, said, without_proof)
        one.send(Auth(0x18, {**method, Property.AUTH_DATA: f"{without_proof},p=".encode() + proof}))
        connack = await one.connack()
        assert connack.reason == reason
        if not reason:
            assert connack.properties[Property.AUTH_DATA].startswith(b"v=")
            assert node.sessions["c"].is_superuser
    assert node.metrics["authentication.success"] == (reason == 0)


async def test_a_connection_without_the_wanted_proxy_header_is_closed_in_time(node: BrokerNode, clock: Time) -> None:
    await node.stop_listener("tcp:default")
    node.cluster.store.merge("listeners", {"tcp": {"default": {"proxy_protocol": True}}})
    await node.start_listener("tcp:default")
    async with RawClient((node.ip, 1883), Connect(), b"PROX") as one:
        await seen(lambda: bool(node.channels))
        clock.ahead += 4
        await one.fin()


async def test_more_connections_than_the_listener_allows_are_closed(node: BrokerNode) -> None:
    await node.stop_listener("tcp:default")
    node.cluster.store.merge("listeners", {"tcp": {"default": {"max_connections": 1}}})
    await node.start_listener("tcp:default")
    async with client(node) as one:
        await one.connack()
        async with client(node) as two:
            await two.fin()
            assert two.raw == b""
        one.send(Pingreq())
        await one.next(Pingresp)


async def test_a_client_that_does_not_read_is_given_up_and_keeps_its_session(node: BrokerNode, clock: Time) -> None:
    reader, writer = await asyncio.open_connection(node.ip, 1883, limit=1)
    writer.write(encode(Connect("deaf", clean_start=False, keep_alive=0)))
    writer.write(encode(Subscribe(1, (Subscription("t", 0),))))
    await seen(lambda: "deaf" in node.sessions and bool(node.sessions["deaf"].subscriptions))
    channel = node.sessions["deaf"].channel
    assert channel is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while getattr(channel, "paused_at", None) is None:
            node.cluster.publish(Message("t", bytes(500_000)))
            await asyncio.sleep(0)
    clock.ahead += 16
    await seen(lambda: not node.sessions["deaf"].connected)
    assert node.live_connections == 0
    writer.close()
    del reader


async def test_a_message_larger_than_the_client_accepts_is_dropped_and_counted(node: BrokerNode) -> None:
    async with client(node, properties={Property.MAXIMUM_PACKET_SIZE: 100}) as one:
        await one.subscribe("t")
        await one.next(Suback)
        node.cluster.publish(Message("t", bytes(200), 1))
        node.cluster.publish(Message("t", b"small", 1))
        found = await one.next(Publish)
        one.send(Puback(found.packet_id or 0))
        assert found.payload == b"small"
        assert node.metrics["delivery.dropped.too_large"] == 1


async def test_a_mountpoint_stands_before_every_topic_and_the_client_never_sees_it(node: BrokerNode) -> None:
    """F_mountpoint_shared: a session prepared on a plain listener is taken over through the mounted one."""
    cluster, stays = node.cluster, {"clean_start": False, "properties": {Property.SESSION_EXPIRY: 60}}
    cluster.store.put("auto_subscribe", {"topics": [{"topic": "auto/${clientid}", "qos": 1}]})
    async with client(node, **stays) as maker:
        await maker.subscribe("mp/c/a/b")
        await maker.next(Suback)
    await seen(lambda: not node.sessions["c"].connected)
    await node.stop_listener("tcp:default")
    cluster.store.merge("listeners", {"tcp": {"default": {"mountpoint": "mp/${clientid}/"}}})
    await node.start_listener("tcp:default")
    async with client(node, **stays, will=Will("will", b"x", retain=True)) as device:
        assert (await device.connack()).session_present
        await device.subscribe("$share/g/s", "a/+")
        await device.next(Suback)
        names = ["auto/c", "mp/c/a/b", "mp/c/auto/c", "$share/g/mp/c/s", "mp/c/a/+"]
        assert list(node.sessions["c"].subscriptions) == names
        cluster.publish(Message("mp/c/a/b", b"1", 1))
        device.send(Publish("s", b"2"), Unsubscribe(3, ("a/+",)))
        assert [(await device.next(Publish)).topic for _ in range(3)] == ["a/b", "a/b", "s"]
        assert (await device.next(Unsuback)).reasons == (0,)
    await seen(lambda: "mp/c/will" in cluster.store.retained)
