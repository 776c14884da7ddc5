"""The plan of a move inside one cluster: no data moves, sessions come along, and what nothing can carry is a loss like any other."""

from __future__ import annotations

import pytest

from components.cutover.forecast import Carries, Fleet, forecast
from components.cutover.movers import Choice
from components.cutover.plan_text import render
from components.cutover.steps import parse_steps
from components.guards.direction import pair
from components.intent import _shared, declared
from components.ledger.remembered import Remembered
from components.settings import Settings

pytestmark = pytest.mark.unit

FLEET = Fleet(clients=100, mqtt5_clients=40, persistent_connected=30, persistent_offline=7, queued_messages=12)


def planned(carries: Carries) -> str:
    plan = forecast(
        to="green",
        direction="forward",
        reason="because",
        share_parts=0,
        steps=parse_steps([{"share": 100}]),
        mover=Choice(mover="close"),
        budget_per_second=50,
        fleet=FLEET,
        carries=carries,
    )
    return render(plan)


def test_the_sessions_that_come_along_are_told_and_are_no_loss() -> None:
    text = planned(Carries(offline=True, how="taken over one by one"))
    assert "one cluster: 37 sessions come along; those of offline clients: taken over one by one" in text
    assert "not carried over: 0 sessions ended, 0 sessions left behind, 0 sessions of offline clients, 0 queued" in text


def test_what_nothing_can_carry_is_counted() -> None:
    text = planned(Carries(offline=False, how="left behind"))
    assert "one cluster: 30 sessions come along" in text
    assert "7 sessions of offline clients, 12 queued messages" in text


def settings(old: str, new: str) -> Settings:
    clusters = {
        colour: {"target": "local", "version": version, "nodes": 1}
        for colour, version in (("blue", old), ("green", new))
    }
    return declared({"live": "green", "clusters": clusters, "workDirectory": "w"})


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [("5.8.8", "5.8.9", False), ("4.4.25", "5.8.11", True)],
)
def test_one_cluster_is_refused_where_no_such_nodes_may_stand_in_one(old: str, new: str, *, refused: bool) -> None:
    found = pair(settings(old, new).clusters, Remembered(), "same-cluster", "same-cluster")
    assert [one.path for one in found] == (["emqx:cutover.strategy"] if refused else [])
    assert pair(settings(old, new).clusters, Remembered()) == []


def test_colours_of_one_cluster_are_not_taken_for_two_before_one_has_left() -> None:
    known = Remembered(share=0, memory={"scope": "colour"})
    (problem,) = _shared(settings("5.8.8", "5.8.9"), known)
    assert problem.path == "emqx:cutover.strategy"
    assert "until one of the two colours" in problem.allowed
    assert _shared(settings("5.8.8", "5.8.9"), known._replace(memory={})) == []
