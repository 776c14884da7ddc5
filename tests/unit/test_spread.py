"""Where the clients of a roll go: the recorded figures, and what holds for any fleet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.spread import even, excess, moves, poured

pytestmark = pytest.mark.unit

LOADS = st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 400), min_size=1)


def test_a_recorded_roll_of_200_clients_moves_67_of_them_twice_and_leaves_the_last_node_empty() -> None:
    """docs/emqx/rolling.md#three-ways: 133 clients once, 67 twice; 100 / 100 / 0 at the end."""
    played = moves(("a", "b", "c"), {"a": 67, "b": 67, "c": 66}, evens=False)
    assert sum(one.clients for one in played.nodes) == 133 + 2 * 67
    assert played.left == {"a": 100, "b": 100, "c": 0}
    assert played.evened == 0
    assert [one.most_disconnects for one in played.nodes] == [3, 2, 1]


def test_evening_out_moves_a_part_of_the_clients_once_more_and_is_counted() -> None:
    played = moves(("a", "b", "c"), {"a": 67, "b": 67, "c": 66}, evens=True)
    assert played.evened == 66
    assert max(one.most_disconnects for one in played.nodes) == 4


def test_the_fewest_first_is_never_more_disconnects_than_the_most_first() -> None:
    loads = {"a": 10, "b": 100, "c": 90}
    fewest = moves(("a", "c", "b"), loads, evens=False)
    most = moves(("b", "c", "a"), loads, evens=False)
    assert sum(one.clients for one in fewest.nodes) < sum(one.clients for one in most.nodes)


@given(LOADS, st.integers(0, 500))
def test_nobody_is_lost_and_nobody_comes_to_the_node_that_is_out(loads: dict[str, int], clients: int) -> None:
    out = min(loads)
    filled = poured(loads, clients, without=out)
    assert filled[out] == loads[out]
    if len(loads) > 1:
        assert sum(filled.values()) == sum(loads.values()) + clients
        assert all(filled[name] >= loads[name] for name in loads)


@given(LOADS)
def test_a_roll_loses_nobody_and_what_is_given_away_makes_the_loads_even(loads: dict[str, int]) -> None:
    played = moves(tuple(sorted(loads)), loads, evens=True)
    assert sum(played.left.values()) == sum(loads.values())
    given_away = excess(played.left)
    rest = {name: load - given_away.get(name, 0) for name, load in played.left.items()}
    for _ in range(sum(given_away.values())):
        rest[min(rest, key=lambda name: rest[name])] += 1
    assert even(rest)


@given(LOADS)
def test_no_node_gives_more_than_it_has_and_even_nodes_give_nothing(loads: dict[str, int]) -> None:
    gives = excess(loads)
    assert all(0 < gives[name] <= loads[name] for name in gives)
    assert bool(gives) != even(loads)


@pytest.mark.parametrize(
    ("loads", "within"),
    [({"a": 100, "b": 109}, True), ({"a": 100, "b": 112}, False), ({"a": 1, "b": 0}, True), ({"a": 2, "b": 0}, False)],
)
def test_even_is_within_a_tenth_of_the_mean_or_one_client(loads: dict[str, int], within: bool) -> None:
    assert even(loads) is within
