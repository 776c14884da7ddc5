"""What clients of a 4.x node see when it stops and when it is killed: a bare FIN, MQTT 5 too, and the session is gone (V_*_boot_stop)."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.mqtt import Connect, Disconnect, Property
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
