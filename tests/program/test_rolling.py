"""What the program declares of a roll: one chain beside one colour, a link for each node, and nothing that restarts one by itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.emqx.errors import BadInput
from components.intent import load
from components.strategies import STRATEGIES
from components.strategies.rolling import Rolling
from tests.program.conftest import Recorder
from tests.program.declaring import declare

pytestmark = pytest.mark.program

CHAIN = [
    ("Cutover", "cutover"),
    ("Backup", "cutover-backup"),
    ("NodeUpgrade", "cutover-roll-1"),
    ("NodeUpgrade", "cutover-roll-2"),
    ("NodeUpgrade", "cutover-roll-3"),
    ("Rebalance", "cutover-rebalance"),
]


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES, "rolling", Rolling())


def test_a_roll_is_a_link_for_each_node_behind_a_backup_and_evens_out_at_the_end(
    recorder: Recorder, config: Callable[..., Any]
) -> None:
    config("blue", "blue", strategy="rolling")
    declare()
    prefix = "pulumi-python:dynamic/emqx:"
    links = [(one.type.removeprefix(prefix), one.name) for one in recorder.seen if one.name.startswith("cutover")]
    assert sorted(links) == sorted(CHAIN)
    for (_, before), (_, name) in itertools.pairwise(CHAIN):
        assert recorder.named(name).inputs["after"] == f"token-of-{before}"
    assert [recorder.named(f"cutover-roll-{number}").inputs["number"] for number in (1, 2, 3)] == [1, 2, 3]


def test_the_cluster_and_the_balancer_are_told_that_a_version_is_only_declared(
    recorder: Recorder, config: Callable[..., Any]
) -> None:
    config("blue", "blue", strategy="rolling")
    declare()
    assert recorder.named("blue-nodes").inputs["in_place"] is True
    assert recorder.named("balancer-haproxy").inputs["in_place"] is True
    assert recorder.named("cutover").inputs["in_place"] is True


def test_without_the_strategy_nothing_is_in_place(recorder: Recorder, config: Callable[..., Any]) -> None:
    config("green", "blue", "green")
    declare()
    assert recorder.named("blue-nodes").inputs["in_place"] is False
    assert recorder.named("cutover").inputs["in_place"] is False


def test_a_second_colour_beside_one_that_is_upgraded_in_place_is_refused(
    recorder: Recorder, config: Callable[..., Any]
) -> None:
    config("blue", "blue", "green", strategy="rolling")
    with pytest.raises(BadInput, match=r"emqx:clusters\.green: declared; allowed: nothing beside blue"):
        load(pulumi.Config("emqx").get, stack="test")
