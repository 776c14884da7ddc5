"""Router `service`: one Service leads to one colour or to the other, and to nodes that are ready and were not taken out."""

from __future__ import annotations

from typing import Any

import pytest

from components.cutover.words import PARTS, Colour
from components.emqx.errors import BadInput, Refused
from components.emqx.models import BalancerHandle
from components.kubernetes import names
from components.kubernetes.place import Place
from components.routers.base import ServerState
from components.routers.registry import router_of
from components.routers.service import ServiceRouter
from tests.unit.fake_kubernetes import FakeApi

pytestmark = pytest.mark.unit
SERVICE = "services/emqx-mqtt"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    world = FakeApi(monkeypatch)
    leads(world, "blue", "blue green")
    for colour in ("blue", "green"):
        for number in range(2):
            world.pod(f"emqx-{colour}-{number}", {**names.cluster_labels("emqx", colour), names.SERVES: "yes"}, "emqx")
    return world


def leads(world: FakeApi, colour: str, declared: str) -> None:
    selector = {**names.cluster_labels("emqx", colour), names.SERVES: names.YES}
    world.objects[SERVICE] = {
        "metadata": {"name": "emqx-mqtt", "annotations": {names.COLOURS: declared}},
        "spec": {"selector": selector, "ports": []},
    }


def router() -> Any:
    place = Place(namespace="mqtt")
    handle = BalancerHandle(router="service", ledger="config_map", mqtt="", admin=(), maps="emqx", pods=place)
    found = router_of(handle)
    assert isinstance(found, ServiceRouter)
    return found


def node(colour: Colour, number: int) -> str:
    return f"emqx@{names.node('emqx', colour, number, 'mqtt')}"


async def test_it_leads_to_the_colour_that_has_everybody_and_nothing_else_of_it_is_changed(world: FakeApi) -> None:
    before = world.objects[SERVICE]["spec"]["selector"]
    assert await router().share() == 0
    await router().set_share(PARTS)
    assert await router().share() == PARTS
    assert world.objects[SERVICE]["spec"] == {"selector": {**before, names.COLOUR: "green"}, "ports": []}
    await router().set_share(0)
    assert world.objects[SERVICE]["spec"]["selector"] == before


@pytest.mark.parametrize(("parts", "declared"), [(1, "blue green"), (5_000, "blue green"), (PARTS, "blue")])
async def test_a_share_between_or_of_a_colour_that_is_not_there_is_refused_and_nothing_is_changed(
    world: FakeApi, parts: int, declared: str
) -> None:
    leads(world, "blue", declared)
    with pytest.raises(BadInput, match="a Service has no share between"):
        await router().set_share(parts)
    assert world.sent == []


async def test_a_selector_of_somebodys_is_no_share(world: FakeApi) -> None:
    leads(world, "nobody", "blue")
    with pytest.raises(Refused, match="its selector leads to nobody"):
        await router().share()


async def test_a_node_counts_when_its_pod_is_ready_and_was_not_taken_out(world: FakeApi) -> None:
    world.pod("emqx-green-1", {**names.cluster_labels("emqx", "green"), names.SERVES: "yes"}, "emqx", ready=False)
    await router().set_server("blue", node("blue", 1), "drain")
    assert await router().health() == {
        "blue": {node("blue", 0): True, node("blue", 1): False},
        "green": {node("green", 0): True, node("green", 1): False},
    }
    states: dict[str, ServerState | None] = {
        name: one.state for name, one in (await router().servers())["blue"].items()
    }
    assert states == {node("blue", 0): "ready", node("blue", 1): "drain"}
    await router().set_server("blue", node("blue", 1), "ready")
    assert (await router().health())["blue"][node("blue", 1)]


async def test_a_colour_that_is_not_declared_any_more_has_no_nodes_though_its_pods_are_there(world: FakeApi) -> None:
    leads(world, "green", "green")
    assert (await router().health())["blue"] == {}
    with pytest.raises(Refused, match="there is no such pod of blue"):
        await router().set_server("blue", node("blue", 0), "maint")


async def test_it_knows_no_connection(world: FakeApi) -> None:
    assert router().can.knows_clients == "all-or-nothing"
    assert await router().connections() == {}
    assert await router().find("blue", ["10.0.0.1:1"]) == {}
    assert await router().close("blue", {}) == frozenset()
