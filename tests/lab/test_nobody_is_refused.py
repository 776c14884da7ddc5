"""No CONNECT is refused by a cutover, whatever node would refuse it: one that evacuates, one that boots, a licence that is full."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from components.emqx.errors import Refused
from components.ledger.registry import ledger_of
from components.run.orders import HOLD
from components.system.address import parsed
from tests.lab.devices import Devices
from tests.lab.moving_bed import MovingBed
from tests.lab.recordings.device import Device

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

CLIENTS = 60
SECONDS = 150.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingBed]:
    with MovingBed(tmp_path_factory.mktemp("refused"), CLIENTS) as made:
        yield made


@pytest.fixture
def bed(shared: MovingBed) -> MovingBed:
    shared.reset()
    return shared


def refused(bed: MovingBed) -> Counter[str]:
    """What a device was answered instead of being let in; a connection that is closed without a packet is no refusal."""
    told = bed.devices.fleet.tally().refused
    return Counter({reason: count for reason, count in told.items() if reason.startswith("connack")})


def states(bed: MovingBed) -> set[str]:
    return {entry["state"] for entry in bed.api("blue", "GET", "/load_rebalance/global_status")["evacuations"]}


def at_the_balancer(bed: MovingBed, node: str) -> list[str]:
    """What the run has made of a node's server, one after the other."""
    return [one["state"] for one in bed.last_run() if one["event"] == "server" and one["node"] == node]


def test_by_the_old_colour_that_is_shut_at_the_end_or_opened_again_for_the_way_back(bed: MovingBed) -> None:
    before = refused(bed)
    bed.up(mover="evacuation", budget=60)
    assert bed.live() == {"blue": 0, "green": CLIENTS}
    assert states(bed) <= {"waiting_takeover", "evicting_sessions", "prohibiting"}, (
        "whoever came there now would be refused"
    )
    bed.up("blue", mover="close", budget=60)
    assert bed.live() == {"blue": CLIENTS, "green": 0}
    assert states(bed) == set()
    assert refused(bed) == before
    assert set(bed.devices.disconnects()) == {2}


def test_by_a_node_that_dies_and_boots_again_while_clients_come(bed: MovingBed) -> None:
    before, dead = refused(bed), bed.node("green", 1)
    going = bed.start(budget=10, mover="close", gates={"nodesLost": 1})
    bed.wait(lambda: going.done() or bed.moved("shift-50") >= 1)
    bed.fault("green", "die", node=dead)
    bed.wait(lambda: going.done() or at_the_balancer(bed, dead) == ["maint"])
    bed.fault("green", "revive", node=dead)
    assert going.result(SECONDS) == "forward"
    made = at_the_balancer(bed, dead)
    assert (made[0], set(made[1:])) == ("maint", {"ready"}), "no health check lets in who boots"
    assert bed.live() == {"blue": 0, "green": CLIENTS}
    assert refused(bed) == before


CLIENTS_OF_IT, LICENCE = 40, 45
LET_IN = "20020000"


@pytest.fixture(scope="module")
def licensed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingBed]:
    """A green that has room for a few more than the fleet."""
    with MovingBed(tmp_path_factory.mktemp("licence"), CLIENTS_OF_IT, nodes=1, max_sessions=LICENCE) as made:
        yield made


def test_by_a_licence_that_is_full(licensed: MovingBed) -> None:
    bed = licensed
    more = Devices(bed.balancer.mqtt, LICENCE + 1 - CLIENTS_OF_IT, prefix="more")
    try:
        before = refused(bed)
        with pytest.raises(Refused, match="has room for"):
            bed.up(mover="close", gates={"licenseHeadroomFraction": None})
        assert refused(bed) == before
        assert max(bed.devices.disconnects()) == 1
        assert sum(bed.live().values()) == LICENCE + 1
        assert bed.live()["green"] < LICENCE
    finally:
        more.end()


async def come(bed: MovingBed, count: int) -> list[str]:
    """What as many new devices are answered that come at once, as hexadecimal; ``FIN`` is no answer."""
    where = parsed(bed.balancer.mqtt)
    devices = await asyncio.gather(
        *(Device.connect(where.host, f"new-{number}", port=where.port) for number in range(count))
    )
    for one in devices:
        await one.close()
    return [one.connack for one in devices]


async def held(bed: MovingBed, order: str | None) -> None:
    async with ledger_of(bed.balancer).held(None) as writing:
        await writing.write({HOLD: order})


def test_by_a_licence_that_fills_up_with_devices_that_come_by_themselves_while_an_update_watches(
    licensed: MovingBed,
) -> None:
    bed = licensed
    bed.reset()
    before, steps = refused(bed), ({"share": 100}, {"hold": 6})
    going = bed.start(steps=steps, budget=60, mover="close", gates={"licenseHeadroomFraction": None})
    bed.wait(lambda: going.done() or bed.bounded() == LICENCE - 1)
    asyncio.run(held(bed, "0 test until everybody has tried"))
    assert not going.done()
    answers = Counter(asyncio.run(come(bed, 3 * (LICENCE - CLIENTS_OF_IT))))
    asyncio.run(held(bed, None))
    free = LICENCE - 1 - CLIENTS_OF_IT
    assert answers == {LET_IN: free, "FIN": 3 * (LICENCE - CLIENTS_OF_IT) - free}
    assert going.result(SECONDS) == "forward"
    assert refused(bed) == before
    assert max(bed.devices.disconnects()) == 1
    assert bed.bounded() is None, "once the update is over"
