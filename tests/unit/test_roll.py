"""The order of a roll: never two nodes out, nothing touched without a copy, and the same end from wherever it was cut off."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.roll import Release, RollError, RollNode, Transition, acts, after, order, plan, refuse_two_out

pytestmark = pytest.mark.unit

OLD, NEW = Release("5.8.8", "ce"), Release("5.8.9", "ce")


def named(count: int) -> list[str]:
    return [f"emqx@127.0.1.{number + 1}" for number in range(count)]


@st.composite
def fleets(draw: st.DrawFn) -> list[RollNode]:
    """Clusters in which a roll has not begun, has rolled some nodes, or was cut off in the middle of one act on one."""
    count = draw(st.integers(1, 7))
    nodes = [
        RollNode(name, draw(st.sampled_from([OLD, NEW])), clients=draw(st.integers(0, 50))) for name in named(count)
    ]
    cut = draw(st.integers(0, count - 1))
    node = replace(nodes[cut], release=OLD)
    for act in list(acts(node, NEW))[: draw(st.integers(0, 7))]:
        node = after(node, act, NEW)
    nodes[cut] = node
    return nodes


def carried_out(nodes: list[RollNode], steps: int | None = None) -> list[RollNode]:
    world = {node.name: node for node in nodes}
    for done, (act, name) in enumerate(plan(nodes, NEW)):
        if steps is not None and done >= steps:
            break
        world[name] = after(world[name], act, NEW)
    return list(world.values())


@given(fleets())
def test_at_most_one_node_is_out_of_service_at_any_time(nodes: list[RollNode]) -> None:
    world = {node.name: node for node in nodes}
    for act, name in plan(nodes, NEW):
        world[name] = after(world[name], act, NEW)
        assert sum(node.serves for node in world.values()) >= len(world) - 1


@given(fleets(), st.integers(0, 40))
def test_planning_again_from_any_interrupted_point_ends_with_every_node_in_service_on_the_declared_version(
    nodes: list[RollNode], cut: int
) -> None:
    assert all(node.done(NEW) for node in carried_out(carried_out(nodes, cut)))
    assert list(plan(carried_out(nodes), NEW)) == []


@given(fleets())
def test_no_version_touches_data_before_they_are_copied_and_no_node_stops_with_clients(nodes: list[RollNode]) -> None:
    world = {node.name: node for node in nodes}
    for act, name in plan(nodes, NEW):
        if act == "stop":
            assert world[name].shut
            assert world[name].clients == 0
        if act == "start":
            assert world[name].copied
        if act == "open":
            assert world[name].ready
        world[name] = after(world[name], act, NEW)


@given(fleets(), st.integers(0, 40))
def test_a_node_that_is_on_the_declared_version_is_not_stopped_again(nodes: list[RollNode], cut: int) -> None:
    first = list(plan(nodes, NEW))[:cut]
    rest = list(plan(carried_out(nodes, cut), NEW))
    stopped = [name for act, name in [*first, *rest] if act == "stop"]
    assert len(stopped) == len(set(stopped))


def test_the_node_with_the_fewest_clients_goes_first_and_the_declared_order_decides_among_equals() -> None:
    nodes = [RollNode("a", OLD, clients=9), RollNode("b", OLD, clients=3), RollNode("c", OLD, clients=3)]
    assert order(nodes, NEW) == ("b", "c", "a")


def test_the_node_that_is_out_already_goes_first_whatever_the_others_have() -> None:
    nodes = [RollNode("a", OLD, clients=0), RollNode("b", OLD, running=False, ready=False, shut=True, copied=True)]
    assert order(nodes, NEW) == ("b", "a")
    assert list(plan(nodes, NEW))[:3] == [Transition("start", "b"), Transition("ready", "b"), Transition("open", "b")]


def test_two_nodes_that_are_out_stop_a_roll_before_anything_is_done() -> None:
    nodes = [RollNode("a", OLD, running=False), RollNode("b", NEW, ready=False), RollNode("c", OLD)]
    with pytest.raises(RollError, match="a and b are out of service, and a roll takes out one node at a time"):
        next(plan(nodes, NEW))
    with pytest.raises(RollError):
        refuse_two_out(nodes)


def test_a_whole_node_goes_through_all_seven_acts() -> None:
    assert [act for act, _ in plan([RollNode("a", OLD, clients=1)], NEW)] == [
        "shut",
        "move",
        "stop",
        "copy",
        "start",
        "ready",
        "open",
    ]
