"""Nodes that are to leave a shared cluster: whoever can be stopped by nobody here is refused before anything, with what has to be done first."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import pytest

from components.emqx.errors import Refused
from components.emqx.models import Credentials, KeeperHandle
from components.guards import leaving
from components.guards.leaving import Leaving
from tests.unit.fake_world import UNFINISHED
from tests.unit.one_cluster_bed import OneCluster

pytestmark = [pytest.mark.unit, *UNFINISHED]

KEY = Credentials(api_key="k", api_secret="s")
COMMANDS = KeeperHandle(kind="commands", place="", commands={"stop": ("true",)})


class Sites:
    def __init__(self, **sites: str) -> None:
        self.of = sites

    async def sites(self) -> dict[str, str]:
        return self.of


def gone(world: OneCluster, monkeypatch: pytest.MonkeyPatch, keeper: KeeperHandle | None, *, ours: bool) -> Leaving:
    blue = world.member("blue")

    @asynccontextmanager
    async def opened(*_: Any, **__: Any) -> Any:
        yield blue

    monkeypatch.setattr(leaving, "cluster_of", opened)
    return Leaving(blue.handle.model_copy(update={"keeper": keeper}), KEY, 0.0, ours)


@pytest.mark.parametrize(("keeper", "ours"), [(COMMANDS, False), (None, True)])
async def test_nodes_that_somebody_here_stops_may_leave_while_they_run(
    monkeypatch: pytest.MonkeyPatch, keeper: KeeperHandle | None, ours: bool
) -> None:
    await leaving._refuse_member(gone(OneCluster([]), monkeypatch, keeper, ours=ours))


async def test_others_are_refused_with_what_their_owner_does_first(monkeypatch: pytest.MonkeyPatch) -> None:
    world = OneCluster([])
    with pytest.raises(Refused, match=r"they are not ours to stop. Next: stop these nodes"):
        await leaving._refuse_member(gone(world, monkeypatch, None, ours=False))
    world.member("blue").storage = Sites(B2A7="emqx@blue", F4E9="emqx@green")
    with pytest.raises(Refused, match=r"Next: `emqx ctl ds set_replicas STORAGE F4E9` for each storage .* stop these"):
        await leaving._refuse_member(gone(world, monkeypatch, None, ours=False))
    world.member("blue").stopped = True
    await leaving._refuse_member(gone(world, monkeypatch, None, ours=False))
