"""The node against two recordings: every counter of G_metrics_by_kind_of_connect, every CONNECT of J_connect_variants (column `direct`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from components.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Will,
    encode,
)
from components.mqtt.packets import NO_PROPERTIES
from lab.node.broker.node import BrokerNode
from lab.node.kept.records import AclRule, Ban
from lab.node.kept.store import PASSWORD_ID, Store
from lab.node.rules.passwords import new_scram_user, new_user
from tests.lab.node_bed import PASSWORD, SCRAM, SHA256, serving
from tests.lab.node_mqtt_client import PATIENCE_SECONDS, RawClient

pytestmark = pytest.mark.lab


@pytest.fixture
async def node() -> AsyncIterator[BrokerNode]:
    store = Store()
    store.put("authentication", [PASSWORD, SCRAM])
    store.merge("authorization", {"sources": [{"type": "built_in_database", "enable": True}], "no_match": "deny"})
    store.authn_users[PASSWORD_ID] = {
        name: new_user(SHA256, name, f"{name}pw", name == "root", Random(1)) for name in ("alice", "root")
    }
    store.scram_users["user"] = new_scram_user("sha256", 4096, "user", "pencil", False, Random(2))
    store.acl_all = [AclRule("ok/#", "allow", "all")]
    store.banned["clientid", "bad"] = Ban("clientid", "bad")
    async with serving(1, store) as cluster:
        yield next(iter(cluster.nodes.values()))


def names(text: str) -> dict[str, int]:
    """``a b:2`` -> {"a": 1, "b": 2}."""
    return {name: int(count or 1) for name, _, count in (word.partition(":") for word in text.split())}


ASKED = "client.connect client.connack packets.connect.received packets.connack.sent "
REFUSED = ASKED + "packets.received packets.sent packets.connack.error "
FAILED = REFUSED + "client.authenticate authentication.failure packets.connack.auth_error"
LIFE = ASKED + (
    "client.authenticate authentication.success client.connected client.disconnected session.created session.terminated "
    "packets.disconnect.received "
)
GOOD: dict[str, Any] = {"username": "alice", "password": b"alicepw"}
ROOT: dict[str, Any] = {"username": "root", "password": b"rootpw"}
RECORDED: list[tuple[str, Connect | bytes | None, tuple[Packet, ...], str]] = [
    ("accepted v4", Connect("c", **GOOD), (), LIFE + "packets.received:2 packets.sent"),
    ("wrong password v4", Connect("c", username="alice", password=b"x"), (), FAILED),
    ("wrong password v5", Connect("c", username="alice", password=b"x", level=5), (), FAILED),
    ("unknown user v5", Connect("c", username="nobody", password=b"x", level=5), (), FAILED),
    ("anonymous v5", Connect("c", level=5), (), FAILED),
    ("banned client id v5", Connect("bad", **GOOD, level=5), (), REFUSED),
    ("malformed CONNECT", bytes.fromhex("100d00044d5154540401003c000161"), (), ""),
    ("unsupported protocol level", Connect("c", level=6), (), REFUSED),
    ("TCP open and close without CONNECT", None, (), "packets.received packets.disconnect.received"),
    (
        "denied publish + denied subscribe",
        Connect("c", **GOOD, level=5),
        (Publish("secret", b"", 1, packet_id=1), Subscribe(2, (Subscription("secret", 1),))),
        LIFE + "packets.received:4 packets.sent:3 authorization.cache_miss:2 authorization.deny:2 authorization.nomatch:2 client.authorize:2 "
        "client.subscribe messages.qos1.received messages.received packets.puback.sent packets.publish.auth_error packets.publish.error "
        "packets.publish.received packets.suback.sent packets.subscribe.auth_error packets.subscribe.error packets.subscribe.received",
    ),
    (
        "publish that nobody subscribed to",
        Connect("c", **ROOT),
        (Publish("nobody", b"", 1, packet_id=1),),
        LIFE + "packets.received:3 packets.sent:2 authorization.allow authorization.cache_miss authorization.superuser client.authorize "
        "messages.dropped messages.dropped.no_subscribers messages.publish messages.qos1.received messages.received packets.puback.sent "
        "packets.publish.received",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("what", "connect", "then", "moved"), RECORDED, ids=[row[0] for row in RECORDED])
async def test_every_kind_of_connect_moves_the_recorded_counters_and_no_other(
    node: BrokerNode, what: str, connect: Connect | bytes | None, then: tuple[Packet, ...], moved: str
) -> None:
    before = dict(node.metrics)
    first = encode(connect) if isinstance(connect, Connect) else connect or b""
    level = connect.level if isinstance(connect, Connect) and connect.level == 5 else 4
    async with RawClient((node.ip, 1883), Connect(level=level), first) as one:
        if "client.connected" in moved:
            assert (await one.connack()).reason == 0
            for packet in then:
                one.send(packet)
                await one.next(Puback if isinstance(packet, Publish) else Suback)
            one.send(Disconnect())
        if connect is not None:
            await one.fin()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while node.channels or (connect is None and node.metrics == before):  # noqa: ASYNC110  nothing announces a counter
            await asyncio.sleep(0.01)
    seen = {name: value - before[name] for name, value in node.metrics.items() if value != before[name]}
    assert {name: count for name, count in seen.items() if not name.startswith("bytes.")} == names(moved)


SCRAM_FIRST = {0x15: "SCRAM-SHA-256", 0x16: b"n,,n=user,r=abcdef"}
V5_ALL = {0x11: 60, 0x21: 10, 0x27: 100_000, 0x22: 5, 0x17: 1, 0x19: 1}
WILL = {0x18: 5, 0x02: 60, 0x03: "text/plain", 0x26: (("k", "v"),)}


def v4(client_id: str = "dev", **more: Any) -> Connect:
    return Connect(client_id, **{**GOOD, **more})


def v5(properties: dict[int, Any] | None = None, client_id: str = "dev", **more: Any) -> Connect:
    return Connect(client_id, **{**GOOD, "level": 5, "properties": properties or NO_PROPERTIES, **more})


def with_will(size: int, **more: Any) -> Connect:
    return v4(will=Will("w", bytes(size)), **more)


VARIANTS: list[tuple[str, Connect, str]] = [
    ("3.1.1 plain", v4(), "20020000"),
    ("3.1 MQIsdp level 3", v4(level=3), "20020000"),
    ("3.1 MQIsdp, client id of 40 chars", v4("d" * 40, level=3), "20020000"),
    ("3.1.1 bridge bit 0x84", v4(bridge=True), "20020000"),
    ("3.1 bridge bit 0x83", v4(bridge=True, level=3), "20020000"),
    ("3.1.1 empty client id, clean", v4(""), "20020000"),
    ("3.1.1 empty client id, not clean", v4("", clean_start=False), "20020002"),
    ("5 empty client id", v5(client_id=""), "2029000026"),
    ("5 many properties", v5(V5_ALL), "2016000013"),
    ("5 user property twice the same key", v5({0x26: (("k", "1"), ("k", "2"))}), "2016000013"),
    ("5 20 user properties", v5({0x26: (("key", "value"),) * 20}), "2016000013"),
    ("5 will with properties", v5(will=Will("w", b"x", 0, False, WILL)), "2016000013"),
    ("5 will qos2 retained", v5(will=Will("w", b"x", 2, True)), "2016000013"),
    ("3.1.1 will empty payload", with_will(0), "20020000"),
    ("5 password without user", v5(username=None), "2003008700"),
    ("3.1.1 client id UTF-8", v4("gerät-日本"), "20020000"),
    ("3.1.1 keep-alive 0", v4(keep_alive=0), "20020000"),
    ("5 client id 1,000 bytes", v5(client_id="x" * 1000), "2016000013"),
    ("5 enhanced auth SCRAM first", v5(SCRAM_FIRST, username=None, password=None), "f0"),
    ("3.1.1 will payload 60000", with_will(60_000), "20020000"),
    ("3.1.1 password of 60000 bytes (wrong)", v4(password=bytes(60_000)), "20020004"),
    ("3.1.1 user name of 65535 bytes (unknown)", v4(username="u" * 65_535), "20020005"),
    ("5 three 10,000 byte user properties", v5({0x26: (("k", "v" * 10_000),) * 3}), "2016000013"),
    ("junk: protocol level 6", v4(level=6), "20020001"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "connect", "answer"), VARIANTS, ids=[row[0] for row in VARIANTS])
async def test_every_connect_variant_has_its_recorded_answer(
    node: BrokerNode, what: str, connect: Connect, answer: str
) -> None:
    one = RawClient((node.ip, 1883), connect)
    one.level = connect.level if connect.level == 5 else 4
    async with one:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not one.raw:  # noqa: ASYNC110  only the first bytes count
                await asyncio.sleep(0.005)
        assert one.raw.hex().startswith(answer)


async def test_a_connect_may_come_byte_by_byte_and_in_one_segment_with_others(node: BrokerNode) -> None:
    slow = encode(v5())
    async with RawClient((node.ip, 1883), v5(), slow[:1]) as one:
        for index in range(1, len(slow)):
            one.writer.write(slow[index : index + 1])
            await one.writer.drain()
        assert (await one.connack()).reason == 0
    large = encode(v4()) + encode(Publish("ok/x", bytes(20_000), 1, packet_id=1))
    async with RawClient((node.ip, 1883), v4(), large) as one:
        assert isinstance(await one.next(Connack), Connack)
        assert (await one.next(Puback)).packet_id == 1
