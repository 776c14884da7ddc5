"""Publish and subscribe over three lab nodes: every QoS, options of MQTT 5, retained and shared messages, denials (docs/emqx/probes.md)."""

from __future__ import annotations

import asyncio

import pytest

from components.mqtt import (
    Disconnect,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
)
from lab.node.broker.cluster import Cluster
from tests.lab.node_mqtt_bed import LEVELS, client, deny, guard, node, persistent, settled
from tests.lab.node_mqtt_client import PATIENCE_SECONDS, Time

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("publisher_level", [4, 5])
@LEVELS
async def test_every_qos_arrives_on_another_node_with_its_acknowledgements(
    cluster: Cluster, level: int, publisher_level: int
) -> None:
    async with client(cluster, "sub", 1, level=level) as sub, client(cluster, "pub", 2, level=publisher_level) as pub:
        await sub.subscribe("t/+", qos=2)
        await sub.next(Suback)
        await pub.connack()
        pub.send(
            Publish("t/0", b"zero"), Publish("t/1", b"one", 1, packet_id=7), Publish("t/2", b"two", 2, packet_id=8)
        )
        assert await pub.next(Puback) == Puback(7)
        assert await pub.next(Pubrec) == Pubrec(8)
        pub.send(Pubrel(8))
        assert await pub.next(Pubcomp) == Pubcomp(8)
        found = [await sub.next(Publish) for _ in range(3)]
        assert [(one.topic, one.payload, one.qos) for one in found] == [
            ("t/0", b"zero", 0),
            ("t/1", b"one", 1),
            ("t/2", b"two", 2),
        ]
        sub.send(Puback(found[1].packet_id or 0), Pubrec(found[2].packet_id or 0))
        assert (await sub.next(Pubrel)).packet_id == found[2].packet_id
        sub.send(Pubcomp(found[2].packet_id or 0))
        await settled(sub)
        assert cluster.sessions["sub"].inflight == {}


async def test_a_publish_without_subscribers_says_so_to_mqtt_5_only(cluster: Cluster) -> None:
    for level, wanted in ((4, "40020001"), (5, "400400011000")):
        async with client(cluster, level=level) as one:
            await one.connack()
            one.raw.clear()
            one.send(Publish("nobody", b"", 1, packet_id=1))
            await one.next(Puback)
            assert one.raw.hex() == wanted


async def test_a_qos_2_message_that_is_sent_twice_is_published_once(cluster: Cluster) -> None:
    async with client(cluster, "sub") as sub, client(cluster, "pub", level=5) as pub:
        await sub.subscribe("t")
        await sub.next(Suback)
        packet = Publish("t", b"x", 2, packet_id=3)
        pub.send(packet, packet, Pubrel(3), Pubrel(3))
        assert [(await pub.next(Pubrec)).reason, (await pub.next(Pubrec)).reason] == [0, 0x91]
        assert [(await pub.next(Pubcomp)).reason, (await pub.next(Pubcomp)).reason] == [0, 0x92]
        await settled(sub)
        assert len(sub.messages()) == 1


async def test_options_of_mqtt_5_are_kept(cluster: Cluster) -> None:
    async with client(cluster, level=5) as one:
        await one.connack()
        one.send(
            Subscribe(
                1,
                (Subscription("own", 1, no_local=True), Subscription("rap", 1, retain_as_published=True)),
                {Property.SUBSCRIPTION_ID: (300,)},
            )
        )
        await one.next(Suback)
        one.send(
            Publish("own", b"x"), Publish("rap", b"y", retain=True, properties={Property.USER_PROPERTY: (("k", "v"),)})
        )
        await settled(one)
        (found,) = one.messages()
        assert (found.topic, found.retain) == ("rap", True)
        assert found.properties == {Property.USER_PROPERTY: (("k", "v"),), Property.SUBSCRIPTION_ID: (300,)}


async def test_retained_messages_come_as_retain_handling_says(cluster: Cluster) -> None:
    async with client(cluster, "pub") as pub:
        pub.send(Publish("r/1", b"hello", 1, retain=True, packet_id=1))
        await pub.next(Puback)
    async with client(cluster, level=5) as one:
        await one.connack()
        counts = []
        for handling in (0, 0, 1, 2):
            one.send(Subscribe(1, (Subscription("r/#", 1, retain_handling=handling),)))
            await one.next(Suback)
            await settled(one)
            counts.append(len(one.messages()))
        assert counts == [1, 2, 2, 2]
        assert all(message.retain for message in one.messages())
        one.send(Publish("r/1", b"", retain=True), Unsubscribe(2, ("r/#", "never")))
        assert (await one.next(Unsuback)).reasons == (0, 0x11)
        assert "r/1" not in cluster.store.retained


async def test_shared_subscriptions_take_turns_connected_or_not(cluster: Cluster) -> None:
    async with (
        client(cluster, "a", 1, **persistent(5)) as a,
        client(cluster, "b", 2) as b,
        client(cluster, "pub", 3) as pub,
    ):
        await a.subscribe("$share/g/t")
        await a.next(Suback)
        await a.bye()
        await b.subscribe("$share/g/t")
        await b.next(Suback)
        for index in range(100):
            pub.send(Publish("t", b"x", 1, packet_id=index + 1))
        for _ in range(100):
            await pub.next(Puback)
        async with asyncio.timeout(PATIENCE_SECONDS):
            for _ in range(50):
                b.send(Puback((await b.next(Publish)).packet_id or 0))
        await settled(b)
        assert b.messages() == []
        assert cluster.sessions["a"].queue_length == 50


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("action", ["ignore", "disconnect"])
@LEVELS
async def test_a_denied_publish_is_answered_as_recorded(cluster: Cluster, level: int, action: str, qos: int) -> None:
    deny(cluster, action)
    async with client(cluster, level=level) as one:
        await one.connack()
        one.raw.clear()
        one.send(Publish("secret", b"x", qos, packet_id=1 if qos else None))
        if action == "disconnect":
            await one.fin()
            assert one.raw.hex() == ("e0028700" if level == 5 else "")
            return
        await settled(one)
        wanted = {4: ["", "40020001", "50020001"], 5: ["", "400400018700", "500400018700"]}[level][qos]
        assert one.raw.hex() == wanted + "d000"


@pytest.mark.parametrize("action", ["ignore", "disconnect"])
@LEVELS
async def test_a_denied_subscribe_is_answered_as_recorded(cluster: Cluster, level: int, action: str) -> None:
    deny(cluster, action)
    async with client(cluster, level=level) as one:
        await one.connack()
        one.raw.clear()
        one.send(Subscribe(1, (Subscription("secret", 1),)))
        if action == "disconnect":
            await one.fin()
        else:
            await one.next(Suback)
        assert one.raw.hex() == {"ignore": "9003000180" if level == 4 else "900400010087", "disconnect": ""}[action]


async def test_a_superuser_passes_every_rule(cluster: Cluster) -> None:
    guard(cluster, "root", superuser=True)
    deny(cluster, "ignore")
    async with client(cluster, username="root", password=b"rootpw") as one:
        await one.subscribe("secret")
        assert (await one.next(Suback)).reasons == (1,)


async def test_delayed_auto_subscribed_and_rewritten_topics(cluster: Cluster, clock: Time) -> None:
    cluster.store.put("auto_subscribe", {"topics": [{"topic": "auto/${clientid}", "qos": 1}]})
    cluster.store.put(
        "rewrite", [{"action": "publish", "source_topic": "old/#", "re": "^old/(.+)$", "dest_topic": "auto/$1"}]
    )
    async with client(cluster) as one:
        await one.connack()
        one.send(Publish("old/c", b"now", 1, packet_id=1), Publish("$delayed/900/auto/c", b"later", 1, packet_id=2))
        assert (await one.next(Publish)).payload == b"now"
        await settled(one)
        assert [row.interval for row in cluster.store.delayed.values()] == [900]
        clock.ahead += 901
        assert (await one.next(Publish)).payload == b"later"
        assert cluster.store.delayed == {}


async def test_a_topic_alias_stands_for_its_topic(cluster: Cluster) -> None:
    async with client(cluster, level=5) as one:
        await one.connack()
        await one.subscribe("t")
        await one.next(Suback)
        one.send(
            Publish("t", b"1", properties={Property.TOPIC_ALIAS: 5}),
            Publish("", b"2", properties={Property.TOPIC_ALIAS: 5}),
        )
        found = [await one.next(Publish), await one.next(Publish)]
        assert [(message.topic, message.payload, message.properties) for message in found] == [
            ("t", b"1", {}),
            ("t", b"2", {}),
        ]
        one.send(Publish("", b"3", properties={Property.TOPIC_ALIAS: 6}))
        assert (await one.next(Disconnect)).reason == 0x82


async def test_the_brokers_say_who_they_are_in_seven_retained_messages(cluster: Cluster) -> None:
    assert len(cluster.store.retained) == 7
    names = cluster.store.retained["$SYS/brokers"].payload.decode()
    assert names == ",".join(cluster.nodes)
    assert cluster.store.retained[f"$SYS/brokers/{node(cluster).name}/version"].payload == b"5.8.11"
