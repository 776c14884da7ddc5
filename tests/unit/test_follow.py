"""The pace that follows: slower before a gate gives up, back when it is well, never above the budget, and at rest in the end."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.facts import Verdict
from components.cutover.follow import LEAST_PART, MOST_RECOVERIES, NEAR, Pacing, nearest, strain
from components.cutover.pace import Pace

pytestmark = pytest.mark.unit

BUDGET = st.integers(1, 5_000)


def run(budget: int, strains: list[float], every: float = 1.0) -> list[Pacing]:
    pacing, seen = Pacing.full(budget, 0.0), []
    for look, one in enumerate(strains):
        pacing = pacing.after(look * every, one)
        seen.append(pacing)
    return seen


@settings(max_examples=200)
@given(BUDGET, st.lists(st.floats(0, 3), max_size=300), st.floats(0.1, 5))
def test_whatever_is_measured_the_rate_is_never_above_the_budget_and_never_nothing(
    budget: int, strains: list[float], every: float
) -> None:
    for one in run(budget, strains, every):
        assert max(1, budget // LEAST_PART) <= one.rate_per_second <= budget


@settings(max_examples=200)
@given(BUDGET, st.lists(st.floats(0, 3), min_size=1, max_size=2_000))
def test_however_the_gates_go_up_and_down_the_rate_changes_a_bounded_number_of_times(
    budget: int, strains: list[float]
) -> None:
    rates = [budget, *(one.rate_per_second for one in run(budget, strains))]
    changes = sum(before != now for before, now in itertools.pairwise(rates))
    assert sum(before < now for before, now in itertools.pairwise(rates)) <= MOST_RECOVERIES
    # each recovery doubles at most, so it can be halved once more; from the budget down there are five halvings
    assert changes <= 2 * MOST_RECOVERIES + 5


@given(BUDGET, st.lists(st.floats(0, NEAR, exclude_max=True), max_size=100))
def test_gates_that_are_well_leave_the_budget_alone(budget: int, strains: list[float]) -> None:
    assert all(one.rate_per_second == budget for one in run(budget, strains))


def test_half_of_a_threshold_halves_the_rate_and_health_brings_it_back() -> None:
    seen = [one.rate_per_second for one in run(400, [0.2, 0.5, 0.3, *[0.1] * 20])]
    assert seen[:3] == [400, 200, 200]
    assert seen[-1] == 400


def test_what_gets_better_by_itself_is_not_slowed_down_further() -> None:
    falling = [0.9, *[0.9 - 0.01 * look for look in range(1, 40)]]
    assert {one.rate_per_second for one in run(400, falling)} == {200}


def test_only_gates_that_fewer_clients_make_better_are_followed() -> None:
    verdicts = [
        Verdict("memory_used_fraction", "pass", 0.8, 0.9, "n", ""),
        Verdict("share_deviation_percent", "pass", 4.0, 5.0, "", ""),
        Verdict("connect_latency_p99_milliseconds", "pass", 300.0, 1000.0, "", ""),
        Verdict("load1", "unknown", None, 4.0, "n", ""),
    ]
    found = nearest(verdicts)
    assert found is not None
    assert (found.gate, strain(found)) == ("connect_latency_p99_milliseconds", 0.3)
    assert strain(nearest(verdicts[:2])) == 0.0


@pytest.mark.parametrize(("capacity", "finishes"), [(1_000, 60), (150, 200), (60, 700)])
def test_a_fleet_moves_at_what_green_can_take_without_reaching_the_gate(capacity: int, finishes: int) -> None:
    """Green accepts ``capacity`` a second; what comes beyond it waits, and that is the latency of a connect."""
    budget, clients, limit_seconds, backlog = 400, 15_000, 3.0, 0.0
    pacing, pace = Pacing.full(budget, 0.0), Pace(budget, at=0.0)
    moved, second, worst, rates = 0, 0, 0.0, [budget]
    while moved < clients:
        second += 1
        for part in range(20):
            due, pace = pace.at_rate(pacing.rate_per_second).take(second - 1 + (part + 1) / 20)
            moved, backlog = moved + due, backlog + due
        backlog = max(0.0, backlog - capacity)
        latency = backlog / capacity
        worst = max(worst, latency)
        pacing = pacing.after(float(second), latency / limit_seconds)
        rates.append(pacing.rate_per_second)
        assert second < 5_000
    assert max(rates) <= budget
    assert second <= finishes
    if capacity < budget:
        assert min(rates) < budget
    assert len(rates) < 120 or rates[-1] == rates[-60], "it has come to rest"
    assert worst < limit_seconds * (1 if capacity > 100 else 10)
