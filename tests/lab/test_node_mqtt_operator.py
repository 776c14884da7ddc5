"""What an operator does to lab nodes, as clients see it: kicks, evictions, stops, deaths, listeners, restarts (docs/emqx/moving.md)."""

from __future__ import annotations

import pytest

from components.mqtt import Connect, Property, Publish, Suback, Will, encode
from lab.node.broker.cluster import Cluster
from lab.node.kept.message import Message
from tests.lab.node_mqtt_bed import LEVELS, client, node, persistent, raw, settled
from tests.lab.node_mqtt_client import Time, seen

pytestmark = pytest.mark.lab


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
