"""What the listeners of a node let in is read from its API, and neither more clients nor a higher rate is ever sent there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from components.cutover.roll_forecast import forecast, render
from components.emqx.clients import Door
from components.emqx.errors import Refused
from components.emqx.models import Credentials
from components.emqx.v5.cluster import ClusterApi
from components.emqx.v5.doors import rate_of
from components.links.reach import accepts
from components.links.roll_opening import open_roll
from tests.handles import cluster_at
from tests.unit.cutover_bed import CLOSE, QUIET, manner, up
from tests.unit.fake_world import UNFINISHED, fleet
from tests.unit.roll_bed import NEW, RollWorld, wanted, whole
from tests.unit.test_roll_plan import THREE

pytestmark = [pytest.mark.unit, *UNFINISHED]

NAMES = ("emqx@127.0.1.1", "emqx@127.0.1.2", "emqx@127.0.1.3")


def node_api(most: object, rate: object) -> ClusterApi:
    """Three nodes as recording 02 shows their listeners, with other limits."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v5")
        if path == "/listeners":
            status = {"running": True, "max_connections": most, "current_connections": 0}
            nodes = [{"node": name, "status": status} for name in reversed(NAMES)]
            row = {"id": "tcp:default", "name": "default", "type": "tcp", "bind": ":1883", "enable": True}
            off = {"id": "ssl:default", "name": "default", "type": "ssl", "bind": "0.0.0.0:8883", "enable": False}
            return httpx.Response(200, json=[{**row, "node_status": nodes}, {**off, "node_status": nodes}])
        assert path == "/listeners/tcp:default"
        return httpx.Response(200, json={"id": "tcp:default", "max_conn_rate": rate, "max_connections": most})

    key = Credentials(api_key="k", api_secret="s")
    handle = cluster_at(*(name.removeprefix("emqx@") for name in NAMES))
    return ClusterApi(handle, key, transport=httpx.MockTransport(answer), patience_seconds=0)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("infinity", None),
        ("1000/s", 1000.0),
        ("500/10s", 50.0),
        ("60/1m", 1.0),
        ("5 / s", 5.0),
        (7, None),
        (None, None),
    ],
)
def test_a_rate_is_read_as_emqx_writes_it_and_what_is_none_is_no_limit(text: object, rate: float | None) -> None:
    assert rate_of(text) == rate


async def test_limits_are_those_of_each_node_and_infinity_is_none() -> None:
    async with node_api(400, "50/s") as some:
        assert await some.doors() == dict.fromkeys(NAMES, Door(400, 50.0))
        assert await accepts(some) == 150
        assert await accepts(some, without=[NAMES[0]]) == 100
        assert await some.listeners() == {1883: "tcp:default"}
    async with node_api("infinity", "infinity") as free:
        assert await accepts(free) is None


async def test_a_rate_that_green_cannot_take_is_not_asked_of_it() -> None:
    world = fleet(60, evacuates=False)
    world.apis["green"].door = Door(None, 10.0)
    began = world.clock.now()
    await up(world, manner([100], mover=CLOSE, budget=1000, gates=QUIET), "a")
    assert set(world.at.values()) == {"green"}
    assert world.clock.now() - began >= 5.0
    assert [one["budget_per_second"] for one in world.journal if one["event"] == "run"] == [10]
    assert any("10/s of 1000/s, since the listeners of green accept no more" in line for line in world.lines)


async def test_a_step_that_the_listeners_of_green_have_no_room_for_sends_nobody_there() -> None:
    world = fleet(60, evacuates=False)
    world.apis["green"].door = Door(40, None)
    with pytest.raises(Refused, match="60 are to come, and it has room for 40; nobody of them was sent there"):
        await up(world, manner([100], mover=CLOSE, gates=QUIET), "a")
    assert set(world.at.values()) == {"blue"}
    assert not world.disconnects


async def test_a_roll_whose_other_nodes_have_no_room_at_their_listeners_is_refused() -> None:
    world = RollWorld([4, 3, 5])
    world.api.door = Door(5, None)
    with pytest.raises(Refused, match="12 clients are connected, and all nodes but one have listeners that let in 10"):
        await open_roll(world.run(), "blue", wanted())
    assert world.keeper.calls == []


@pytest.mark.usefixtures("probes")
async def test_a_roll_asks_the_other_nodes_for_no_more_than_they_accept(tmp_path: Path) -> None:
    world = RollWorld([20, 20, 20])
    world.api.door = Door(None, 2.0)
    began = world.clock.now()
    await whole(world.rolling(tmp_path, budget=1000))
    assert world.clock.now() - began >= 80 / 4
    plan: dict[str, Any] = {"by": "close", "evens": "close", "budget_per_second": 1000, "counted": True}
    slow, fast = (forecast(THREE, NEW, **plan, accepts=most) for most in (4, None))
    assert (slow.expected_seconds or 0) > (fast.expected_seconds or 0) + 200 / 4 - 1
    assert "accept 4 connections a second, and no more is asked" in render(slow)
