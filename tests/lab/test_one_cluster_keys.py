"""Colours of one cluster with an API key each: whoever joins brings its own along, and both are good on every node."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from components.cutover.words import Colour
from components.emqx.base import Cluster
from components.emqx.errors import UpgradeError
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.registry import cluster_of
from components.links.readiness import Beside, api_state
from components.local import cluster as local
from tests.lab.local_bed import wanted

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


async def test_each_colours_key_is_good_on_the_nodes_of_both(tmp_path: Path) -> None:
    keys = {colour: Credentials(api_key=f"key-{colour}", api_secret=f"secret-{colour}") for colour in ("blue", "green")}
    places = {colour: tmp_path / colour for colour in keys}
    try:
        blue = await served(places["blue"], keys["blue"])
        green = await served(places["green"], keys["green"], beside=blue)
        async with (
            cluster_of(blue, keys["blue"], scope="colour") as one,
            cluster_of(green, keys["green"], scope="colour") as two,
        ):
            assert await joined(one, two)
        for handle, key in ((blue, keys["green"]), (green, keys["blue"])):
            async with cluster_of(handle, key) as other:
                assert len(await other.nodes()) == 2
    finally:
        for place in places.values():
            local.stop(place)


async def joined(one: Cluster, two: Cluster) -> bool:
    """Within a minute; healthy nodes answer 500 for a moment meanwhile."""
    for _ in range(300):
        with suppress(UpgradeError):
            if not await api_state(two, (), Beside(one, asked=True)):
                return True
        await asyncio.sleep(0.2)
    return False


async def served(place: Path, key: Credentials, beside: ClusterHandle | None = None) -> ClusterHandle:
    colour: Colour = "green" if beside else "blue"
    cluster = replace(wanted(place, "5.8.9" if beside else "5.8.8"), name=colour, beside=beside)
    found = await asyncio.to_thread(local.serve, cluster, key, lambda: None)
    return ClusterHandle.model_validate(found["handle"])
