"""Between two updates nobody but the health check looks at a node that dies and boots again: it gets no client while it lets everybody in, or nobody."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.emqx.models import BalancerHandle
from components.routers.haproxy import process, runtime
from components.routers.haproxy.configuration import BACK_SECONDS, HaproxySettings, Side, render
from components.routers.haproxy.frontends import Bind
from components.routers.haproxy.names import server_name
from components.routers.haproxy.router import HaproxyRouter
from lab.node.boot import Delays
from tests.handles import cluster_at
from tests.lab.balancer_bench import loopback
from tests.lab.membership_bed import Steps, lines, probes

pytestmark = pytest.mark.lab

TRIES = 8
WELL = ("00", "86", "86")
LONGEST_ALONE_SECONDS = 12.0
"""As a cluster of its own that answers 200 everywhere (A3_static_join_ee_5.8.10_5.8.11, A4_invite_join_ee_5.8.10_5.8.11)."""


def test_it_is_out_for_longer_than_any_node_was_seen_to_say_that_it_is_well_before_it_is() -> None:
    boot = Delays()
    assert BACK_SECONDS > LONGEST_ALONE_SECONDS > boot.mqtt + boot.open + boot.shut - boot.http
    sides = (Side(cluster=cluster_at("10.0.0.1"), edition="ce"),)
    binds = (Bind(address=":1883"),)
    assert "check inter 500ms fall 2 rise 26 " in render(HaproxySettings(binds=binds, sides=sides))
    assert "check inter 500ms fall 2 rise 3 " in render(HaproxySettings(binds=binds, sides=sides, back_seconds=1.2))


@dataclass(frozen=True)
class Front:
    """HAProxy before the two nodes of a cluster, of which the second is looked at; a node that was down would wait for minutes."""

    place: Path
    address: str
    node: str

    @property
    def router(self) -> HaproxyRouter:
        return HaproxyRouter(BalancerHandle(mqtt=f"{self.address}:1883", admin=(self.admin,), maps=str(self.place)))

    @property
    def admin(self) -> str:
        return str(self.place / process.ADMIN)

    async def until(self, wanted: str, never: str = "none") -> None:
        """Until HAProxy says so of the node."""
        async with asyncio.timeout(60):
            while True:
                shown = await asyncio.to_thread(runtime.ask, self.admin, "show stat blue 4 -1", 10)
                rows = csv.DictReader(shown.strip().removeprefix("# ").splitlines())
                status = next(row["status"] for row in rows if row["svname"] == server_name(self.node))
                if status.startswith(wanted):
                    return
                assert not status.startswith(never), "the health check let it in"
                await asyncio.sleep(0.05)

    async def all_well(self) -> None:
        for _ in range(TRIES):
            assert await probes(f"emqx@{self.address}") == WELL


@asynccontextmanager
async def front(place: Path, names: Sequence[str]) -> AsyncIterator[Front]:
    handle = cluster_at(*(name.partition("@")[2] for name in names), colour="blue", version="5.8.8")
    found = Front(place, loopback(), names[1])
    binds, sides = (Bind(address=f"{found.address}:1883"),), (Side(cluster=handle, edition="ce"),)
    try:
        await asyncio.to_thread(
            process.bring, place, render(HaproxySettings(binds=binds, sides=sides, back_seconds=120))
        )
        yield found
    finally:
        await asyncio.to_thread(process.stop, place)


async def test_a_node_that_died_and_answers_its_check_again_gets_no_client_until_it_is_right(tmp_path: Path) -> None:
    async with lines(tmp_path) as bed, front(tmp_path / "balancer", list(bed.blue.names())) as balancer:
        two = balancer.node
        await balancer.until("UP")
        await balancer.all_well()
        steps = Steps(bed)
        bed.blue.save()  # a node that dies before its first save comes back with nothing
        await bed.blue.kill_node(two)
        await balancer.until("DOWN")
        booting = asyncio.create_task(bed.membership.start(two))
        await steps.until("again")
        assert await probes(two) == ("00", "00", "00")
        await balancer.until("DOWN 4/", never="UP")  # it answers, one look after the other, and says that it is well
        await balancer.all_well()
        steps.go()
        await steps.until("refuses")
        assert await probes(two) == ("87", "87", "87")
        await balancer.all_well()
        steps.go()
        await booting
        assert await probes(two) == WELL
        await balancer.router.set_server("blue", two, "ready")  # whoever has looked closer need not wait
        await balancer.until("UP")
        await balancer.all_well()
