"""Behind a balancer that cannot close connections, EMQX's own rebalance brings the loads of a cluster within a tenth of each other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.cutover.evacuation import Evacuation
from components.cutover.facts import Thresholds
from components.cutover.roll import Release
from components.cutover.spread import even
from components.ledger.registry import ledger_of
from components.links.evening import even_out
from components.links.roll import Rolling
from components.resources.link import LinkInputs
from components.resources.world import opened
from components.routers.base import Capabilities
from components.routers.share import set_server
from tests.lab.moving_bed import MovingBed

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

CLIENTS = 60


class CannotClose:
    """The balancer of the bed, as one that only knows of new connections."""

    can = Capabilities("new-connections")

    def __init__(self, router: Any) -> None:
        self._router = router

    def __getattr__(self, name: str) -> Any:
        return getattr(self._router, name)


def loads(bed: MovingBed) -> dict[str, int]:
    return {one["node"]: one["live_connections"] for one in bed.api("blue", "GET", "/nodes")}


def empty_one(bed: MovingBed, node: str) -> None:
    """As the node that was rolled last is."""
    ledger = ledger_of(bed.balancer)
    asyncio.run(set_server(bed.router, ledger, "blue", node, "maint", holder=None))
    rows = bed.api("blue", "GET", f"/clients?limit=10000&fields=clientid&node={node}")["data"]
    bed.api("blue", "POST", "/clients/kickout/bulk", [row["clientid"] for row in rows])
    bed.wait(lambda: loads(bed)[node] == 0 and sum(loads(bed).values()) == CLIENTS)
    asyncio.run(set_server(bed.router, ledger, "blue", node, "ready", holder=None))
    bed.wait(lambda: asyncio.run(bed.router.health())["blue"][node])
    bed.devices.mark()


async def level(bed: MovingBed) -> dict[str, Any]:
    words = {"name": "rebalance", "to": "blue", "run": "token", "direction": "forward", "after": "before"}
    inputs = LinkInputs.model_validate({**bed._world(), **words})
    async with opened(inputs, bed.credentials, "token") as run:
        here = replace(run, router=CannotClose(run.router))
        await here.begin({})
        unused: Any = None
        rolling = Rolling(
            run=here,
            colour="blue",
            declared=Release("5.8.8", "ee"),
            keeper=unused,
            of_nodes=unused,
            work_directory=bed.directory,
            budget_per_second=100,
            gates=Thresholds(),
            knobs=Evacuation(),
            may_end=False,
        )
        return await even_out(rolling)


def test_the_empty_node_gets_its_part_and_nobody_is_moved_twice(tmp_path: Path) -> None:
    with MovingBed(tmp_path / "bed", CLIENTS) as bed:
        last = bed.node("blue", 2)
        empty_one(bed, last)
        assert loads(bed)[last] == 0
        facts = asyncio.run(level(bed))
        assert even(loads(bed)), loads(bed)
        assert facts["loads"] == loads(bed)
        moved = sorted(bed.devices.disconnects())
        assert sum(moved) == facts["moved"]
        assert moved[-1] == 1
        assert bed.api("blue", "GET", "/load_rebalance/global_status")["rebalances"] == []
