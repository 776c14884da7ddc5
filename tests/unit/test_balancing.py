"""Which colour serves first, when a colour stands for another cluster, and how many clients fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.cutover.words import Colour
from components.emqx.errors import Refused
from components.guards.leaving import replaced
from components.intent import declared, standing
from components.routers.fronting import first_share, refuse_small
from components.settings import Settings
from tests.handles import cluster_at

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("live", "counts", "there", "share"),
    [
        ("green", {"green": 0}, (), 10_000),
        ("green", {"blue": 0}, (), 0),
        ("green", {"blue": 5, "green": 0}, (), 0),
        ("blue", {"blue": 5, "green": 6}, ("blue",), 10_000),
        ("green", {"blue": 0, "green": 0}, (), 10_000),
        ("green", {"blue": 0, "green": 0}, ("blue",), 0),
        ("blue", {"blue": 0, "green": 0}, ("green",), 10_000),
        ("green", {"blue": 0, "green": 0}, ("blue", "green"), 10_000),
    ],
)
def test_the_colour_with_more_clients_serves_first_then_the_one_that_was_there(
    live: Colour, counts: dict[Colour, int], there: tuple[Colour, ...], share: int
) -> None:
    assert first_share(live, counts, there) == share


def settings(work: Path, **clusters: Any) -> Settings:
    raw = {"live": "green", "clusters": clusters, "workDirectory": str(work)}
    return declared(raw)


def test_an_external_colour_was_there_and_a_local_one_that_never_ran_was_not(tmp_path: Path) -> None:
    node = {"name": "emqx@10.0.0.1", "api": "http://10.0.0.1:18083", "mqtt": "10.0.0.1:1883"}
    blue = {"target": "external", "version": "5.8.6", "nodes": [node]}
    green = {"target": "local", "version": "5.8.9", "nodes": 1}
    assert standing(settings(tmp_path, blue=blue, green=green)) == ["blue"]


def test_a_colour_stands_for_another_cluster_once_no_name_and_no_address_is_left() -> None:
    old = cluster_at("10.0.0.1", "10.0.0.2")
    assert replaced(old, cluster_at("10.0.0.3", "10.0.0.4"))
    assert not replaced(old, old)
    assert not replaced(old, cluster_at("10.0.0.2", "10.0.0.3")), "scaled, or a node exchanged"
    renamed = old.model_copy(update={"nodes": tuple(n.model_copy(update={"name": "emqx@x"}) for n in old.nodes)})
    assert not replaced(old, renamed)


def test_a_balancer_that_cannot_hold_the_clients_is_refused_with_both_numbers() -> None:
    refuse_small(100, {"blue": 60, "green": 40})
    with pytest.raises(Refused, match=r"101 clients are connected \(60 on blue, 41 on green\), and it holds 100"):
        refuse_small(100, {"blue": 60, "green": 41})
