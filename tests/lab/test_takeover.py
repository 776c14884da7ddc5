"""A session that moves to another node of its cluster, kind by kind as recorded: B1_close_kinds_ce, B1_takeover_open_ce, B3_evacuate_all_old_ee."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.mqtt import Connect, Disconnect, Property, Publish, Suback
from components.mqtt.packets import Will
from lab.node.broker.cluster import Cluster
from lab.node.kept.message import Message
from tests.lab.membership_bed import RIGHT, lines
from tests.lab.node_mqtt_bed import client, node, persistent, settled
from tests.lab.node_mqtt_client import RawClient, Time, seen
from tests.lab.recordings.passing import Passing

pytestmark = pytest.mark.lab

RECORDINGS = Path(__file__).parent / "recordings"
CLOSED: list[dict[str, Any]] = json.loads((RECORDINGS / "B1_close_kinds_ce.json").read_text())
OPEN: list[dict[str, Any]] = json.loads((RECORDINGS / "B1_takeover_open_ce.json").read_text())
OPEN_AND_READING = [row for row in OPEN if row["test"] == "takeover of an open connection"]
LATER_SECONDS = 40.0


def kind_of(words: str) -> dict[str, Any]:
    """The CONNECT of a recorded kind: ``v5 cleanstart exp600 will+delay3`` and the like."""
    level, clean = (5 if "v5" in words else 4), "clean" in words
    expiry = 600 if level == 5 and ("persistent" in words or "exp600" in words) else 0
    delay = int(words.partition("+delay")[2] or 0)
    properties: dict[int, Any] = {Property.WILL_DELAY: delay} if delay else {}
    will = Will("will", b"x", properties=properties) if "will" in words else None
    session = {Property.SESSION_EXPIRY: expiry} if expiry else {}
    return {"level": level, "clean_start": clean, "properties": session, "will": will}


@pytest.mark.parametrize("row", CLOSED, ids=lambda row: " ".join(row["kind"]))
async def test_a_closed_connection_s_session_and_will_are_as_recorded_of_its_kind(
    cluster: Cluster, clock: Time, row: dict[str, Any]
) -> None:
    kind = kind_of(" ".join(row["kind"]))
    async with client(cluster, "watch") as watch:
        await watch.subscribe("will")
        await watch.next(Suback)
        async with client(cluster, "dev", 1, **kind) as old:
            await old.connack()
        await seen(lambda: "dev" not in cluster.sessions or not cluster.sessions["dev"].connected)
        await settled(watch)
        at_once = len(watch.messages())
        async with client(cluster, "dev", 2, **{**kind, "will": None}) as new:
            assert int((await new.connack()).session_present) == row["session_present"][0]
            assert [*cluster.registry.on(node(cluster, 2))] == ["dev"]
            clock.ahead += LATER_SECONDS
            cluster.tick()
            await settled(watch)
            assert len(watch.messages()) == row["will"] / row["n"]
            with_the_reconnect = "cleanstart" in row["kind"][0] and "delay" in row["kind"][1]
            assert at_once == (0 if with_the_reconnect else row["will"] / row["n"])


@pytest.mark.parametrize("row", OPEN_AND_READING, ids=lambda row: str(row["kind"]))
async def test_an_open_connection_is_thrown_off_and_its_session_and_will_are_as_recorded(
    cluster: Cluster, clock: Time, row: dict[str, Any]
) -> None:
    kind = kind_of(row["kind"])
    async with client(cluster, "watch") as watch, client(cluster, "dev", 1, **kind) as old:
        await watch.subscribe("will")
        await watch.next(Suback)
        await old.connack()
        async with client(cluster, "dev", 2, **{**kind, "will": None}) as new:
            assert int((await new.connack()).session_present) == row["new"][0][3]
            if row["old_got"][0] == ["disconnect", 0x8E]:
                assert (await old.next(Disconnect)).reason == 0x8E
            await old.fin()
            clock.ahead += LATER_SECONDS
            cluster.tick()
            await settled(watch)
            assert len(watch.messages()) == (row["will_at"] is not None)


@pytest.mark.parametrize("level", [4, 5])
async def test_what_was_queued_and_in_flight_comes_in_order_on_the_other_node(cluster: Cluster, level: int) -> None:
    async with client(cluster, "dev", 1, **persistent(level)) as old:
        await old.subscribe("t")
        await old.next(Suback)
        for number in range(3):
            cluster.publish(Message("t", b"%d" % number, 1))
            await old.next(Publish)
    await seen(lambda: not cluster.sessions["dev"].connected)
    for number in range(3, 6):
        cluster.publish(Message("t", b"%d" % number, 1))
    async with client(cluster, "dev", 3, **persistent(level)) as new:
        assert (await new.connack()).session_present
        found = [await new.next(Publish) for _ in range(6)]
        assert [message.payload for message in found] == [b"%d" % number for number in range(6)]
        assert [message.dup for message in found] == [True] * 3 + [False] * 3


async def test_a_hole_in_a_take_over_is_there_only_where_it_is_asked_for_and_is_counted(cluster: Cluster) -> None:
    publisher, dropped = node(cluster, 3), "messages.dropped.no_subscribers"
    for name in ("one", "two"):
        async with client(cluster, name, 1, **persistent(5)) as old:
            await old.subscribe(name)
            await old.next(Suback)
    await seen(lambda: not any(session.connected for session in cluster.sessions.values()))
    node(cluster, 2).route_hole = 60.0
    async with client(cluster, "one", 2, **persistent(5)):
        await seen(lambda: not cluster.sessions["one"].subscriptions)
        assert cluster.publish(Message("one", b"lost", 1), publisher) == 0
        assert publisher.metrics[dropped] == 1
    node(cluster, 2).route_hole = 0.01
    async with client(cluster, "two", 2, **persistent(5)) as new:
        assert (await new.connack()).session_present
        assert cluster.publish(Message("two", b"kept", 1), publisher) == 1
        assert (await new.next(Publish)).payload == b"kept"
    async with client(cluster, "two", 3, **persistent(5)) as last:
        assert (await last.connack()).session_present
        assert cluster.publish(Message("two", b"kept", 1), publisher) == 1
    assert publisher.metrics[dropped] == 1


async def test_sessions_of_offline_clients_follow_to_nodes_of_another_version_and_outlive_their_node(
    cluster: Cluster,
) -> None:
    old, new = node(cluster, 1), node(cluster, 3)
    async with client(cluster, "dev", 1, **persistent(5)) as device:
        await device.subscribe("t")
        await device.next(Suback)
        cluster.publish(Message("t", b"in flight", 1))
        await device.next(Publish)
    await seen(lambda: not cluster.sessions["dev"].connected)
    cluster.publish(Message("t", b"before", 1))
    assert old.move_sessions(5, [new]) == 1
    cluster.publish(Message("t", b"after", 1))
    await old.stop()
    async with client(cluster, "dev", 3, **persistent(5)) as device:
        assert (await device.connack()).session_present
        found = [(await device.next(Publish)).payload for _ in range(3)]
        assert found == [b"in flight", b"before", b"after"]


async def test_old_nodes_that_are_evacuated_together_leave_all_sessions_to_nodes_of_another_version(
    tmp_path: Path,
) -> None:
    """B3_evacuate_all_old_ee: phases, and nothing lost when every old node is `prohibiting` and stops."""
    async with lines(tmp_path, version="5.8.10", edition="ee", max_sessions=0) as bed:
        (green,) = await bed.join(version="5.8.11", edition="ee", nodes=1, max_sessions=0)
        old, cluster = bed.blue.names()[:2], bed.blue.cluster
        time, evacuations = Passing(cluster.clock()), bed.blue.evacuations
        evacuations.clock, evacuations.sleep = time, time.sleep
        login: dict[str, Any] = {"username": RIGHT[0], "password": RIGHT[1].encode()}
        for index, name in enumerate(old, 1):
            async with client(cluster, name, index, **persistent(5), **login) as device:
                await device.subscribe(f"t/{index}")
                await device.next(Suback)
        await seen(lambda: not any(session.connected for session in cluster.sessions.values()))
        body = {
            "wait_health_check": 2,
            "conn_evict_rate": 2,
            "sess_evict_rate": 1,
            "wait_takeover": 3,
            "migrate_to": [green],
        }
        for name in old:
            assert (await bed.call(bed.first, "POST", f"/load_rebalance/{name}/evacuation/start", body))[0] == 200
        for seconds, state in ((1, "waiting_health_check"), (3, "waiting_takeover"), (6, "prohibiting")):
            await time.until(time() + seconds)
            for name in old:
                status = await bed.get(name, "/load_rebalance/status")
                assert (status["state"], status["session_recipients"]) == (state, [green])
        assert {session.node.name for session in cluster.sessions.values()} == {green}
        for index, name in enumerate(old, 1):
            cluster.publish(Message(f"t/{index}", b"queued", 1))
            await bed.membership.stop_node(name)
        for name in old:
            connect = Connect(name, keep_alive=0, **persistent(5), **login)
            async with RawClient((green.partition("@")[2], 1883), connect) as device:
                assert (await device.connack()).session_present
                assert (await device.next(Publish)).payload == b"queued"
