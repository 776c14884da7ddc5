"""The plan of a roll as preview shows it, and which way leads where."""

from __future__ import annotations

import pytest

from components.cutover.roll import Release, RollNode
from components.cutover.roll_forecast import forecast, render
from components.cutover.roll_way import direction, refusal, way_back

pytestmark = pytest.mark.unit

CE8, CE9 = Release("5.8.8", "ce"), Release("5.8.9", "ce")
EE = Release("5.8.11", "ee")
THREE = [RollNode("n1", CE8, clients=67), RollNode("n2", CE8, clients=67), RollNode("n3", CE8, clients=66)]


@pytest.mark.parametrize(
    ("release", "declared", "acknowledged", "says"),
    [
        (CE8, CE9, (), ""),
        (CE8, CE8, (), ""),
        (CE9, EE, (), ""),
        (CE9, CE8, (), "goes down; say `acknowledge: [way_back]`"),
        (CE9, CE8, ("way_back",), ""),
        (EE, CE9, ("way_back",), "put the backup back"),
        (Release("5.9.1", "ee"), Release("5.8.11", "ee"), ("way_back",), "put the backup back"),
        (Release("4.4.19", "ee"), EE, (), "cannot be rolled: two-cluster"),
        (Release("4.4.19", "ee"), Release("5.0.1", "ee"), (), "5.0.1"),
    ],
)
def test_up_is_what_the_matrix_allows_and_down_only_patches_of_one_line_by_name(
    release: Release, declared: Release, acknowledged: tuple[str, ...], says: str
) -> None:
    why = refusal(release, declared, acknowledged)
    assert (says in why) if says else not why


def test_the_way_back_over_an_edition_or_a_line_is_the_backup() -> None:
    assert way_back(CE8, CE9) == "in place"
    assert way_back(CE9, EE) == "backup"
    assert way_back(Release("5.8.11", "ee"), Release("5.9.1", "ee")) == "backup"
    assert direction(Release("5.8.9", "ce"), Release("5.8.9", "ee")) == "up"


def test_the_plan_names_each_node_in_order_with_clients_seconds_and_disconnects() -> None:
    text = render(forecast(THREE, CE9, by="close", evens="close", budget_per_second=10, counted=True))
    assert "roll to 5.8.9 (ce): 3 of 3 nodes, one after the other; 2 of 3 nodes serve meanwhile" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["n3", "5.8.8", "(ce)", "66", "36.6", "4"] in lines
    assert "a client is disconnected 4 times at most" in text
    assert "within 10 % of each other" in text
    assert "acknowledge: [way_back]" in text
    assert "sessions follow their clients" in text


def test_what_could_not_be_counted_is_unknown() -> None:
    plan = forecast(THREE, CE9, by="stop", evens="nothing", budget_per_second=10, counted=False)
    assert (plan.expected_seconds, plan.evened, plan.nodes[0].clients) == (None, None, None)
    assert "expected unknown minutes" in render(plan)
    assert "lets anonymous clients in" in render(plan)
    assert "the last one stays empty" in render(plan)


def test_nothing_is_to_be_done_where_every_node_runs_it_and_a_half_done_roll_shows_the_rest() -> None:
    assert "nothing to do" in render(
        forecast(THREE, CE8, by="close", evens="close", budget_per_second=10, counted=True)
    )
    half = [THREE[0], RollNode("n2", CE9, clients=67), THREE[2]]
    assert [
        row.node for row in forecast(half, CE9, by="close", evens="close", budget_per_second=10, counted=True).nodes
    ] == ["n3", "n1"]


def test_open_source_to_enterprise_says_that_the_backup_is_the_way_back_and_what_the_route_asks() -> None:
    nodes = [RollNode(name, CE9, clients=5) for name in ("n1", "n2", "n3")]
    text = render(forecast(nodes, EE, by="close", evens="close", budget_per_second=10, counted=True))
    assert "the way back: the backup of each node" in text
    assert "set license.key in each new node's emqx.conf" in text


def test_a_single_node_is_said_to_serve_nobody_meanwhile() -> None:
    assert "nobody is served while it restarts" in render(
        forecast(THREE[:1], CE9, by="close", evens="nothing", budget_per_second=10, counted=True)
    )


def test_emqx_itself_evens_out_at_its_own_rate_and_the_plan_says_how_long_that_takes() -> None:
    """One client a second of each of the two fuller nodes, or it would overshoot."""
    fast = forecast(THREE, CE9, by="close", evens="close", budget_per_second=10, counted=True)
    slow = forecast(THREE, CE9, by="evacuation", evens="rebalance", budget_per_second=10, counted=True)
    assert fast.evened
    assert slow.evened
    assert fast.evening_seconds == round(fast.evened / 10, 1)
    assert slow.evening_seconds == round(slow.evened / 2, 1)
