"""Nodes that cannot boot, or whose process ends before they have met their cluster: nothing of them goes on, and the next try is as the first."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from lab.node import network
from lab.node.process import API_PORT
from tests.lab.membership_bed import FULL, RIGHT, Lines, lines, probe

pytestmark = pytest.mark.lab


async def states(bed: Lines, prefix: str) -> list[bool]:
    return [bed.membership.runs(name) for name in bed.membership.names() if bed.membership.network(name) == prefix]


@pytest.mark.parametrize(("port", "more"), [(1883, {}), (API_PORT, {"cookie": "another"})])
async def test_where_one_address_is_taken_no_node_of_the_life_line_runs_and_the_next_try_brings_all(
    tmp_path: Path, port: int, more: dict[str, Any]
) -> None:
    async with lines(tmp_path, nodes=1) as bed:
        prefix = network.allocate()
        with socket.create_server((f"{prefix}.2", port)), pytest.raises(OSError, match="in use"):
            await bed.join(prefix=prefix, version="5.8.9", edition="ce", nodes=3, **more)
        assert await states(bed, prefix) == [False] * 3
        assert [await probe(f"emqx@{prefix}.{number}", RIGHT) for number in (1, 2, 3)] == ["closed"] * 3
        green = await bed.join(prefix=prefix, version="5.8.9", edition="ce", nodes=3)
        assert [await bed.tables(name) for name in green] == [FULL] * 3


async def test_a_node_whose_process_ended_while_it_waited_for_its_cluster_does_not_come_back_with_the_others(
    tmp_path: Path,
) -> None:
    async with lines(tmp_path, nodes=1) as bed:
        (last,) = await bed.join("last", version="5.8.8", edition="ce", nodes=1)
        (first,) = await bed.join("first", version="5.8.8", edition="ce", nodes=1)
        await bed.membership.stop_node(first)
        await bed.membership.stop_node(last)
        await bed.membership.stop_node(bed.first)
        await bed.membership.start(first)
        assert not bed.membership.runs(first), "it waits for those who ran on without it"
        await bed.membership.leave(bed.membership.network(first), dead=True)
        await asyncio.gather(bed.membership.start(bed.first), bed.membership.start(last))
        assert [bed.membership.runs(name) for name in (bed.first, last, first)] == [True, True, False]
        await bed.membership.start(first)
        assert await bed.tables(first) == (1, 1, 1, 0), "all were down: what is retained is gone"
