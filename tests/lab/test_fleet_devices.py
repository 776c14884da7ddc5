"""The devices against a broker that disturbs them: what happens to them is what they record, in reason, gap and messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.mqtt import Property
from lab.fleet.fleet import Fleet
from lab.fleet.mixture import only
from lab.fleet.settings import FleetError, FleetSettings
from tests.lab.fleet_bed import QUICK, figures, fleet
from tests.lab.fleet_responder import Responder
from tests.lab.node_process import until

pytestmark = pytest.mark.lab


async def test_undisturbed_devices_lose_nothing() -> None:
    async with Responder() as responder, fleet(responder, 40) as running:
        await until(lambda: len(responder.publishes) > 200, "200 messages")
        whole = figures(await running.stop())
        assert whole["disconnects"] == {"max": 0, "mean": 0.0, "by_reason": {}}
        assert whole["connected"] == {"min": 40, "of": 40}
        assert whole["refused_connections"] == 0
        counted = whole["messages"]
        assert counted["published"] == counted["received"] == counted["expected"] == len(responder.publishes)
        assert counted["lost"] == counted["duplicated"] == counted["out_of_order"] == 0
        assert {qos: counts["published"] > 0 for qos, counts in counted["by_qos"].items()} == {"0": True, "1": True}


async def test_connect_says_what_the_device_is() -> None:
    async with Responder() as responder, fleet(responder, 8, username="u", password="p", expiry_seconds=77):
        for packet in responder.connects:
            number = int(packet.client_id[-6:])
            persistent = number >= 4
            assert (packet.level, packet.clean_start) == (4 if number % 2 else 5, not persistent)
            expiry = {Property.SESSION_EXPIRY: 77} if packet.level == 5 and persistent else {}
            assert dict(packet.properties) == expiry
            assert (packet.username, packet.password) == ("u", b"p")


async def test_a_kick_is_one_disconnect_with_its_reason_and_a_short_gap() -> None:
    async with Responder() as responder, fleet(responder, 8) as running:
        for client_id in list(responder.live):
            responder.kick(client_id)
        await until(lambda: sum(running.tally().disconnects) == 8 and running.connected_now == 8, "all back")
        await until(lambda: sum(responder.subscribes.values()) == 16, "all subscribed again")
        whole = figures(running.tally())
        assert whole["disconnects"] == {"max": 1, "mean": 1.0, "by_reason": {"0x98": 4, "FIN": 4}}
        assert whole["refused_connections"] == 0
        assert whole["reconnected"] == {"session_present": 0, "no_session": 8}
        assert whole["connected"]["min"] == 0
        assert 0 <= whole["gap_seconds"]["p50"] <= whole["gap_seconds"]["max"]
        assert set(responder.subscribes.values()) == {2}, "without a session they subscribe again"


async def test_a_device_trusts_the_session_that_is_present() -> None:
    async with Responder() as responder, fleet(responder, 8) as running:
        for client_id in list(responder.live):
            responder.cut(client_id, 0x9C)
        await until(lambda: running.connected_now == 8 and sum(running.tally().disconnects) == 8, "all back")
        await until(lambda: sum(responder.subscribes.values()) == 12, "who has no session subscribed again")
        assert figures(running.tally())["reconnected"] == {"session_present": 4, "no_session": 4}
        assert sorted(responder.subscribes.values()) == [1] * 4 + [2] * 4
        before = len(responder.publishes)
        await until(lambda: len(responder.publishes) > before + 30, "publishing goes on")


async def test_refusals_are_counted_by_code_and_tried_again_until_they_end() -> None:
    async with Responder() as responder, fleet(responder, 4) as running:
        responder.refuse = 0x9C
        for client_id in list(responder.live):
            responder.kick(client_id)
        await until(lambda: sum(running.tally().refused.values()) >= 12, "12 refusals")
        responder.refuse = 0
        await until(lambda: running.connected_now == 4, "all back")
        whole = figures(running.tally())
        assert whole["refused_by_reason"] == {"connack 0x9c": whole["refused_connections"]}
        assert whole["disconnects"]["max"] == 1
        assert whole["gap_seconds"]["max"] > 0.05


async def test_a_closed_port_and_a_silent_broker_have_names() -> None:
    async with Responder() as responder, fleet(responder, 4, answer_timeout_seconds=1.0) as running:
        await responder.shut()
        for client_id in list(responder.live):
            responder.kick(client_id)
        await until(lambda: running.tally().refused["ECONNREFUSED"] > 0, "a refused connection")
        responder.withhold_connacks = True
        await responder.open()
        await until(lambda: running.tally().refused["no answer"] > 0, "a connect without answer")
        responder.withhold_connacks = False
        await until(lambda: running.connected_now == 4, "all back")


async def test_keep_alive_keeps_a_silent_connection_and_finds_a_dead_one() -> None:
    values: dict[str, Any] = {"keep_alive_seconds": 1, "publish_interval_seconds": 0.0, "answer_timeout_seconds": 1.5}
    async with Responder() as responder, fleet(responder, 4, **values) as running:
        await until(lambda: responder.pings >= 8, "two pings each")
        assert sum(running.tally().disconnects) == 0
        responder.silent = True
        await until(lambda: running.tally().reasons["no answer"] == 4, "four dead connections found")


async def test_lost_and_doubled_messages_are_counted_by_qos() -> None:
    async with Responder() as responder, fleet(responder, 8, settle_seconds=0.3) as running:
        responder.drop = True
        await until(lambda: len(responder.publishes) > 80, "80 messages")
        whole = figures(await running.stop())["messages"]
        assert whole["lost"] == whole["expected"] - whole["received"] > 0
        assert whole["lost_qos0"] > 0
        assert whole["lost_qos1"] == whole["lost"] - whole["lost_qos0"] > 0
    async with Responder(double=True) as responder, fleet(responder, 8) as running:
        await until(lambda: len(responder.publishes) > 80, "80 messages")
        whole = figures(await running.stop())["messages"]
        assert (whole["lost"], whole["duplicated"]) == (0, whole["received"])


async def test_unacknowledged_messages_are_sent_again_and_so_are_not_lost() -> None:
    disturbed = Responder(withhold_pubacks=True, drop=True)
    async with disturbed as responder, fleet(responder, 8, settle_seconds=3.0) as running:
        await until(lambda: sum(len(device.ledger.unacknowledged) for device in running.devices) > 20, "20 waiting")
        responder.withhold_pubacks = responder.drop = False
        for client_id in list(responder.live):
            responder.kick(client_id)
        await until(lambda: sum(running.tally().disconnects) == 8 and running.connected_now == 8, "all back")
        sure = [device.ledger for device in running.devices if device.spec.qos]
        await until(lambda: not any(ledger.lost(running.now()) for ledger in sure), "all of QoS 1 have come")
        whole = figures(await running.stop())["messages"]
        assert whole["lost_qos1"] == 0
        assert whole["lost_qos0"] > 0, "nobody sends QoS 0 again"
        assert any(packet.dup for packet in responder.publishes)


async def test_nothing_is_published_while_away() -> None:
    async with Responder() as responder, fleet(responder, 4) as running:
        responder.refuse = 3
        for client_id in list(responder.live):
            responder.kick(client_id)
        await until(lambda: running.connected_now == 0, "all away")
        published = figures(running.tally())["messages"]["published"]
        await until(lambda: sum(running.tally().refused.values()) > 8, "8 refusals")
        assert figures(running.tally())["messages"]["published"] == published


async def test_the_log_holds_every_event_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with path.open("ab") as stream:
        async with Responder() as responder, fleet(responder, 4, log=stream.fileno(), log_messages=True) as running:
            responder.kick("dev-000000")
            await until(lambda: sum(running.tally().disconnects) == 1 and running.connected_now == 4, "back")
            final = figures(await running.stop())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["t"] for line in lines] == sorted(line["t"] for line in lines)
    mine = [line for line in lines if line["id"] == "dev-000000" and line["event"] in {"connected", "disconnected"}]
    assert [line["event"] for line in mine] == ["connected", "disconnected", "connected"]
    assert mine[1]["reason"] == "0x98"
    assert mine[2]["gap"] == pytest.approx(mine[2]["t"] - mine[1]["t"], abs=0.01)
    for event in ("published", "received"):
        assert sum(line["event"] == event for line in lines) == final["messages"][event]


async def test_a_start_that_does_not_succeed_says_how_far_it_came() -> None:
    async with Responder(refuse=5) as responder:
        running = Fleet(FleetSettings((responder.address,), 3))
        with pytest.raises(FleetError, match=r"0 of 3 were ready, refused \{'connack 0x05'"):
            await running.start(0.5)
        await running.stop()


async def test_a_dead_replica_is_left_for_the_next_one() -> None:
    async with Responder() as dead, Responder() as alive:
        await dead.shut()
        settings = FleetSettings((dead.address, alive.address), 10, kinds=only(QUICK))
        running = Fleet(settings)
        await running.start(60)
        assert len(alive.live) == 10
        await running.stop()


async def test_devices_come_from_the_given_addresses() -> None:
    async with Responder() as responder, fleet(responder, 8, sources=("127.0.200.1", "127.0.200.2")):
        peers = [link.transport.get_extra_info("peername")[0] for link in responder.live.values()]
        assert sorted(peers) == ["127.0.200.1"] * 4 + ["127.0.200.2"] * 4
