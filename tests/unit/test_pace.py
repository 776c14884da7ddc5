"""The budget: never above it, not below it without a reason, split over nodes that drain together."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.evacuation import adoptable
from components.cutover.pace import (
    LATE_SECONDS,
    Pace,
    evacuation_limit_seconds,
    evacuation_seconds,
    limit_seconds,
    split,
)

pytestmark = pytest.mark.unit

NODES = st.dictionaries(st.sampled_from([f"emqx@127.0.1.{n}" for n in range(1, 8)]), st.integers(0, 5_000), min_size=1)


@given(st.integers(1, 5_000), st.lists(st.floats(0, 20), min_size=1, max_size=60))
def test_in_any_window_at_most_the_budget_and_one_burst_are_moved(budget: int, pauses: list[float]) -> None:
    now, pace, batches = 100.0, Pace(budget, at=100.0), []
    for pause in pauses:
        now += pause
        due, pace = pace.take(now)
        assert due >= 0
        batches.append((now, due))
    burst = 1 + budget * pace.burst_seconds
    for first, (since, _) in enumerate(batches):
        for last in range(first, len(batches)):
            moved = sum(due for _, due in batches[first : last + 1])
            assert moved <= budget * (batches[last][0] - since) + burst + 1e-6 * budget


@given(st.integers(1, 3_000), st.integers(1, 3_000), st.floats(0, 0.1))
def test_slow_calls_do_not_make_it_slower_than_the_budget(budget: int, clients: int, call_seconds: float) -> None:
    now, pace, done = 0.0, Pace(budget, at=0.0), 0
    while done < clients:
        wait = pace.wait_seconds()
        assert wait > 0
        now += wait + call_seconds
        due, pace = pace.take(now)
        done += due
    slack = pace.batch_interval_seconds + call_seconds + 1 / budget
    assert now <= limit_seconds(clients, budget) + slack + 0.01


def test_lost_time_is_not_caught_up() -> None:
    due, pace = Pace(400, at=0.0).take(60.0)
    assert due == 101  # a quarter of a second's worth and one
    assert pace.take(60.1)[0] == 40


def test_a_clock_that_goes_back_gives_nothing() -> None:
    _, pace = Pace(100, at=50.0).take(51.0)
    assert pace.take(10.0)[0] == 0


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Pace(0, at=0.0)


@given(st.integers(1, 2_000), NODES, st.none() | st.integers(1, 500))
def test_rates_keep_the_budget_and_the_cap_and_each_node_has_one(
    budget: int, nodes: dict[str, int], cap: int | None
) -> None:
    rates = split(budget, nodes, cap)
    assert rates.keys() == nodes.keys()
    assert min(rates.values()) >= 1
    assert sum(rates.values()) <= max(budget, len(nodes))
    assert cap is None or max(rates.values()) <= max(1, cap)


@given(st.integers(1, 300), NODES)
def test_no_other_split_of_the_budget_is_done_earlier(budget: int, nodes: dict[str, int]) -> None:
    def seconds(rates: dict[str, int]) -> int:
        return max(math.ceil(count / rates[name]) for name, count in nodes.items())

    needed = seconds(split(budget, nodes))
    if needed > 1:
        # To be done one second earlier each node would need at least this rate.
        faster = sum(max(1, math.ceil(count / (needed - 1))) for count in nodes.values())
        assert faster > max(budget, len(nodes))


def test_the_recorded_evacuation_of_three_nodes_is_as_long_as_expected() -> None:
    # D_evacuate_all_nodes: 21 clients at 2 per node and second after 2 s, live connections 0 at 5.0, next state at 6.1
    assert split(6, {"a": 7, "b": 7, "c": 7}) == {"a": 2, "b": 2, "c": 2}
    assert evacuation_seconds(21, 6, 2) == 7
    assert evacuation_seconds(0, 6, 2) == 2


def _running(name: str, rate: int = 3, state: str = "evicting_conns", goal: int = 0) -> dict[str, object]:
    # the shape of recording 04b_evacuation_run
    return {
        "node": name,
        "state": state,
        "stats": {"current_sessions": 10, "initial_sessions": 10, "current_connected": 7, "initial_connected": 10},
        "session_recipients": ["emqx@127.0.1.3"],
        "session_goal": 0,
        "connection_goal": goal,
        "session_eviction_rate": 2,
        "connection_eviction_rate": rate,
    }


def test_an_evacuation_within_the_budget_is_adopted_and_the_rest_of_the_budget_is_left() -> None:
    found = adoptable({"evacuations": [_running("a")], "purges": [], "rebalances": []}, ["a", "b"], 10)
    assert found == (("a",), ("b",), 7, "", {"a": 3})


def test_an_evacuation_that_evicts_nobody_any_more_uses_no_budget() -> None:
    found = adoptable({"evacuations": [_running("a", 500, "prohibiting")]}, ["a", "b"], 10)
    assert found.refused == ""
    assert found.budget_left == 10


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"evacuations": [_running("a", 6), _running("b", 5)]}, "11 clients per second, the budget is 10"),
        ({"evacuations": [_running("a", goal=100)]}, "ends at 100 connections"),
        ({"evacuations": [{"node": "a", "state": "evicting_conns"}]}, "does not say its rate"),
        ({"evacuations": [], "rebalances": [{"node": "b"}]}, "rebalances run on b"),
        ({"evacuations": [], "rebalances": [{"node": "z", "donors": ["a"]}]}, "rebalances run on z"),
        ({"evacuations": [], "purges": [{"node": "a"}]}, "purges run on a"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(status: dict[str, object], reason: str) -> None:
    assert reason in adoptable(status, ["a", "b"], 10).refused


def test_evacuations_of_other_clusters_nodes_are_not_looked_at() -> None:
    assert adoptable({"evacuations": [_running("z", 999)]}, ["a"], 10) == ((), ("a",), 10, "", {})


def test_the_rates_of_adopted_evacuations_are_told_as_long_as_they_evict() -> None:
    running = {"evacuations": [_running("a", 2), _running("b", 3, "prohibiting")]}
    assert adoptable(running, ["a", "b", "c"], 10).rates == {"a": 2}


@given(NODES, st.integers(1, 1_000), st.none() | st.integers(1, 50))
def test_an_evacuation_is_not_given_up_before_its_own_rates_can_be_done(
    connections: dict[str, int], budget: int, most: int | None
) -> None:
    rates = split(budget, connections, most)
    needed = max(math.ceil(count / rates[node]) + 1 for node, count in connections.items())
    assert evacuation_limit_seconds(connections, rates) >= LATE_SECONDS + needed - 1
