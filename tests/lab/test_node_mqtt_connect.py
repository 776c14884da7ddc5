"""CONNECT as real clients see it: CONNACK codes, counters, bans, the licence, a booting node, junk (docs/emqx/probes.md, docs/emqx/cluster.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.mqtt import Connack, Connect, Disconnect, Pingreq, Property, Suback, Subscribe, Subscription, encode
from lab.node.broker.cluster import Cluster
from lab.node.broker.member import ConnectFault
from lab.node.kept.records import Ban
from tests.lab.node_mqtt_bed import LEVELS, client, guard, node, raw
from tests.lab.node_mqtt_client import RawClient, Time, seen

pytestmark = pytest.mark.lab


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
    for one_node in cluster.nodes.values():
        one_node.terms = replace(one_node.terms, edition="ee", max_sessions=2)
    cluster.licence._due = clock() + 1000
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
