"""Clients of every kind through a cutover: a close brings all of them back, a kick all but those whom a DISCONNECT ends; told in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.fleet.device import Device
from lab.fleet.kind import MQTT_5, Cause
from lab.fleet.mixture import MIXED, mixture
from lab.fleet.tally import summary
from tests.lab.moving_bed import MovingBed

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

CLIENTS = 120
STEPS = ({"share": 20}, {"share": 100})
BACK_SECONDS = 90.0
"""The slowest kind comes after 10 s; the machine is busy."""


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingBed]:
    with MovingBed(tmp_path_factory.mktemp("kinds"), CLIENTS, nodes=1, kinds=mixture(MIXED)) as bed:
        yield bed


def ended_by_a_disconnect(device: Device) -> bool:
    return device.spec.level == MQTT_5 and Cause.DISCONNECT in device.spec.kind.ends


def told(bed: MovingBed) -> dict[str, Any]:
    return summary(bed.devices.fleet.tally(), ready_at=0.0)


def test_a_close_brings_every_kind_back_after_one_disconnect(bed: MovingBed) -> None:
    bed.up(steps=STEPS, budget=60, mover="close")
    bed.wait(lambda: bed.live() == {"blue": 0, "green": CLIENTS}, BACK_SECONDS)
    assert bed.devices.disconnects() == [1] * CLIENTS
    assert (told(bed)["refused_connections"], told(bed)["stayed_away"], told(bed)["away"]) == (0, 0, 0)
    assert told(bed)["disconnects"]["by_reason"] == {"FIN": CLIENTS}


def test_a_kick_ends_the_old_library_for_good_and_everybody_else_is_back_once(bed: MovingBed) -> None:
    doomed = {device.spec.client_id for device in bed.devices.fleet.devices if ended_by_a_disconnect(device)}
    assert 0 < len(doomed) <= CLIENTS // 20, "some of the mixture, and fewer than a gate allows"
    bed.devices.mark()
    bed.up(to="blue", steps=STEPS, budget=60, mover="kick")
    bed.wait(lambda: bed.live() == {"blue": CLIENTS - len(doomed), "green": 0}, BACK_SECONDS)
    fleet = bed.devices.fleet
    assert {device.spec.client_id for device in fleet.devices if device.gone} == doomed
    assert {device.gone for device in fleet.devices if device.gone} == {"0x98"}
    assert bed.devices.disconnects() == [1] * CLIENTS
    seen = told(bed)
    assert (seen["refused_connections"], seen["stayed_away"], seen["away"]) == (0, len(doomed), len(doomed))
