"""Sessions and wills over three lab nodes: what is queued, resumed, sent again, expired, and published when a client is gone (docs/emqx/sessions.md)."""

from __future__ import annotations

import pytest

from components.mqtt import Disconnect, Property, Puback, Publish, Pubrec, Pubrel, Suback, Subscribe, Subscription, Will
from lab.node.broker.cluster import Cluster
from lab.node.kept.message import Message
from tests.lab.node_mqtt_bed import LEVELS, client, guard, node, persistent, settled
from tests.lab.node_mqtt_client import Time, seen

pytestmark = pytest.mark.lab


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
    """docs/emqx/sessions.md#a-session-made-for-a-client: another account, MQTT 5, another node, then the device itself with 3.1.1."""
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
