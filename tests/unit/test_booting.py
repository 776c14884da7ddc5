"""A node of the new colour that went is out of the balancer before it boots, and let in again only when it was right twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from components.cutover.facts import Facts, NodeFacts
from components.emqx.errors import GaveUp, NotNow
from components.ledger.base import LEASE
from components.links import booting
from components.links.booting import Booting, let_back
from components.links.target import open_target
from components.routers.share import out_of_service
from tests.unit.cutover_bed import CLOSE, QUIET, manner, up
from tests.unit.fake_world import UNFINISHED, World, fleet

pytestmark = [pytest.mark.unit, *UNFINISHED]

NODE = "emqx@green"


@pytest.fixture
def right(monkeypatch: pytest.MonkeyPatch) -> list[bool | Exception]:
    """What the looks at the node find, the last one for ever."""
    found: list[bool | Exception] = [True]

    async def look(*_: Any) -> str:
        now = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(now, Exception):
            raise now
        return "" if now else "a wrong password got CONNACK 0x00"

    async def well(*_: Any) -> str:
        return ""

    monkeypatch.setattr(booting, "api_state", look)
    monkeypatch.setattr(booting, "mqtt_state", well)
    return found


def leased() -> World:
    world = fleet(4)
    world.router.states["green", NODE] = "ready"
    world.ledger.memory[LEASE] = "a"
    return world


def seen(*names: str) -> Facts:
    return Facts(at=1.0, nodes={name: NodeFacts() for name in names})


def state(world: World) -> str:
    assert out_of_service(world.ledger.memory).get(("green", NODE), "ready") == world.router.states["green", NODE]
    return world.router.states["green", NODE]


async def test_it_is_taken_out_once_it_does_not_run_and_let_in_when_it_was_right_twice_in_a_row(
    right: list[bool | Exception],
) -> None:
    world = leased()
    watch = Booting(world.run("a"), "green", ())
    await watch.look(seen(NODE))
    assert state(world) == "ready"
    await watch.look(seen())
    assert state(world) == "maint"
    right[:] = [False, True, False, NotNow("asking", seen="500", todo="wait"), True, True]
    for _ in range(5):
        await watch.look(seen(NODE))
        assert state(world) == "maint", "every health check says that it is well meanwhile"
    await watch.look(seen(NODE))
    assert state(world) == "ready"
    changes = [(one["node"], one["state"]) for one in world.journal if one["event"] == "server"]
    assert changes == [(NODE, "maint"), (NODE, "ready")]


async def test_a_list_that_could_not_be_had_says_nothing_of_a_node(right: list[bool | Exception]) -> None:
    world = leased()
    await Booting(world.run("a"), "green", ()).look(Facts(at=1.0, nodes=None))
    await Booting(world.run("a"), "green", (NODE,)).look(seen())
    assert state(world) == "ready"
    assert right == [True]


async def test_what_a_run_that_was_cut_off_left_outside_the_next_step_lets_in(right: list[bool | Exception]) -> None:
    world = leased()
    await Booting(world.run("a"), "green", ()).look(seen())
    world.ledger.memory[LEASE] = "b"
    later = Booting(world.run("b"), "green", ())
    await later.look(seen(NODE))
    await later.look(seen(NODE))
    assert state(world) == "ready"
    assert right == [True]


async def test_the_first_link_lets_in_who_was_left_outside_once_all_are_right(
    monkeypatch: pytest.MonkeyPatch, right: list[bool | Exception]
) -> None:
    world, waited = leased(), []

    async def ready(*_: Any, **more: Any) -> float:
        waited.append(more)
        return 1.0

    monkeypatch.setattr(booting, "wait_until_ready", ready)
    await let_back(world.run("a"), "green", ())
    assert waited == [], "nobody is outside"
    await Booting(world.run("a"), "green", ()).look(seen())
    await let_back(world.run("a"), "green", (NODE,))
    assert state(world) == "maint", "one that is gone for good is not waited for on the way back"
    await open_target(world.run("a"), "green")
    assert state(world) == "ready"
    assert waited == [{"without": (), "back": True}]

    async def never(*_: Any, **__: Any) -> float:
        raise GaveUp("waiting", node=NODE, seen="it lets everybody in", todo="look")

    await Booting(world.run("a"), "green", ()).look(seen())
    monkeypatch.setattr(booting, "wait_until_ready", never)
    with pytest.raises(GaveUp, match="it lets everybody in"):
        await open_target(world.run("a"), "green")
    assert state(world) == "maint"
    assert right == [True]


async def test_a_look_that_ends_with_its_step_leaves_ledger_and_balancer_of_one_mind(
    right: list[bool | Exception],
) -> None:
    world = leased()
    for yields in range(12):
        looking = asyncio.ensure_future(Booting(world.run("a"), "green", ()).look(seen()))
        for _ in range(yields):
            await asyncio.sleep(0)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        before = state(world)
        if before == "maint":
            break
    assert state(world) == "maint"
    assert right == [True]


async def test_a_whole_cutover_looks_after_it(right: list[bool | Exception]) -> None:
    world = fleet(60, evacuates=False)
    world.router.states["green", NODE] = "ready"
    nodes = world.apis["green"].nodes
    calls = 0

    async def away(**more: Any) -> Any:
        nonlocal calls
        calls += 1
        return () if 8 <= calls <= 14 else await nodes(**more)

    world.apis["green"].nodes = away  # type: ignore[method-assign]
    gates = QUIET.model_copy(update={"nodes_lost": None})
    await up(world, manner([50, 100], mover=CLOSE, budget=10, gates=gates), "a")
    changes = [one["state"] for one in world.journal if one["event"] == "server"]
    assert changes[:2] == ["maint", "ready"]
    assert state(world) == "ready"
    assert right == [True]
