"""The mover is decided once: the best that strategy, router and edition have, with the reason that the plan prints."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.forecast import Fleet, forecast
from components.cutover.movers import Choice, Circumstances, choose, told_to_go
from components.cutover.plan_text import render
from components.cutover.steps import DEFAULT_STEPS
from components.cutover.words import Edition, Mover
from components.intent import declared, mover_of
from components.movers import MOVERS
from components.strategies import STRATEGIES

pytestmark = pytest.mark.unit

TWO_CLUSTER: tuple[Mover, ...] = ("kick", "evacuation")


def here(edition: Edition = "ee", nodes: int = 3, budget: int = 100, **other: Any) -> Circumstances:
    abilities = {"knows_clients": True, "closes_clients": False, **other}
    return Circumstances(TWO_CLUSTER, edition=edition, nodes=nodes, budget_per_second=budget, **abilities)


@pytest.mark.parametrize(("edition", "shuts"), [("ce", False), ("ee", True)])
def test_two_clusters_behind_a_router_that_knows_clients_are_kicked_on_either_edition(
    edition: Edition, shuts: bool
) -> None:
    found = choose(None, here(edition))
    assert (found.mover, found.cohort, found.shuts) == ("kick", "kick", shuts)
    assert found.empties(shut=True, evacuates=False) == (("kick", "evacuation") if shuts else ("kick",))
    assert found.empties(shut=False, evacuates=False) == ("kick",)


def test_evacuation_remains_a_choice() -> None:
    found = choose("evacuation", here())
    assert (found.mover, found.cohort, found.shuts) == ("evacuation", "kick", True)
    assert found.empties(shut=False, evacuates=False) == ("evacuation",)


@pytest.mark.parametrize(
    ("circumstances", "why"),
    [
        (here("ce"), "the open source edition has none"),
        (here(nodes=3, budget=2), "at least one client per second on each of 3 nodes, the budget is 2"),
    ],
)
def test_a_wish_that_cannot_be_had_is_told_and_the_next_best_stands_in(circumstances: Circumstances, why: str) -> None:
    found = choose("evacuation", circumstances)
    assert found.mover == "kick"
    assert why in found.reason


def test_a_router_that_does_not_know_clients_leaves_them_to_the_nodes() -> None:
    assert choose(None, here(knows_clients=False)).mover == "evacuation"
    assert choose(None, here("ce", knows_clients=False)).mover == "kick"
    assert choose("kick", here(knows_clients=False)).mover == "kick"
    with pytest.raises(ValueError, match="no mover"):
        choose(None, here("ce", knows_clients=False)._replace(movers=("close", "evacuation")))


def test_only_behind_a_router_that_does_not_know_clients_are_they_taken_in_portions() -> None:
    portions = (10.0, 100.0)
    assert choose(None, here(portions=portions)).portions == ()
    assert choose(None, here(knows_clients=False, portions=portions)).portions == portions


def test_closing_at_the_balancer_leads_where_a_strategy_and_a_router_have_it() -> None:
    circumstances = here(closes_clients=True)._replace(movers=("close", *TWO_CLUSTER))
    assert choose(None, circumstances).mover == "close"
    assert choose(None, circumstances._replace(closes_clients=False)).mover == "kick"


@given(
    st.sampled_from([None, *get_args(Mover)]),
    st.permutations(get_args(Mover)),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["ce", "ee"]),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_no_mover_is_chosen_that_cannot_be_had(
    wish: Mover | None, movers: list[Mover], knows: bool, closes: bool, edition: Edition, nodes: int, budget: int
) -> None:
    found = choose(wish, Circumstances(movers, knows, closes, edition, nodes, budget))
    assert found.mover != "close" or closes
    assert found.mover != "kick" or knows or wish == "kick" or edition == "ce" or budget < nodes
    assert found.mover != "evacuation" or (edition == "ee" and budget >= nodes)
    assert found.reason


@given(st.sampled_from(TWO_CLUSTER), st.booleans(), st.booleans())
def test_an_evacuation_that_runs_already_is_never_joined_by_another_mover(
    mover: Mover, shuts: bool, shut: bool
) -> None:
    assert Choice(mover=mover, shuts=shuts).empties(shut=shut, evacuates=True) == ("evacuation",)


def declared_with(cutover: dict[str, str]) -> Choice:
    clusters = {"blue": {"target": "local", "version": "5.8.6", "nodes": 3}}
    return mover_of(declared({"live": "blue", "clusters": clusters, "workDirectory": "w", "cutover": cutover}))


@pytest.mark.parametrize("wish", get_args(Mover))
def test_each_mover_can_be_asked_for_and_another_word_is_refused(wish: Mover) -> None:
    assert declared_with({"mover": wish}).mover == wish
    with pytest.raises(ValueError, match="mover"):
        declared_with({"mover": "carry"})


def test_two_clusters_behind_haproxy_are_moved_by_closing_unless_something_else_is_asked_for() -> None:
    assert declared_with({}).mover == "close"
    assert declared_with({"mover": "evacuation"}).cohort == "close", "who is moved one by one gets a FIN all the same"


@pytest.mark.parametrize(
    ("blue", "green", "live", "shuts"),
    [
        ("ee", "ee", "green", True),
        ("ce", "ee", "green", False),
        ("ce", "ee", "blue", False),
        ("ce", "ce", "green", False),
    ],
)
def test_inside_one_cluster_nodes_are_evacuated_only_to_nodes_that_can_receive(
    blue: str, green: str, live: str, shuts: bool
) -> None:
    clusters = {
        colour: {"target": "local", "version": version, "edition": edition, "nodes": 3}
        for colour, version, edition in (("blue", "5.8.8", blue), ("green", "5.8.9", green))
    }
    stack = {"live": live, "clusters": clusters, "workDirectory": "w", "cutover": {"strategy": "same-cluster"}}
    assert mover_of(declared(stack)).shuts is shuts


def test_a_state_of_before_has_its_cohorts_kicked_beside_an_evacuation() -> None:
    assert Choice.model_validate({"mover": "evacuation", "shuts": True}).cohort == "kick"


def test_every_strategy_has_a_mover_that_is_built() -> None:
    assert all(set(strategy.movers) & MOVERS.keys() for strategy in STRATEGIES.values())


@pytest.mark.parametrize(("mqtt5", "shown"), [(812, "812 MQTT 5 clients get a DISCONNECT"), (None, "unknown MQTT 5")])
def test_the_plan_says_which_mover_why_and_how_many_are_told_to_go(mqtt5: int | None, shown: str) -> None:
    plan = forecast(
        to="green",
        direction="forward",
        reason="",
        share_parts=0,
        steps=DEFAULT_STEPS,
        mover=choose("evacuation", here("ce")),
        budget_per_second=100,
        fleet=Fleet(clients=2_000, mqtt5_clients=mqtt5),
    )
    assert {row.mover for row in plan.steps if row.share is not None} == {"kick"}
    assert "mover: kick (no evacuation: the open source edition has none; by client id" in render(plan)
    assert shown in render(plan)
    assert told_to_go(812, "close") == 0


@pytest.mark.parametrize(
    ("mqtt5", "past", "told"),
    [(812, 0, 0), (812, 7, 7), (3, 7, 3), (None, 7, None), (812, None, None), (None, 0, 0), (0, None, 0)],
)
def test_of_connections_that_the_balancer_does_not_have_those_of_mqtt_5_may_be_told_to_go(
    mqtt5: int | None, past: int | None, told: int | None
) -> None:
    assert told_to_go(mqtt5, "close", past) == told
    plan = forecast(
        to="green",
        direction="forward",
        reason="",
        share_parts=0,
        steps=DEFAULT_STEPS,
        mover=Choice(mover="close"),
        budget_per_second=100,
        fleet=Fleet(clients=2_000, mqtt5_clients=mqtt5, past=past),
        accepts=40,
    )
    assert plan.told_to_go == told
    text = render(plan)
    assert ("7 connections are not the balancer's" in text) == (past == 7)
    assert ("how many connections are the balancer's is unknown" in text) == (past is None)
    assert "the listeners of green accept 40 connections a second" in text
    assert {row.rate_per_second for row in plan.steps if row.share is not None} == {40}


def test_inside_one_cluster_nobody_is_kicked_whatever_is_wished() -> None:
    here = Circumstances(("close", "evacuation"), True, True, "ee", 3, 100)
    for wish in (None, "kick", "evacuation"):
        chosen = choose(wish, here)
        assert "kick" not in {chosen.mover, chosen.cohort, *chosen.empties(shut=True, evacuates=False)}
    assert choose("evacuation", here).cohort == "close"
    assert choose(None, here._replace(closes_clients=False)).cohort == "evacuation"
