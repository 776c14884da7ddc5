"""Devices of real kinds against a broker that disturbs them: who comes back, who never does, who is connected and hears nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.fleet.fleet import Fleet
from lab.fleet.mixture import Mixture, only
from lab.fleet.settings import FleetError, FleetSettings
from tests.lab.fleet_bed import figures, fleet, hasty
from tests.lab.fleet_responder import Responder
from tests.lab.node_process import until

pytestmark = pytest.mark.lab


def disconnect_all(responder: Responder) -> None:
    for client_id in list(responder.live):
        responder.kick(client_id)


async def test_a_disconnect_ends_the_old_library_in_mqtt_5_and_nobody_else(tmp_path: Path) -> None:
    kinds = Mixture((hasty("libmosquitto-old"), hasty("libmosquitto")), (1, 1))
    path = tmp_path / "log.jsonl"
    with path.open("ab") as stream:
        async with Responder() as responder, fleet(responder, 8, stream.fileno(), kinds=kinds) as running:
            disconnect_all(responder)
            await until(lambda: running.connected_now == 6 and sum(running.tally().disconnects) == 8, "six are back")
            whole = figures(await running.stop())
            tried = [packet.client_id for packet in responder.connects]
    assert (whole["away"], whole["stayed_away"], whole["refused_connections"]) == (2, 2, 0)
    old, new = whole["kinds"]["libmosquitto-old"], whole["kinds"]["libmosquitto"]
    assert (old["devices"], old["disconnected"], old["stayed_away_by_reason"]) == (4, 4, {"0x98": 2})
    assert (new["devices"], new["disconnected"], new["away"], new["stayed_away"]) == (4, 4, 0, 0)
    assert new["gap_seconds"]["p50"] is not None
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    told = [(line["id"], line["kind"], line["reason"]) for line in lines if line["event"] == "stays_away"]
    assert [(kind, reason) for _, kind, reason in told] == [("libmosquitto-old", "0x98")] * 2
    assert all(tried.count(client_id) == 1 for client_id, _, _ in told), "who stays away does not try"


async def test_a_fin_brings_all_of_them_back() -> None:
    kinds = Mixture((hasty("libmosquitto-old"), hasty("mqttx"), hasty("mqttjs-5.16")), (1, 1, 1))
    async with Responder() as responder, fleet(responder, 9, kinds=kinds) as running:
        for link in list(responder.live.values()):
            link.transport.close()
        await until(lambda: running.connected_now == 9 and sum(running.tally().disconnects) == 9, "all are back")
        assert figures(running.tally())["stayed_away"] == 0


async def test_one_refused_connect_ends_those_whom_it_ends() -> None:
    kinds = Mixture((hasty("mqttjs-5.16"), hasty("mqttjs")), (1, 1))
    async with Responder() as responder, fleet(responder, 8, kinds=kinds) as running:
        responder.refuse = 0x9C
        disconnect_all(responder)
        await until(lambda: running.tally().refused["connack 0x9c"] >= 12, "all are refused, some more than once")
        responder.refuse = 0
        await until(lambda: running.connected_now == 4, "four are back")
        whole = figures(running.tally())
        assert whole["kinds"]["mqttjs-5.16"]["stayed_away_by_reason"] == {"connack 0x9c": 4}
        assert whole["kinds"]["mqttjs-5.16"]["refused_connections"] == 4, "one each"
        assert whole["kinds"]["mqttjs"]["away"] == 0


async def test_who_subscribes_once_is_silent_without_its_session_and_no_message_is_called_lost() -> None:
    kinds = only(hasty("paho-python-once"))
    async with Responder() as responder, fleet(responder, 8, kinds=kinds, persistent_fraction=1.0) as running:
        for client_id in list(responder.live):
            responder.cut(client_id, 0x9C)
        await until(lambda: running.connected_now == 8 and sum(running.tally().disconnects) == 8, "all are back")
        assert figures(running.tally())["silent"] == 0, "with their sessions"
        disconnect_all(responder)
        await until(lambda: running.connected_now == 8 and sum(running.tally().disconnects) == 16, "back again")
        await until(lambda: figures(running.tally())["messages"]["unheard"] > 20, "they publish, and hear nothing")
        whole = figures(await running.stop())
        assert (whole["silent"], whole["messages"]["lost_qos1"]) == (8, 0)
        assert set(responder.subscribes.values()) == {1}


async def test_who_subscribes_at_each_connect_does_so_with_a_session_too() -> None:
    kinds = only(hasty("aiomqtt"))
    async with Responder() as responder, fleet(responder, 4, kinds=kinds, persistent_fraction=1.0) as running:
        for client_id in list(responder.live):
            responder.cut(client_id, 0x9C)
        await until(lambda: sum(responder.subscribes.values()) == 8, "all subscribed again")
        assert figures(running.tally())["reconnected"]["session_present"] == 4


async def test_some_ask_for_a_clean_start_at_their_first_connect_only() -> None:
    async with Responder() as responder:
        for name in ("paho-python", "mqttjs"):
            async with fleet(responder, 4, kinds=only(hasty(name)), persistent_fraction=0.0, prefix=name) as running:
                disconnect_all(responder)
                await until(lambda: sum(running.tally().disconnects) == 4 and running.connected_now == 4, "all back")
        asked = {(one.client_id[:-7], one.level): one.clean_start for one in responder.connects}
    assert asked == {("paho-python", 5): False, ("paho-python", 4): True, ("mqttjs", 5): True, ("mqttjs", 4): True}


@pytest.mark.parametrize("name", ["paho-c", "paho-python"])
async def test_what_was_not_acknowledged_is_forgotten_by_some_without_their_session(name: str) -> None:
    disturbed = Responder(withhold_pubacks=True, drop=True)
    async with disturbed as responder, fleet(responder, 8, kinds=only(hasty(name))) as running:
        await until(lambda: sum(len(device.ledger.unacknowledged) for device in running.devices) > 20, "20 waiting")
        responder.withhold_pubacks = responder.drop = False
        disconnect_all(responder)
        await until(lambda: sum(running.tally().disconnects) == 8 and running.connected_now == 8, "all back")
        whole = figures(await running.stop())["messages"]
        assert whole["lost_qos1"] == 0
        assert (whole["forgotten"] > 20) == (name == "paho-c")
        assert any(packet.dup for packet in responder.publishes) == (name == "paho-python")


async def test_who_stays_away_before_all_are_ready_is_named_at_once() -> None:
    async with Responder(refuse=0x87) as responder:
        running = Fleet(FleetSettings((responder.address,), 3, kinds=only(hasty("libmosquitto"))))
        with pytest.raises(
            FleetError, match=r"dev-000000 \(libmosquitto\) stays away: connack 0x87; 0 of 3 were ready"
        ):
            await running.start(300)
        await running.stop()


async def test_a_count_of_tries_comes_to_its_end() -> None:
    async with Responder() as responder, fleet(responder, 2, kinds=only(hasty("emqtt-count"))) as running:
        await responder.shut()
        disconnect_all(responder)
        await until(lambda: figures(running.tally())["stayed_away"] == 2, "both give up")
        assert running.tally().refused == {"ECONNREFUSED": 20}
