"""Clients of every kind are moved by closing their connections at HAProxy: all are back, nobody was told to go, and no session is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.fleet.mixture import MIXED, mixture
from lab.fleet.tally import summary
from tests.lab.moving_bed import MovingBed

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

CLIENTS = 120
STEPS = ({"share": 20}, {"share": 100})
BACK_SECONDS = 120.0
"""The slowest kind comes after 10 s; the machine is busy."""


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingBed]:
    place, kinds = tmp_path_factory.mktemp("close"), mixture(MIXED)
    with MovingBed(place, CLIENTS, nodes=2, kinds=kinds, persistent_fraction=0.5) as bed:
        yield bed


def movers(bed: MovingBed) -> dict[str, int]:
    """The clients that each mover has moved."""
    moved: dict[str, int] = {}
    for event in bed.last_run():
        if event["event"] == "move":
            moved[event["mover"]] = moved.get(event["mover"], 0) + event["count"]
    return moved


def sessions(bed: MovingBed, colour: Any) -> int:
    """Connected or not."""
    return int(bed.api(colour, "GET", "/clients?limit=1")["meta"]["count"])


def test_all_are_back_after_one_fin_though_the_balancer_was_reloaded_meanwhile(bed: MovingBed) -> None:
    def reloaded() -> None:
        bed.max_connections += 1
        bed.serve_balancer()

    reloaded()
    bed.up(steps=STEPS, budget=60, mover="close", before={"shift-100": reloaded})
    bed.wait(lambda: bed.live() == {"blue": 0, "green": CLIENTS}, BACK_SECONDS)
    assert movers(bed) == {"close": CLIENTS}
    assert bed.devices.disconnects() == [1] * CLIENTS
    fleet = bed.devices.fleet
    assert [device.spec.client_id for device in fleet.devices if device.gone] == []
    told = summary(fleet.tally(), ready_at=0.0)
    assert (told["refused_connections"], told["stayed_away"]) == (0, 0)
    assert sessions(bed, "blue") == 0, "nothing goes on queueing there"


def test_the_way_back_closes_them_too(bed: MovingBed) -> None:
    bed.devices.mark()
    bed.up("blue", steps=STEPS, budget=60, mover="close")
    bed.wait(lambda: bed.live() == {"blue": CLIENTS, "green": 0}, BACK_SECONDS)
    assert movers(bed) == {"close": CLIENTS}
    assert bed.devices.disconnects() == [1] * CLIENTS
    assert sessions(bed, "green") == 0


def test_without_the_proxy_header_they_are_found_by_the_balancers_own_address(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with MovingBed(tmp_path_factory.mktemp("plain"), 30, nodes=1, proxied=False) as bed:
        bed.up(steps=STEPS, budget=60, mover="close")
        bed.wait(lambda: bed.live() == {"blue": 0, "green": 30}, BACK_SECONDS)
        assert movers(bed) == {"close": 30}
        assert bed.devices.disconnects() == [1] * 30
