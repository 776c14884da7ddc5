"""Ends of 4.x nodes: what their clients see when one stops or is killed (V_*_boot_stop), and what becomes of a 4.2 that joins a 4.3."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.mqtt import Connect, Disconnect, Property
from lab.node import network
from lab.node.api.host import Settings
from lab.node.process import Lodging
from tests.lab.recordings.old import OldWorld

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("version", ["4.2.14", "4.4.19"])
async def test_whatever_ends_a_node_its_clients_see_a_fin_and_lose_their_sessions(version: str, tmp_path: Path) -> None:
    connects = {
        4: Connect("v4", clean_start=False),
        5: Connect("v5", clean_start=False, level=5, properties={Property.SESSION_EXPIRY: 300}),
    }
    async with OldWorld(tmp_path, version) as world:
        name = f"emqx@{world.host()}"
        for killed in (False, True):
            devices = [(await world.device(connect))[0] for connect in connects.values()]
            home = world.membership.home(name)
            assert home is not None
            await (home.kill_node(name) if killed else world.membership.stop_node(name))
            for device in devices:
                await device.fin()
                assert device.reader.exception() is None
                assert not [packet for packet in device.got if isinstance(packet, Disconnect)]
                await device.drop()
            await world.membership.start(name)
            for connect in connects.values():
                device, connack = await world.device(connect)
                assert (connack.reason, connack.session_present) == (0, False)
                await device.drop()


async def test_42_is_let_into_a_cluster_of_43_and_never_comes_back(tmp_path: Path) -> None:
    async with OldWorld(tmp_path / "4.3", "4.3.22", (1,)) as world:
        prefix = network.allocate()
        settings = Settings(tmp_path / "4.2", nodes=1, edition="ce", version="4.2.14", network=prefix)
        await world.membership.lodge(Lodging(prefix, settings), {})
        assert not world.membership.runs(f"emqx@{prefix}.1")
        assert f"emqx@{prefix}.1" in world.managed.cluster.nodes
        device, connack = await world.device(Connect("c"))
        assert connack.reason == 0
        await device.drop()
        network.release(prefix)
