"""A lab cluster of three nodes in the test's own process, with a clock that the test moves on; a file that wants another one has its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from lab.node.broker.cluster import Cluster
from tests.lab.node_bed import serving
from tests.lab.node_mqtt_client import Time


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def cluster(clock: Time) -> AsyncIterator[Cluster]:
    async with serving(3, clock=clock) as made:
        yield made
