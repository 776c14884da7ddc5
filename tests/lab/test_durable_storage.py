"""The replicas of durable storage go from the old nodes of a lab cluster to the new ones over the `ds` API, before an old one may stop."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from components.cutover.words import Colour
from components.emqx.base import Cluster
from components.emqx.models import ClusterHandle, Credentials, Node
from components.emqx.registry import cluster_of
from components.links.storage import durable, move_replicas, unsettled, without_site
from components.run.run import Run, SystemClock
from tests.fake_balancer import FakeLedger, FakeRouter
from tests.lab.membership_bed import Lines, lines
from tests.lab.recordings.bed import AUTH
from tests.unit.fake_run import as_declared, one_millisecond

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

ON = {"durable_sessions": {"enable": True}}


def cluster(colour: Colour, names: list[str], version: str) -> Cluster:
    hosts = [name.partition("@")[2] for name in names]
    nodes = tuple(
        Node(name=name, api=f"http://{host}:18083", mqtt=f"{host}:1883")
        for name, host in zip(names, hosts, strict=True)
    )
    handle = ClusterHandle(colour=colour, nodes=nodes, version=version, edition="ee")
    return cluster_of(handle, Credentials(api_key=AUTH[0], api_secret=AUTH[1]), scope="colour")


def run_of(blue: Cluster, green: Cluster, told: list[str]) -> Run:
    ledger = FakeLedger()
    ledger.memory["run"] = "a"
    nothing: Any = lambda *_, **__: None  # noqa: E731
    return Run(
        clusters={"blue": blue, "green": green},
        router=FakeRouter(ledger),
        ledger=ledger,
        token="a",
        record=nothing,
        progress=told.append,
        warn=told.append,
        interrupted=nothing,
        clock=SystemClock(),
        connect_milliseconds=one_millisecond,
        answers=as_declared,
        scope="colour",
    )


async def on(bed: Lines, names: list[str]) -> int:
    """The replicas that these nodes have, as they say."""
    sites = await bed.get(bed.first, "/ds/sites")
    rows = [await bed.get(bed.first, f"/ds/sites/{site}") for site in sites]
    return sum(len(row["shards"]) for row in rows if row["node"] in names)


async def test_every_shard_is_on_the_new_nodes_and_on_no_old_one(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        bed = await stack.enter_async_context(lines(tmp_path, version="5.8.10", edition="ee", config=ON))
        old = list(bed.blue.names())
        assert await on(bed, old) == 8
        new = await bed.join("green", version="5.8.11", edition="ee", nodes=2)
        for name in new:
            await bed.shows(name, dict.fromkeys([*old, *new], "running"))
        blue = await stack.enter_async_context(cluster("blue", old, "5.8.10"))
        green = await stack.enter_async_context(cluster("green", new, "5.8.11"))
        assert await durable(blue)
        assert await without_site(blue, green) == {}
        told: list[str] = []
        facts = await move_replicas(run_of(blue, green, told), blue, green)
        assert facts["storages"] == ["messages"]
        assert len(facts["sites"]) == 2
        assert (await on(bed, old), await on(bed, new)) == (0, 8)
        assert told == ["durable storage messages is on green, and on no node of blue"]
        assert await move_replicas(run_of(blue, green, told), blue, green) == {}
        await bed.membership.stop_node(new[0])
        assert "down at" in await unsettled(green.storage)


async def test_where_durable_sessions_are_off_there_is_nothing_to_move(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        bed = await stack.enter_async_context(lines(tmp_path, version="5.8.10", edition="ee"))
        blue = await stack.enter_async_context(cluster("blue", list(bed.blue.names()), "5.8.10"))
        assert not await durable(blue)
        assert blue.storage is not None
        assert await blue.storage.sites() == {}
        assert await unsettled(blue.storage) == ""
