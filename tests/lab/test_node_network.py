"""A lab cluster's network is its own, whoever else looks for one at the same time."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

import httpx
import pytest

from components.system.address import parsed
from lab.__main__ import main
from lab.fleet.fleet import Fleet
from lab.fleet.settings import FleetSettings
from lab.node import network
from lab.node.network import bound
from lab.node.place import free_network
from tests.lab.node_bed import allocated
from tests.lab.node_process import node_process, until

pytestmark = pytest.mark.lab


def test_two_allocations_never_share_a_network() -> None:
    with allocated() as one, allocated() as two:
        assert one != two
        assert one.startswith("127.")


def test_a_network_that_is_held_is_refused_until_it_is_let_go(tmp_path: Path) -> None:
    with allocated() as held:
        with pytest.raises(OSError, match="in use"):
            network.hold(held)
        (tmp_path / "ready.json").write_text(json.dumps({"network": held}))
        other = free_network("auto", tmp_path)
        assert other != held
        network.release(other)
    assert free_network("auto", tmp_path) == held, "nodes are named after it, so the last run's is taken again"
    network.release(held)


def test_answers_do_not_wait_for_acknowledgements_on_any_event_loop() -> None:
    with allocated() as prefix, bound(f"{prefix}.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP, "asyncio sets TCP_NODELAY only where it is named"


def test_a_network_that_will_not_do_is_refused_with_its_address(tmp_path: Path) -> None:
    for wrong in ("10.1.2", "127.1", "127.1.256", "nonsense"):
        with pytest.raises(OSError, match=rf"give 127\.a\.b.*{wrong}"):
            free_network(wrong, tmp_path)
    with allocated() as held, pytest.raises(OSError, match=rf"in use.*{held}\.254:1883"):
        free_network(held, tmp_path)


async def test_a_node_on_the_other_loopback_serves_api_and_devices_also_after_its_death(tmp_path: Path) -> None:
    key = ("lab", "lab-secret-lab-secret")
    async with node_process(tmp_path, "--network", "::1", "--nodes", "1", key=key) as running:
        (shown,) = running.ready["nodes"]
        assert shown["mqtt"].startswith("[::1]:")
        assert shown["api"].startswith("http://[::1]:")
        fleet = Fleet(FleetSettings((parsed(shown["mqtt"]),), 8), log=None, chance=random.Random(7))
        await fleet.start(30)
        async with httpx.AsyncClient(base_url=f"{shown['api']}/api/v5", auth=key) as api:
            rows = (await api.get("/clients")).raise_for_status().json()["data"]
            assert {row["ip_address"] for row in rows} == {"::1"}
            for kind in ("die", "revive"):
                answer = await api.post(f"{running.ready['control']}/faults", json={"kind": kind})
                answer.raise_for_status()
            await until(lambda: fleet.connected_now == 8 and min(fleet.tally().disconnects) > 0, "all are back")
        await fleet.stop()


def test_one_address_is_no_place_for_two_nodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["node", "--directory", str(tmp_path / "new"), "--network", "::1"])
    assert "give --nodes 1" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
