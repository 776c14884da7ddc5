"""What the first link of a roll refuses, before the lease is taken and with every node in service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.emqx.errors import Refused
from components.links.roll_opening import open_roll
from tests.unit.fake_world import UNFINISHED
from tests.unit.roll_bed import EE_NEW, EE_OLD, NEW, OLD, RollWorld, wanted, whole
from tests.unit.test_licence import key

pytestmark = [pytest.mark.unit, *UNFINISHED, pytest.mark.usefixtures("probes")]


async def test_the_first_link_takes_the_lease_and_says_what_is_to_be_done(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5])
    opened = await open_roll(world.run("first"), "blue", wanted())
    assert opened.direction == "forward"
    assert opened.reason == "3 of 3 nodes do not run 5.8.9 (ce): emqx@n1, emqx@n2, emqx@n3"
    await whole(world.rolling(tmp_path, token="first"))
    again = await open_roll(world.run("second"), "blue", wanted())
    assert (again.direction, again.reason) == ("nothing", "every node of blue runs 5.8.9 (ce)")
    world.ledger.memory["uneven"] = "blue"
    assert (await open_roll(world.run("third"), "blue", wanted())).reason == "the loads are not even yet"


def full(world: RollWorld) -> None:
    world.api.max_fds = 205


def busy(world: RollWorld) -> None:
    world.evacuates = True
    world.api.rebalances.append({"node": "emqx@n1", "coordinator_node": "emqx@n1"})


def strange(world: RollWorld) -> None:
    world.api.strangers.append("emqx@elsewhere")


def two_out(world: RollWorld) -> None:
    world.nodes["emqx@n1"].running = world.nodes["emqx@n2"].running = False


def asleep(world: RollWorld) -> None:
    world.any_client_id = False
    world.offline = {f"asleep-{number}": "emqx@n1" for number in range(7)}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (full, "12 clients are connected, and all nodes but one may open files for 10"),
        (busy, "rebalances run on emqx@n1"),
        (strange, "emqx@elsewhere, which is not declared"),
        (two_out, "emqx@n1 and emqx@n2 are out of service"),
        (asleep, "7 sessions of offline clients with 14 queued messages cannot be taken over"),
    ],
)
async def test_what_cannot_end_well_is_refused_before_the_lease_is_taken(spoil: Any, says: str) -> None:
    world = RollWorld([4, 3, 5])
    spoil(world)
    run = world.run("first")
    world.ledger.memory["run"] = "somebody"
    with pytest.raises(Refused, match=says):
        await open_roll(run, "blue", wanted())
    assert world.ledger.memory == {"run": "somebody"}
    assert world.keeper.calls == []


async def test_a_target_that_cannot_stop_nodes_and_a_way_down_that_nobody_asked_for_are_refused() -> None:
    world = RollWorld([4, 3, 5])
    with pytest.raises(Refused, match="target cannot stop and start its nodes"):
        await open_roll(world.run(), "blue", wanted(kept=False))
    down = RollWorld([4, 3, 5], NEW)
    with pytest.raises(Refused, match=r"goes down; say `acknowledge: \[way_back\]`"):
        await open_roll(down.run(), "blue", wanted(OLD))
    assert (await open_roll(down.run(), "blue", wanted(OLD, "way_back"))).direction == "forward"


@pytest.mark.parametrize(
    ("license_", "says"),
    [
        (None, "no licence is configured"),
        ("planted-key", "emqx:credentials.blue.license is no licence key: it has not two parts"),
        (key(began="20200101"), "emqx:credentials.blue.license ended on 2020-12-31"),
        (key(sessions="13"), "12 sessions and 5 that are moved in a second, and the licence is for 13"),
    ],
)
async def test_open_source_to_enterprise_without_a_licence_that_will_do_is_refused_and_the_key_is_not_told(
    license_: str | None, says: str
) -> None:
    world = RollWorld([4, 3, 5], NEW)
    with pytest.raises(Refused, match=says) as refused:
        await open_roll(world.run(), "blue", wanted(EE_NEW, license_=license_))
    assert license_ is None or license_ not in str(refused.value)
    assert world.keeper.calls == []


async def test_open_source_to_enterprise_with_a_licence_is_rolled(tmp_path: Path) -> None:
    world = RollWorld([4, 3, 5], NEW)
    assert (await open_roll(world.run(), "blue", wanted(EE_NEW, license_=key()))).direction == "forward"
    await whole(world.rolling(tmp_path, EE_NEW))
    assert {one.release for one in world.nodes.values()} == {EE_NEW}


async def test_a_full_licence_of_a_cluster_that_is_enterprise_already_is_refused() -> None:
    world = RollWorld([4, 3, 5], EE_OLD, evacuates=True)
    world.license = 15
    with pytest.raises(Refused, match="12 sessions and 5 that are moved in a second, and the licence is for 15"):
        await open_roll(world.run(), "blue", wanted(EE_NEW))
