"""The seeds trap, by the link that lets old nodes leave: in our order nothing is lost, in the wrong one the lab's cluster loses everything, and answers 200.

Recordings G1_offline_sessions_by_takeover_and_seeds_trap, G2_seeds_blue_stopped_first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from components.cutover.words import Colour
from components.emqx.base import Cluster
from components.emqx.errors import GaveUp, Refused
from components.emqx.models import Credentials
from components.emqx.probes import answers
from components.emqx.registry import cluster_of
from components.keepers.copies import aside
from components.ledger.base import LEASE
from components.links.leave import leave
from components.run.run import Run
from tests.fake_balancer import FakeLedger, FakeRouter
from tests.handles import cluster_at
from tests.lab.membership_bed import CONFIGURED, Lines, lines
from tests.lab.recordings.bed import AUTH

pytestmark = pytest.mark.lab

KEPT = (1, 1, 1, 0)
"""All but retained messages, which every stop of all nodes loses (G2)."""
CREDENTIALS = Credentials(api_key=AUTH[0], api_secret=AUTH[1])


class Hurried:
    """Waits are as long as they say for whoever counts, and short for the test."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0.02)


@dataclass
class Ours:
    """Who keeps blue's nodes; ``brings_back`` is a start script of somebody else that starts whatever has ended."""

    bed: Lines
    brings_back: bool = False

    async def stop(self, node: str) -> None:
        await self.bed.membership.stop_node(node)
        if self.brings_back:
            await self.bed.membership.start(node)

    async def set_aside(self, node: str) -> Path | None:
        assert not self.bed.membership.runs(node)
        return aside(self.bed.membership.place(node))


class Careless(Ours):
    """The wrong order: nothing is stopped, so that the nodes are forced out while they run."""

    async def stop(self, node: str) -> None:
        """They run on."""

    async def set_aside(self, node: str) -> Path | None:
        return None


@dataclass
class Trap:
    """Blue of one node, two green ones that were told its name, and a run of the link."""

    bed: Lines
    green: list[str]
    old: Cluster
    new: Cluster
    warnings: list[str] = field(default_factory=list)

    @property
    def blue(self) -> str:
        return self.bed.first

    def run(self) -> Run:
        ledger = FakeLedger()
        ledger.memory[LEASE] = "a"

        async def none(_: Any) -> None:
            return None

        return Run(
            clusters={"green": self.new},
            router=FakeRouter(ledger),
            ledger=ledger,
            token="a",
            record=lambda *_, **__: None,
            progress=lambda _: None,
            warn=self.warnings.append,
            interrupted=lambda: None,
            clock=Hurried(),
            connect_milliseconds=none,
            answers=answers,
            scope="colour",
        )

    async def leave(self, keeper: Any) -> dict[str, Any]:
        return await leave(self.run(), self.old, "green", keeper, sessions_may_end=False)

    async def restart_green(self, *, naming_blue: bool) -> None:
        """All at once; the target's own starts name nobody who has left."""
        for name in self.green:
            await self.bed.membership.stop_node(name)
        for name in self.green:
            if not naming_blue:
                terms = self.bed.membership.terms(name)
                self.bed.membership.set_terms(name, replace(terms, seeds=tuple(self.green)))
            await self.bed.membership.start(name)

    async def members(self) -> set[str]:
        return set((await self.bed.get(self.green[0], "/cluster"))["nodes"])


def _opened(colour: Colour, names: list[str]) -> Cluster:
    handle = cluster_at(*(name.partition("@")[2] for name in names), colour=colour)
    return cluster_of(handle, CREDENTIALS, scope="colour", patience_seconds=10.0)


@asynccontextmanager
async def trap(directory: Path) -> AsyncIterator[Trap]:
    async with lines(directory, nodes=1) as bed:
        green = await bed.join(version="5.8.9", edition="ce", nodes=2)
        for name in green:
            await bed.shows(name, dict.fromkeys((bed.first, *green), "running"))
        old, new = _opened("blue", [bed.first]), _opened("green", green)
        async with old, new:
            yield Trap(bed, green, old, new)


async def test_in_our_order_nothing_is_lost_though_somebody_starts_blue_again_and_all_of_green_restarts(
    tmp_path: Path,
) -> None:
    async with trap(tmp_path) as here:
        facts = await here.leave(Ours(here.bed))
        assert facts["left"] == [here.blue]
        assert facts["aside"]
        await here.bed.membership.start(here.blue)  # its start script is still there, its data are not
        assert await here.bed.nodes(here.blue) == {here.blue: "running"}, "it does not come back by itself"
        await here.restart_green(naming_blue=False)
        assert await here.members() == set(here.green)
        assert [await here.bed.tables(name) for name in here.green] == [KEPT] * 2


async def test_stopped_first_and_not_started_again_green_may_restart_even_with_blue_among_its_seeds(
    tmp_path: Path,
) -> None:
    async with trap(tmp_path) as here:
        await here.leave(Ours(here.bed))
        await here.restart_green(naming_blue=True)
        assert await here.members() == set(here.green)
        assert await here.bed.tables(here.green[0]) == KEPT


async def test_in_the_wrong_order_everything_is_lost_and_every_call_answers_200(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_mind(*_: Any) -> None:
        """Not waited for: neither until it is stopped nor until it is gone."""

    monkeypatch.setattr("components.links.leave._until", never_mind)
    async with trap(tmp_path) as here:
        await here.leave(Careless(here.bed))
        await here.restart_green(naming_blue=True)
        assert await here.members() == {here.blue, *here.green}
        assert [await here.bed.tables(name) for name in here.green] == [CONFIGURED] * 2


async def test_a_node_that_somebody_keeps_alive_is_not_forced_out_and_once_it_stays_stopped_it_leaves(
    tmp_path: Path,
) -> None:
    async with trap(tmp_path) as here:
        keeper = Ours(here.bed, brings_back=True)
        with pytest.raises(GaveUp, match=f"not listed as stopped by every node that stays: {here.blue}"):
            await here.leave(keeper)
        assert await here.members() == {here.blue, *here.green}
        keeper.brings_back = False
        await here.bed.shows(here.green[0], dict.fromkeys((here.blue, *here.green), "running"))
        await here.leave(keeper)
        assert await here.members() == set(here.green)


async def test_nodes_that_are_not_ours_and_would_look_for_those_that_leave_are_told_before_anything_is_forced_out(
    tmp_path: Path,
) -> None:
    async with trap(tmp_path) as here:
        with pytest.raises(Refused, match="they are not ours to stop"):
            await here.leave(None)
        assert [f"{name} still has {here.blue} among its seeds" in " ".join(here.warnings) for name in here.green] == [
            True,
            True,
        ]
        await here.bed.membership.stop_node(here.blue)
        await here.bed.shows(here.green[0], {here.blue: "stopped", **dict.fromkeys(here.green, "running")})
        assert (await here.leave(None))["seeds"] == {name: [here.blue] for name in here.green}
