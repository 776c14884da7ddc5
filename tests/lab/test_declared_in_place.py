"""A version that is only declared: in place the cluster's resource takes it and restarts nothing; whoever died comes back as what it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.emqx.models import ClusterHandle
from components.keepers.base import Running
from components.keepers.registry import keeper_of
from components.local import cluster as local
from components.local import release_processes
from components.local.release import last_of
from components.system import detached
from tests.lab.local_bed import wanted
from tests.lab.release_bed import CREDENTIALS, Colour, in_two_versions

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Colour]:
    with in_two_versions(tmp_path_factory.mktemp("in-place")) as made:
        yield made


def newer(colour: Colour, **more: Any) -> dict[str, Any]:
    return {"version": "5.8.9", "emqx_home": str(colour.directory.parents[1] / "5.8.9"), "in_place": True, **more}


def pids(colour: Colour) -> list[int]:
    running = release_processes.running(colour.directory)
    return [] if running is None else list(running["pids"])


def versions(colour: Colour) -> list[str]:
    found = map(last_of, release_processes.described(colour.directory))
    return [one.version for one in found if one is not None]


def test_another_version_is_refused_where_nothing_is_rolled(colour: Colour) -> None:
    failures = colour.provider.check({**colour.state}, {**colour.props, **newer(colour, in_place=False)}).failures
    assert failures
    assert "its emqx_home would change" in failures[0].reason


def test_a_version_that_is_declared_in_place_restarts_nothing_and_stands_in_the_handle(colour: Colour) -> None:
    before = pids(colour)
    assert colour.up(**newer(colour))
    assert pids(colour) == before
    assert colour.state["handle"]["version"] == "5.8.9"
    assert colour.state["handle"]["keeper"]["release"].endswith("5.8.9")
    assert versions(colour) == ["5.8.8", "5.8.8"]


def test_a_release_is_not_made_lab_nodes_in_place(colour: Colour) -> None:
    failures = colour.provider.check({**colour.state}, {**colour.props, **newer(colour, emqx_home=None)}).failures
    assert failures


def test_the_node_that_a_roll_has_taken_out_is_the_rolls_alone(colour: Colour) -> None:
    out = colour.nodes[0]["name"]
    release_processes.stop_node(release_processes.described(colour.directory)[0], limit_seconds=5)
    left = pids(colour)
    assert colour.up(**newer(colour, in_work=out))
    assert pids(colour) == left


def test_a_node_that_died_comes_back_with_the_version_that_it_had(colour: Colour) -> None:
    detached.kill(pids(colour))
    assert colour.up(**newer(colour))
    assert len(pids(colour)) == 2
    assert versions(colour) == ["5.8.8", "5.8.8"]


async def test_lab_nodes_that_all_died_in_the_middle_of_a_roll_come_back_as_what_they_were(tmp_path: Path) -> None:
    directory = tmp_path / "clusters" / "blue"
    first = replace(wanted(directory, "5.8.8"), nodes=2)
    try:
        served = local.serve(first, CREDENTIALS, lambda: None)
        handle = ClusterHandle.model_validate(served["handle"])
        keeper = keeper_of(handle, CREDENTIALS)
        assert keeper is not None
        rolled, other = (node.name for node in handle.nodes)
        await keeper.stop(rolled)
        await keeper.start(rolled, "5.8.9", "ee")
        local.stop(directory)
        local.serve(
            replace(first, version="5.8.9", in_place=True, network=served["network"]), CREDENTIALS, lambda: None
        )
        assert await keeper.runs(rolled) == Running("5.8.9", "ee")
        assert await keeper.runs(other) == Running("5.8.8", "ee")
    finally:
        local.stop(directory)
