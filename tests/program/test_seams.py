"""A target, a balancer, a router, a ledger, a strategy and a dialect are a word each: fakes of all of them make one whole cutover."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pulumi
import pytest

from components.balancer import BALANCERS
from components.balancer.base import Fronted
from components.cutover.movers import Choice
from components.cutover.routes import Strategy as Word
from components.cutover.steps import Problem
from components.cutover.words import COLOURS, Colour, Mover
from components.emqx import registry as dialects
from components.emqx.base import Scope
from components.emqx.errors import BadInput
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials
from components.emqx.registry import Dialect
from components.intent import load
from components.ledger.registry import LEDGERS
from components.ledger.remembered import Remembered
from components.links.opening import open_run
from components.links.shift import carry_out
from components.resources import world as worlds
from components.routers.registry import ROUTERS
from components.settings import ClusterSettings, Cutover, Settings
from components.strategies import STRATEGIES
from components.strategies.base import LinkSpec
from components.strategies.two_cluster import manner_of
from components.targets import TARGETS
from components.targets.base import Site
from tests.fake_balancer import FakeLedger, FakeRouter
from tests.handles import cluster_at
from tests.program.conftest import Recorder
from tests.program.declaring import declare
from tests.unit.fake_api import FakeApi
from tests.unit.fake_run import as_declared, one_millisecond
from tests.unit.fake_world import UNFINISHED, World

pytestmark = [pytest.mark.program, *UNFINISHED]


class PaperCluster(ClusterSettings):
    """A cluster that stands on paper."""

    target: Literal["paper"]
    sheets: int

    @property
    def size(self) -> int:
        return self.sheets


class Paper:
    """A target without machines."""

    model: ClassVar[type[ClusterSettings]] = PaperCluster
    ours: ClassVar[bool] = True

    def problems(self, site: Site) -> list[Problem]:
        return [] if site.settings.sheets < 9 else [Problem(f"{site.path}.sheets", "9", "less than 9")]

    def credentials_problem(self, _credentials: Credentials) -> str | None:
        return None

    def declare(self, site: Site, _opts: pulumi.ResourceOptions) -> pulumi.Output[dict[str, Any]]:
        handle = cluster_at("paper", colour=site.colour, version=site.settings.version)
        return pulumi.Output.from_input(handle.model_dump(mode="json"))

    def observed(self, _site: Site) -> ClusterHandle | None:
        return None

    def standing(self, _site: Site) -> bool:
        return False


BALANCER = BalancerHandle(router="paper", ledger="paper", mqtt="paper:1883", admin=(), maps="")


class PaperBalancer:
    """A balancer without processes."""

    router: ClassVar[str] = "paper"

    def declare(
        self, _name: str, _settings: Settings, _fronted: Fronted, _opts: pulumi.ResourceOptions
    ) -> pulumi.Output[dict[str, Any]]:
        return pulumi.Output.from_input(BALANCER.model_dump(mode="json"))

    def remembered(self, _settings: Settings) -> Remembered:
        return Remembered()

    def owner(self, _settings: Settings) -> str | None:
        return None

    def reserve(self, _settings: Settings, _stack: str) -> None:
        """Nobody else writes on this paper."""

    def observed(self, _settings: Settings) -> BalancerHandle | None:
        return None


class Straight:
    """A strategy that moves everybody without carrying anything, between colours of one cluster."""

    route: Word = "two-cluster"
    movers: tuple[Mover, ...] = ("kick",)
    scope: Scope = "colour"
    in_place: bool = False
    stays: tuple[str, ...] = ()

    def links(self, cutover: Cutover, mover: Choice) -> tuple[LinkSpec, ...]:
        manner = manner_of(cutover, mover).model_dump(mode="json")
        (step,) = cutover.steps
        inputs = {"step": step.name, "share": step.share, "manner": manner}
        return (
            LinkSpec(step.name, "TrafficShift", "moves everybody", inputs, step=step),
            LinkSpec("drain", "Drain", "empties the old one", {"manner": manner, "exported": {}}),
        )


class OpenApi(FakeApi):
    """A cluster of a world in memory that may be opened; ``scopes`` are those that it was opened with."""

    def __init__(self, world: World, colour: Colour) -> None:
        super().__init__(world, colour, evacuates=False)
        self.scopes: list[Scope] = []

    def opened(self, *_: Any, scope: Scope = "cluster", **__: Any) -> Self:
        self.scopes.append(scope)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> World:
    """One registry line for each fake; the world in memory that they stand for."""
    world = World([f"dev-{number}" for number in range(20)])
    world.apis = {colour: OpenApi(world, colour) for colour in COLOURS}
    assert isinstance(world.ledger, FakeLedger)
    assert isinstance(world.router, FakeRouter)
    monkeypatch.setitem(TARGETS, "paper", Paper())
    monkeypatch.setitem(BALANCERS, "paper", PaperBalancer())
    monkeypatch.setitem(STRATEGIES, "straight", Straight())
    monkeypatch.setitem(ROUTERS, "paper", ROUTERS["haproxy"]._replace(make=lambda _: world.router))
    monkeypatch.setitem(LEDGERS, "paper", lambda _: world.ledger)
    apis: Any = world.apis
    opens = Dialect("paper", lambda handle, *_, **more: apis[handle.colour].opened(**more), lambda _: "/", (5, 8))
    monkeypatch.setitem(dialects.DIALECTS, (5, 8), opens)
    return world


def stack(**blue: Any) -> dict[str, Any]:
    cluster = {"target": "paper", "edition": "ce", "sheets": 1}
    return {
        "live": "green",
        "clusters": {
            "blue": {**cluster, "version": "5.8.6", **blue},
            "green": {**cluster, "version": "5.8.9"},
        },
        "balancer": {"target": "paper"},
        "cutover": {"strategy": "straight", "steps": [{"share": 100}], "budgetPerSecond": 50},
    }


def test_the_program_declares_what_is_registered(recorder: Recorder, paper: World) -> None:
    pulumi.runtime.set_all_config({f"emqx:{key}": json.dumps(value).strip('"') for key, value in stack().items()})
    declare()
    chain = [one.name for one in recorder.seen if one.name.startswith("cutover")]
    assert chain == ["cutover", "cutover-shift-100", "cutover-drain"]
    first = recorder.named("cutover").inputs
    assert first["balancer"]["router"] == "paper"
    assert {one.inputs["scope"] for one in recorder.seen if one.name.startswith("cutover")} == {"colour"}
    assert [node["name"] for node in first["clusters"]["green"]["nodes"]] == [
        node.name for node in cluster_at("paper").nodes
    ]


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"sheets": 9}, "emqx:clusters.blue.sheets: 9; allowed: less than 9"),
        (
            {"target": "papyrus"},
            "emqx:clusters.blue.target: 'papyrus'; allowed: local, external, kubernetes, aws, paper",
        ),
    ],
)
def test_what_a_registered_target_refuses_is_refused_with_the_rest(
    paper: World, wrong: dict[str, Any], line: str
) -> None:
    with pytest.raises(BadInput) as refused:
        load(stack(**wrong).get, stack="test")
    assert line in str(refused.value)


async def test_a_cutover_runs_through_all_of_them(
    paper: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worlds, "SystemClock", lambda: paper.clock)
    monkeypatch.setattr(worlds, "connect_milliseconds", one_millisecond)
    monkeypatch.setattr(worlds, "answers", as_declared)
    settings, kick = load(stack().get, stack="test"), Choice(mover="kick")
    handles = {colour: cluster_at(colour, colour=colour, version="5.8.9") for colour in COLOURS}
    inputs = worlds.WorldInputs(
        name="cutover", clusters=handles, balancer=BALANCER, work_directory=str(tmp_path), scope="colour"
    )
    keys: dict[str, Credentials] = {colour: Credentials(api_key="k", api_secret="s") for colour in COLOURS}
    async with worlds.opened(inputs, keys, "token") as run:
        opened = await open_run(run, "green", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
        for spec in STRATEGIES["straight"].links(settings.cutover, kick):
            await carry_out(run, spec.name, "green", manner_of(settings.cutover, kick), opened.direction)
    assert set(paper.at.values()) == {"green"}
    assert set(paper.disconnects.values()) == {1}
    opened_as = [api.scopes for api in paper.apis.values() if isinstance(api, OpenApi)]
    assert opened_as == [["colour"], ["colour"]], "whose clients a colour has is the strategy's to say"
