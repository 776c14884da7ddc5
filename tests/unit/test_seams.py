"""The seams hold: what is registered under a word or a version is what is used, and nothing else has to change for it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.cutover.versions import Line
from components.emqx import registry
from components.emqx.base import exports_of
from components.emqx.errors import BadInput, Refused
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.registry import Dialect, can_export, cluster_of
from components.emqx.v5.cluster import ClusterApi
from components.emqx.v5.traits import ROOT
from components.guards.declared import refuse_without_exports
from components.links.opening import open_run
from components.links.shift import carry_out
from components.routers.haproxy.configuration import HaproxySettings, Side, render
from components.routers.haproxy.frontends import Bind
from tests.handles import cluster_at
from tests.unit.cutover_bed import manner
from tests.unit.fake_world import World

pytestmark = [
    pytest.mark.unit,
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

KEY = Credentials(api_key="k", api_secret="s")
HOUSE = Path(__file__).parents[2]


class FakeDialect:
    """A dialect of version line 9.9: its clusters are the colours of a world in memory."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.opened: list[tuple[str, dict[str, Any]]] = []

    def open(self, handle: ClusterHandle, _credentials: Credentials, **options: Any) -> Any:
        self.opened.append((handle.colour, options))
        return self.world.apis[handle.colour]

    def register(self, monkeypatch: pytest.MonkeyPatch, line: Line) -> None:
        """The one line of the registry."""
        dialect = Dialect("fake", self.open, lambda edition: f"/fake/{edition}", exports_since=line)
        monkeypatch.setitem(registry.DIALECTS, line, dialect)


def test_a_dialect_is_one_module_and_one_registry_line(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(["dev"])
    fake = FakeDialect(world)
    fake.register(monkeypatch, (9, 9))
    handle = cluster_at("a", colour="green", version="9.9.1")
    opened: Any = cluster_of(handle, KEY, scope="colour")
    assert opened is world.apis["green"]
    assert fake.opened == [("green", {"scope": "colour", "patience_seconds": 15.0})]
    text = render(HaproxySettings(binds=(Bind(address=":1883"),), sides=(Side(cluster=handle, edition="ee"),)))
    assert "option httpchk GET /fake/ee" in text


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_cutover_runs_in_whatever_dialect_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World([f"dev-{number}" for number in range(20)])
    fake = FakeDialect(world)
    fake.register(monkeypatch, (5, 8))
    run = replace(world.run("a"), clusters={colour: cluster_of(api.handle, KEY) for colour, api in world.apis.items()})
    assert [colour for colour, _ in fake.opened] == list(world.apis)
    how = manner([50, 100])
    opened = await open_run(run, "green", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
    for step in ("shift-50", "shift-100", "drain"):
        await carry_out(run, step, "green", how, opened.direction)
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}


@pytest.mark.parametrize("version", ["5.0.26", "5.8.11", "v5.10.0", "6.0.1"])
async def test_every_line_of_5_and_later_is_spoken_to_by_the_dialect_that_is_registered_up_to_it(version: str) -> None:
    async with cluster_of(cluster_at("a", version=version), KEY) as found:
        assert isinstance(found, ClusterApi)


@pytest.mark.parametrize("version", ["4.1.5", "", "latest"])
def test_a_version_that_nobody_speaks_to_is_refused_before_anything_is_asked(version: str) -> None:
    with pytest.raises(BadInput, match=r"declare a version from 4\.2 on"):
        cluster_of(cluster_at("a", version=version), KEY)


async def test_a_version_without_data_export_says_so_by_its_type_and_is_refused_before_anything_is_touched() -> None:
    assert [can_export(version) for version in ("5.0.26", "5.1.0", "5.8.11")] == [False, True, True]
    async with cluster_of(cluster_at("a", version="5.0.26"), KEY) as old:
        assert old.exports is None
        with pytest.raises(Refused, match=r"EMQX 5\.0\.26 has no data export"):
            exports_of(old)
    with pytest.raises(Refused, match=r"emqx:clusters\.blue\.version is 5\.0\.26"):
        refuse_without_exports({"blue": "5.0.26", "green": "5.8.11"})
    refuse_without_exports({"blue": "5.1.0", "green": "5.8.11"})


def test_the_root_of_the_api_stands_in_one_place() -> None:
    found = subprocess.run(
        ["git", "grep", "-lF", f'"{ROOT}', "--", "components/*.py"],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["components/emqx/v5/traits.py"]
