"""What the files of a room share: a lab cluster in the test's own process with a clock, clusters of processes, a balancer; a file that wants another has its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from components.local import balancer as balancing
from components.local import cluster as local
from lab.guard import Guard
from lab.node.broker.cluster import Cluster
from tests.lab.balancer_life_bed import Balancer, Clusters
from tests.lab.node_bed import serving
from tests.lab.node_mqtt_client import Time


@pytest.fixture(scope="session", autouse=True)
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever ends these tests, SIGKILL too: what they made to stay ends with them."""
    guard = Guard(tmp_path_factory.getbasetemp())
    yield
    guard.end()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def cluster(clock: Time) -> AsyncIterator[Cluster]:
    async with serving(3, clock=clock) as made:
        yield made


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    made = Clusters(tmp_path_factory.mktemp("clusters"))
    with ExitStack() as stack:
        for name in ("old", "new", "other"):
            stack.callback(local.stop, made.directory / name)
            made.serve(name)
        yield made


@pytest.fixture
def balancer(tmp_path: Path, clusters: Clusters) -> Iterator[Balancer]:
    made = Balancer(tmp_path / "balancer", clusters)
    yield made
    clusters.heal()
    balancing.stop(made.directory)
