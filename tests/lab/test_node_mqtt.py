"""A cluster of three lab nodes as real clients see it: packets, reason codes, sessions over nodes (behaviour.md, two-cluster.md C, D, E, F, I)."""

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
    Pingreq,
    Pingresp,
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
    Will,
    encode,
)
from lab.node.broker import BrokerNode, ConnectFault
from lab.node.cluster import Cluster
from lab.node.message import Message
from lab.node.passwords import new_user
from lab.node.records import AclRule, Ban
from lab.node.store import PASSWORD_ID
from tests.lab.node_bed import PASSWORD, SHA256, serving
from tests.lab.node_mqtt_client import PATIENCE_SECONDS, RawClient, Time, seen

pytestmark = pytest.mark.lab

LEVELS = pytest.mark.parametrize("level", [4, 5])


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def cluster(clock: Time) -> AsyncIterator[Cluster]:
    async with serving(3, clock=clock) as made:
        yield made


def node(cluster: Cluster, index: int = 1) -> BrokerNode:
    return list(cluster.nodes.values())[index - 1]


def client(cluster: Cluster, client_id: str = "c", index: int = 1, **more: Any) -> RawClient:
    return RawClient((node(cluster, index).ip, 1883), Connect(client_id, **{"keep_alive": 0, **more}))


def raw(cluster: Cluster, first: bytes, level: int = 4, index: int = 1) -> RawClient:
    return RawClient((node(cluster, index).ip, 1883), Connect(level=level), first)


def persistent(level: int) -> dict[str, Any]:
    return {"level": level, "clean_start": False, "properties": {Property.SESSION_EXPIRY: 3600} if level == 5 else {}}


async def settled(one: RawClient) -> None:
    """Wait until everything that the server sent before now has come."""
    one.send(Pingreq())
    await one.next(Pingresp)


# -- CONNECT ---------------------------------------------------------------------------------------------------------------------


def guard(cluster: Cluster, user: str = "alice", *, superuser: bool = False) -> None:
    cluster.store.put("authentication", [PASSWORD])
    users = cluster.store.authn_users.setdefault(PASSWORD_ID, {})
    users[user] = new_user(SHA256, user, f"{user}pw", superuser, Random(1))


@pytest.mark.parametrize(
    ("username", "password", "v4", "v5"),
    [
        ("alice", b"alicepw", "20020000", "20160000"),
        ("alice", b"wrong", "20020004", "2003008600"),
        ("nobody", b"x", "20020005", "2003008700"),
        (None, None, "20020004", "2003008600"),
        ("alice", None, "20020004", "2003008600"),
    ],
)
async def test_connack_has_the_recorded_code_and_a_refusal_ends_with_fin(
    cluster: Cluster, username: str | None, password: bytes | None, v4: str, v5: str
) -> None:
    guard(cluster)
    for level, wanted in ((4, v4), (5, v5)):
        async with client(cluster, level=level, username=username, password=password) as one:
            await one.connack()
            assert one.raw.hex().startswith(wanted)
            if not wanted.startswith(("20020000", "2016")):
                await one.fin()
                assert one.raw.hex() == wanted


async def test_the_counters_of_connects_move_as_recorded(cluster: Cluster) -> None:
    guard(cluster)
    cluster.store.banned["clientid", "bad"] = Ban("clientid", "bad")
    refused = {
        "client.connect",
        "client.connack",
        "packets.connect.received",
        "packets.received",
        "packets.connack.sent",
        "packets.sent",
        "packets.connack.error",
    }
    login = {"client.authenticate", "authentication.failure", "packets.connack.auth_error"}
    metrics = node(cluster).metrics
    for connect, moved in (
        (Connect("x", username="alice", password=b"no"), refused | login),
        (Connect("bad", username="alice", password=b"alicepw"), refused),
        (Connect("x", level=6), refused),
    ):
        before = dict(metrics)
        async with RawClient((node(cluster).ip, 1883), connect) as one:
            await one.fin()
        names = {name for name in metrics if metrics[name] != before[name] and not name.startswith("bytes.")}
        assert names == moved


@LEVELS
async def test_banned_evacuating_and_licence_have_their_codes(cluster: Cluster, level: int) -> None:
    async def answer(client_id: str) -> str:
        async with client(cluster, client_id, level=level) as one:
            await one.fin()
            return one.raw.hex()

    cluster.store.banned["clientid", "bad"] = Ban("clientid", "bad")
    assert await answer("bad") == ("20020005" if level == 4 else "2003008a00")
    node(cluster).refuse_connects()
    assert await answer("c") == ("20020003" if level == 4 else "2003009c00")
    node(cluster).refuse_connects("127.0.1.1:1883 127.0.1.3:1883")
    assert await answer("c") == (
        "20020003" if level == 4 else "2023009c201c001d3132372e302e312e313a31383833203132372e302e312e333a31383833"
    )
    node(cluster).accept_connects()
    cluster.licence.max_sessions, cluster.licence.seen = 25, 25
    assert await answer("c") == ("20020003" if level == 4 else "2003009700")


async def test_the_licence_counts_with_its_lag(cluster: Cluster, clock: Time) -> None:
    cluster.licence.max_sessions, cluster.licence._due = 2, clock() + 1000
    clients = [await client(cluster, f"c{index}").open() for index in range(4)]
    assert [(await one.connack()).reason for one in clients] == [0, 0, 0, 0]
    clock.ahead += 1001
    await seen(lambda: cluster.licence.seen == 4)
    async with client(cluster, "late") as late:
        assert (await late.connack()).reason == 3
    for one in clients:
        await one.drop()


async def test_a_booting_node_lets_everybody_in_and_then_nobody(cluster: Cluster) -> None:
    guard(cluster)
    right: dict[str, Any] = {"username": "alice", "password": b"alicepw"}
    for phase, wrong_code, right_code in (
        ("open", "20020000", "20020000"),
        ("shut", "20020005", "20020005"),
        ("ready", "20020004", "20020000"),
    ):
        node(cluster).auth_phase = phase  # type: ignore[assignment]
        for more, wanted in ((dict[str, Any](), wrong_code), (right, right_code)):
            async with client(cluster, **more) as one:
                await one.connack()
                assert one.raw.hex() == wanted


async def test_an_empty_client_id_gets_sixteen_characters(cluster: Cluster) -> None:
    async with client(cluster, "", level=5) as one:
        assigned = (await one.connack()).properties[Property.ASSIGNED_CLIENT_ID]
        assert len(assigned) == 16
        assert assigned.isalnum()
        assert assigned in cluster.sessions
    async with client(cluster, "", clean_start=False) as one:
        assert (await one.connack()).reason == 2


async def test_bridges_and_the_oldest_protocol_are_accepted(cluster: Cluster) -> None:
    for more in ({"bridge": True}, {"level": 3}, {"level": 3, "bridge": True}):
        async with client(cluster, **more) as one:
            assert (await one.connack()).reason == 0
            assert cluster.sessions["c"].proto_name == ("MQIsdp" if more.get("level") == 3 else "MQTT")


async def test_more_packets_in_the_connects_own_segment_are_handled_in_order(cluster: Cluster) -> None:
    connect = Connect("prepared", clean_start=False, level=5, properties={Property.SESSION_EXPIRY: 3600})
    segment = encode(connect) + encode(Subscribe(1, (Subscription("cmd/prepared", 1),)), 5) + encode(Disconnect(), 5)
    async with raw(cluster, segment, 5) as one:
        await one.fin()
        assert [type(packet) for packet in one.got] == [Connack, Suback]
    assert list(cluster.sessions["prepared"].subscriptions) == ["cmd/prepared"]


async def test_a_connect_fault_delays_and_refuses(cluster: Cluster) -> None:
    node(cluster).fault = ConnectFault(reason=0x97, delay_seconds=0.05)
    async with raw(cluster, encode(Connect("c", level=5)) + encode(Pingreq(), 5), 5) as one:
        await one.fin()
        assert one.raw.hex() == "2003009700"


@pytest.mark.parametrize("junk", ["ffff", "c000", "100c00044d", "474554202f20"])
async def test_what_is_no_connect_is_closed_or_times_out(cluster: Cluster, clock: Time, junk: str) -> None:
    async with raw(cluster, bytes.fromhex(junk)) as one:
        await seen(lambda: bool(node(cluster).channels) or one.ended.is_set())
        clock.ahead += 16
        await one.fin()
        assert one.raw == b""


async def test_a_second_connect_and_a_malformed_packet_end_the_connection(cluster: Cluster) -> None:
    for junk, wanted in ((encode(Connect("c", level=5)), "e0028200"), (b"\x36\x00", "e0028100")):
        async with client(cluster, level=5) as one:
            await one.connack()
            one.raw.clear()
            one.writer.write(junk)
            await one.fin()
            assert one.raw.hex() == wanted


# -- publish and subscribe -------------------------------------------------------------------------------------------------------


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


def deny(cluster: Cluster, action: str) -> None:
    cluster.store.merge(
        "authorization", {"sources": [{"type": "built_in_database", "enable": True}], "deny_action": action}
    )
    cluster.store.acl_all = [AclRule("secret", "deny", "all")]


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


# -- sessions --------------------------------------------------------------------------------------------------------------------


@LEVELS
async def test_a_persistent_session_queues_and_is_resumed_on_another_node(cluster: Cluster, level: int) -> None:
    async with client(cluster, "dev", 1, **persistent(level)) as one:
        assert (await one.connack()).session_present is False
        await one.subscribe("cmd/dev", qos=1)
        await one.next(Suback)
        await one.bye()
    cluster.publish(Message("cmd/dev", b"queued", 1))
    assert cluster.sessions["dev"].queue_length == 1
    async with client(cluster, "dev", 3, **persistent(level)) as one:
        assert (await one.connack()).session_present is True
        found = await one.next(Publish)
        assert (found.payload, found.qos, found.dup) == (b"queued", 1, False)
        assert cluster.sessions["dev"].node is node(cluster, 3)
        assert "dev" not in node(cluster, 1).sessions


async def test_what_was_not_acknowledged_is_sent_again_with_dup(cluster: Cluster) -> None:
    async with client(cluster, "dev", **persistent(4)) as one:
        await one.subscribe("t", qos=2)
        await one.next(Suback)
        cluster.publish(Message("t", b"1", 1))
        cluster.publish(Message("t", b"2", 2))
        first, second = await one.next(Publish), await one.next(Publish)
        one.send(Pubrec(second.packet_id or 0))
        await one.next(Pubrel)
    await seen(lambda: not cluster.sessions["dev"].connected)
    async with client(cluster, "dev", **persistent(4)) as one:
        again = await one.next(Publish)
        assert (again.packet_id, again.payload, again.dup) == (first.packet_id, b"1", True)
        assert (await one.next(Pubrel)).packet_id == second.packet_id
        await settled(one)
        assert one.messages() == []


async def test_the_window_and_the_queue_have_their_limits(cluster: Cluster) -> None:
    cluster.store.merge("mqtt", {"max_mqueue_len": 3})
    properties = {Property.RECEIVE_MAXIMUM: 2, Property.SESSION_EXPIRY: 60}
    async with client(cluster, "dev", level=5, clean_start=False, properties=properties) as one:
        await one.subscribe("t", qos=1)
        await one.next(Suback)
        for index in range(7):
            cluster.publish(Message("t", str(index).encode(), 1))
        await settled(one)
        assert [message.payload for message in one.messages()] == [b"0", b"1"]
        assert node(cluster).metrics["delivery.dropped.queue_full"] == 2
        one.send(*(Puback(message.packet_id or 0) for message in one.messages()))
        await settled(one)
        assert [message.payload for message in one.messages()] == [b"0", b"1", b"4", b"5"]


@LEVELS
async def test_a_session_ends_when_its_expiry_is_over(cluster: Cluster, clock: Time, level: int) -> None:
    async with client(cluster, "dev", **persistent(level)) as one:
        await one.connack()
        await one.bye()
    assert cluster.sessions["dev"].expiry == (7200 if level == 4 else 3600)
    clock.ahead += cluster.sessions["dev"].expiry + 1
    await seen(lambda: "dev" not in cluster.sessions)


async def test_a_message_that_expired_in_the_queue_is_not_delivered(cluster: Cluster, clock: Time) -> None:
    async with client(cluster, "dev", **persistent(5)) as one:
        await one.subscribe("t", qos=1)
        await one.next(Suback)
        await one.bye()
    for seconds in (10, 100):
        cluster.publish(Message("t", str(seconds).encode(), 1, properties={Property.MESSAGE_EXPIRY: seconds}))
    clock.ahead += 50
    async with client(cluster, "dev", **persistent(5)) as one:
        found = await one.next(Publish)
        assert found.payload == b"100"
        assert 1 <= found.properties[Property.MESSAGE_EXPIRY] <= 50


@LEVELS
async def test_a_client_that_connects_twice_is_thrown_off_on_the_other_node(cluster: Cluster, level: int) -> None:
    async with client(cluster, "dev", 1, **persistent(level)) as old:
        await old.subscribe("t", qos=1)
        await old.next(Suback)
        old.raw.clear()
        async with client(cluster, "dev", 2, **persistent(level)) as new:
            assert (await new.connack()).session_present is True
            await old.fin()
            assert old.raw.hex() == ("e0028e00" if level == 5 else "")
            cluster.publish(Message("t", b"x", 1))
            assert (await new.next(Publish)).payload == b"x"
            assert (node(cluster, 1).live_connections, node(cluster, 2).live_connections) == (0, 1)


async def test_a_clean_start_leaves_nothing_of_a_prepared_session(cluster: Cluster) -> None:
    async with client(cluster, "dev", **persistent(5)) as maker:
        await maker.subscribe("cmd/dev")
        await maker.next(Suback)
        await maker.bye()
    async with client(cluster, "dev") as device:
        assert (await device.connack()).session_present is False
        assert cluster.sessions["dev"].subscriptions == {}
        await device.bye()
    await seen(lambda: "dev" not in cluster.sessions)


async def test_a_session_can_be_made_for_a_device_that_has_not_come_yet(cluster: Cluster) -> None:
    """behaviour.md section 12: another account, MQTT 5, another node, then the device itself with 3.1.1."""
    guard(cluster, "maker", superuser=True)
    guard(cluster, "alice")
    maker = {**persistent(5), "username": "maker", "password": b"makerpw"}
    async with client(cluster, "dev", 1, **maker) as one:
        one.send(Subscribe(1, (Subscription("cmd/dev", 1, retain_handling=2),)))
        await one.next(Suback)
        await one.bye()
    cluster.publish(Message("cmd/dev", b"command", 1))
    device = {"clean_start": False, "username": "alice", "password": b"alicepw"}
    async with client(cluster, "dev", 2, **device) as one:
        assert (await one.connack()).session_present is True
        assert (await one.next(Publish)).payload == b"command"
        session = cluster.sessions["dev"]
        assert (session.username, session.expiry, session.level, session.is_superuser) == ("alice", 7200, 4, False)


async def test_a_silent_client_is_closed_after_one_and_a_half_keep_alives(cluster: Cluster, clock: Time) -> None:
    async with (
        client(cluster, level=5, keep_alive=100, will=Will("will", b"gone")) as one,
        client(cluster, "watch") as watch,
    ):
        await watch.subscribe("will")
        await watch.next(Suback)
        await one.connack()
        clock.ahead += 100
        await settled(one)
        clock.ahead += 151
        assert (await one.next(Disconnect)).reason == 0x8D
        assert (await watch.next(Publish)).payload == b"gone"


# -- wills -----------------------------------------------------------------------------------------------------------------------


async def test_a_will_is_published_when_the_connection_is_lost_and_not_after_disconnect(cluster: Cluster) -> None:
    async with client(cluster, "watch") as watch:
        await watch.subscribe("will/#")
        await watch.next(Suback)
        for index, reason in enumerate((0x00, 0x04)):
            async with client(cluster, f"bye{index}", level=5, will=Will(f"will/bye{index}", b"x")) as one:
                await one.connack()
                one.send(Disconnect(reason))
                await one.fin()
        async with client(cluster, "lost", will=Will("will/lost", b"x", 1, retain=True)) as one:
            await one.connack()
        found = [await watch.next(Publish), await watch.next(Publish)]
        assert [message.topic for message in found] == ["will/bye1", "will/lost"]
        assert cluster.store.retained["will/lost"].payload == b"x"


async def test_a_will_waits_for_its_delay_and_is_dropped_when_the_client_is_back(cluster: Cluster, clock: Time) -> None:
    will = Will("will", b"x", properties={Property.WILL_DELAY: 30})
    async with client(cluster, "watch") as watch:
        await watch.subscribe("will")
        await watch.next(Suback)
        for back, wanted in ((True, 0), (False, 1)):
            async with client(cluster, "dev", will=will, **persistent(5)) as one:
                await one.connack()
            await seen(lambda: not cluster.sessions["dev"].connected)
            if back:
                async with client(cluster, "dev", **persistent(5)) as one:
                    await one.connack()
                    await one.bye()
            clock.ahead += 31
            cluster.tick()
            await settled(watch)
            assert len(watch.messages()) == wanted


# -- what the operator does ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stays", [False, True])
@LEVELS
async def test_a_kick_ends_the_session_and_publishes_the_will_at_once(
    cluster: Cluster, level: int, stays: bool
) -> None:
    will = Will("will", b"x", properties={Property.WILL_DELAY: 30} if level == 5 else {})
    more = {**persistent(level), "clean_start": not stays}
    async with client(cluster, "watch") as watch, client(cluster, "dev", 2, will=will, **more) as one:
        await watch.subscribe("will")
        await watch.next(Suback)
        await one.connack()
        one.raw.clear()
        assert cluster.kick("dev")
        await one.fin()
        assert one.raw.hex() == ("e0029800" if level == 5 else "")
        assert (await watch.next(Publish)).payload == b"x"
    assert "dev" not in cluster.sessions
    assert not cluster.kick("dev")
    async with client(cluster, "dev", 1, **persistent(level)) as one:
        assert (await one.connack()).session_present is False


@LEVELS
async def test_an_eviction_keeps_the_session_and_moves_it(cluster: Cluster, level: int) -> None:
    will = Will("will", b"x", properties={Property.WILL_DELAY: 30} if level == 5 else {})
    async with client(cluster, "watch", 3) as watch:
        await watch.subscribe("will")
        await watch.next(Suback)
        async with client(cluster, "dev", 1, will=will, **persistent(level)) as one:
            await one.subscribe("cmd/dev")
            await one.next(Suback)
            one.raw.clear()
            node(cluster).refuse_connects()
            assert node(cluster).evict(10) == 1
            await one.fin()
            assert one.raw.hex() == ("e0029c00" if level == 5 else "")
        assert (await watch.next(Publish)).payload == b"x"
    assert (node(cluster).live_connections, node(cluster).connections) == (0, 1)
    cluster.publish(Message("cmd/dev", b"queued", 1))
    assert node(cluster).move_sessions(10, [node(cluster)]) == 0
    assert node(cluster).move_sessions(10, [node(cluster, 2), node(cluster, 3)]) == 1
    assert node(cluster).connections == 0
    async with client(cluster, "dev", 3, **persistent(level)) as one:
        assert (await one.connack()).session_present is True
        assert (await one.next(Publish)).payload == b"queued"


async def test_an_eviction_names_the_other_servers_when_it_is_told_them(cluster: Cluster) -> None:
    async with client(cluster, level=5) as one:
        await one.connack()
        one.raw.clear()
        node(cluster).evict(1, "127.0.1.1:1883 127.0.1.3:1883")
        await one.fin()
        assert one.raw.hex() == "e0229c201c001d3132372e302e312e313a31383833203132372e302e312e333a31383833"
    assert cluster.sessions == {}


async def test_an_orderly_stop_is_a_bare_fin_and_a_death_loses_the_sessions_of_that_node_only(cluster: Cluster) -> None:
    for ending in ("stop", "die"):
        one = await client(cluster, "dev", 1, **persistent(5)).open()
        other = await client(cluster, "other", 2, **persistent(5)).open()
        await one.connack()
        await other.connack()
        one.raw.clear()
        await getattr(node(cluster), ending)()
        await one.fin()
        assert one.raw == b""
        assert set(cluster.sessions) == {"other"}
        with pytest.raises(ConnectionRefusedError):
            await client(cluster, "again", 1).open()
        await node(cluster).start()
        again = await client(cluster, "dev", 1, **persistent(5)).open()
        assert (await again.connack()).session_present is False
        for each in (one, other, again):
            await each.drop()
        cluster.kick("dev")


async def test_the_numbers_are_live_and_the_gauges_are_late(cluster: Cluster, clock: Time) -> None:
    async with client(cluster, "a", 2, **persistent(5)) as one, client(cluster, "b", 2) as two:
        await one.connack()
        await two.connack()
        assert (node(cluster, 2).live_connections, node(cluster, 2).connections) == (2, 2)
        clock.ahead += 3
        await seen(lambda: node(cluster, 2).stats()["live_connections.count"] == 2)
        cluster._stats_due = float("inf")  # no new picture while we look
    await seen(lambda: node(cluster, 2).live_connections == 0)
    assert node(cluster, 2).connections == 1
    assert node(cluster, 2).stats()["live_connections.count"] == 2
    assert node(cluster, 2).live_stats()["live_connections"] == 0


async def test_the_brokers_say_who_they_are_in_seven_retained_messages(cluster: Cluster) -> None:
    assert len(cluster.store.retained) == 7
    names = cluster.store.retained["$SYS/brokers"].payload.decode()
    assert names == ",".join(cluster.nodes)
    assert cluster.store.retained[f"$SYS/brokers/{node(cluster).name}/version"].payload == b"5.8.11"


async def test_behind_a_balancer_the_broker_sees_the_devices_address(cluster: Cluster) -> None:
    one = node(cluster, 3)
    await one.stop_listener("tcp:default")
    cluster.store.merge("listeners", {"tcp": {"default": {"proxy_protocol": True}}})
    await one.start_listener("tcp:default")
    header = b"PROXY TCP4 10.1.2.3 10.0.0.1 4711 1883\r\n"
    async with raw(cluster, header + encode(Connect("dev")), index=3) as device:
        await device.connack()
        assert cluster.sessions["dev"].peer == ("10.1.2.3", 4711)
    async with client(cluster, "plain", 3) as plain:
        await plain.fin()
        assert plain.raw == b""


async def test_what_a_shared_subscriber_did_not_finish_goes_to_another_when_its_session_ends(cluster: Cluster) -> None:
    async with client(cluster, "a", 1, **persistent(5)) as a, client(cluster, "b", 2) as b:
        await a.subscribe("$share/g/t", qos=2)
        await a.next(Suback)
        for qos, payload in ((1, b"in flight"), (2, b"in flight, for nobody else")):
            cluster.publish(Message("t", payload, qos))
            await a.next(Publish)
        await a.drop()
        await seen(lambda: not cluster.sessions["a"].connected)
        cluster.publish(Message("t", b"queued", 1))
        await b.subscribe("$share/g/t", qos=2)
        await b.next(Suback)
        cluster.kick("a")
        assert [(await b.next(Publish)).payload, (await b.next(Publish)).payload] == [b"in flight", b"queued"]
        await settled(b)
        assert b.messages() == []


async def test_delayed_messages_and_retained_ones_survive_a_restart_of_the_whole_cluster(
    cluster: Cluster, clock: Time
) -> None:
    cluster.publish(Message("$delayed/60/later", b"x", 1))
    cluster.publish(Message("r", b"kept", 1, retain=True))
    again = Cluster("blue", cluster.store, clock=clock, licence_max_sessions=None)
    await cluster.stop()
    for name in cluster.nodes:
        await again.add_node(name.removeprefix("emqx@")).start()
    try:
        async with client(again) as one:
            await one.subscribe("later", "r")
            assert (await one.next(Publish)).payload == b"kept"
            clock.ahead += 61
            assert (await one.next(Publish)).payload == b"x"
    finally:
        await again.stop()


async def test_a_listener_can_be_closed_and_opened_while_others_serve(cluster: Cluster) -> None:
    async with client(cluster, "here", 1) as one, client(cluster, "there", 2) as other:
        await one.connack()
        await other.connack()
        assert await node(cluster).stop_listener("tcp:default")
        await one.fin()
        assert not await node(cluster).stop_listener("tcp:default")
        with pytest.raises(ConnectionRefusedError):
            await client(cluster, "here", 1).open()
        assert await node(cluster).start_listener("tcp:default")
        assert not await node(cluster).start_listener("tcp:default")
        async with client(cluster, "here", 1) as again:
            assert (await again.connack()).reason == 0
        await settled(other)


async def test_a_kick_counts_for_flapping_detection(cluster: Cluster) -> None:
    cluster.store.put("flapping_detect", {"enable": True, "max_count": 2, "window_time": "1m", "ban_time": "5m"})
    for wanted in (0, 0, 5):
        async with client(cluster, "dev") as one:
            assert (await one.connack()).reason == wanted
            cluster.kick("dev")
            await one.fin()
