"""What people tell a running update is heard before its next act: it stays as it is, goes on, or brings everybody back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.emqx.errors import BadInput, GateFailed
from components.emqx.models import BalancerHandle
from components.ledger.base import LEASE
from components.ledger.files import FilesLedger
from components.links.opening import open_run
from components.links.shift import carry_out
from components.run.orders import ABORT, HOLD, Order, read, written
from components.run.run import Run
from components.tell import main
from tests.unit.cutover_bed import CLOSE, manner
from tests.unit.fake_world import UNFINISHED, World, fleet

pytestmark = [pytest.mark.unit, *UNFINISHED]

ORDER = Order(1_000.0, "ann", "the dashboard is red")


@dataclass
class Watched:
    """A clock that tells how time goes by."""

    world: World
    at: Callable[[float], None]

    def now(self) -> float:
        return self.world.clock.now()

    async def sleep(self, seconds: float) -> None:
        self.at(self.world.clock.now())
        await self.world.clock.sleep(seconds)


def told(world: World, key: str, after_moves: int, *, again: Callable[[float], None] | None = None) -> Run:
    """A run that is given an order after so many batches; ``again`` is called as time goes by."""

    def record(event: str, **facts: Any) -> None:
        world.journal.append({"t": world.clock.now(), "run": "a", "event": event, **facts})
        if event == "move" and sum(one["event"] == "move" for one in world.journal) == after_moves:
            world.ledger.memory[key] = written(ORDER)

    return replace(world.run("a"), record=record, clock=Watched(world, again or (lambda _: None)))


async def forward(run: Run) -> None:
    how = manner([50, 100], mover=CLOSE)
    opened = await open_run(run, "green", ("blue", "green"), ("sessions",), budget_per_second=50, keep_stale=False)
    for step in how.steps:
        await carry_out(run, step.name, "green", how, opened.direction)


def test_a_held_run_moves_nobody_for_as_long_as_it_is_held_and_then_ends_as_any_other() -> None:
    """A hundred seconds: longer than the stall gate's bound."""
    world = fleet(200)
    held: list[tuple[float, int]] = []

    def resume(now: float) -> None:
        if HOLD in world.ledger.memory:
            held.append((now, sum(world.disconnects.values())))
            if now - held[0][0] > 100:
                del world.ledger.memory[HOLD]

    asyncio.run(forward(told(world, HOLD, 3, again=resume)))
    assert {moved for _, moved in held} == {held[0][1]}, "nobody was moved meanwhile"
    assert held[-1][0] - held[0][0] > 90
    assert set(world.at.values()) == {"green"}
    assert set(world.disconnects.values()) == {1}
    (hold,) = [one for one in world.journal if one["event"] == "hold"]
    assert (hold["who"], hold["why"]) == ("ann", "the dashboard is red")
    assert any(one["event"] == "resume" and not one["abort"] for one in world.journal)


@pytest.mark.parametrize("held_before", [False, True])
def test_an_abort_brings_everybody_back_and_says_who_wanted_it(held_before: bool) -> None:
    world = fleet(200)

    def call_off(now: float) -> None:
        if HOLD in world.ledger.memory:
            world.ledger.memory[ABORT] = written(ORDER)

    run = told(world, HOLD if held_before else ABORT, 3, again=call_off)
    with pytest.raises(
        GateFailed, match="it was called off by ann: the dashboard is red; all clients are back on blue"
    ):
        asyncio.run(forward(run))
    assert set(world.at.values()) == {"blue"}
    assert max(world.disconnects.values()) <= 2
    assert not {ABORT, HOLD} & world.ledger.memory.keys(), "it is carried out"
    assert [one["who"] for one in world.journal if one["event"] == "abort"] == ["ann"]


def test_an_abort_that_came_too_late_ends_no_later_run_and_a_hold_waits_for_it() -> None:
    world = fleet(20)
    world.ledger.memory |= {ABORT: written(ORDER), HOLD: written(ORDER)}
    seen: list[int] = []

    def resume(_: float) -> None:
        if HOLD in world.ledger.memory:
            seen.append(sum(world.disconnects.values()))
            del world.ledger.memory[HOLD]

    asyncio.run(forward(told(world, "nothing", 99, again=resume)))
    assert seen == [0]
    assert set(world.at.values()) == {"green"}


def test_an_order_names_somebody_and_a_reason_and_one_that_a_hand_wrote_counts() -> None:
    assert read({HOLD: written(ORDER)}, HOLD) == ORDER
    assert read({}, HOLD) is None
    assert str(read({HOLD: "wait!"}, HOLD)) == "somebody: wait!"
    for who, why in (("", "why"), ("two words", "why"), ("ann", " ")):
        with pytest.raises(BadInput, match="say who wants it and why"):
            written(Order(1.0, who, why))
    assert "\n" not in written(Order(1.0, "ann", "two\nlines"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose stack has a balancer, as far as its files tell."""
    (tmp_path / "stacks").mkdir()
    stack = {"emqx:live": "blue", "emqx:clusters": {"blue": {"target": "local", "version": "5.8.9", "nodes": 1}}}
    (tmp_path / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": stack}))
    balancer = tmp_path / ".emqx" / "dev" / "balancer"
    balancer.mkdir(parents=True)
    (balancer / "share.map").write_text("green 0\n")
    (balancer / "memory.map").write_text(f"{LEASE} =abcdef\n")
    monkeypatch.chdir(tmp_path)
    return balancer


def test_the_command_writes_into_the_ledger_of_its_stack(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pause", "--stack", "dev", "--why", "x"]) == 1, "its balancer does not run"
    assert "it does not run here" in capsys.readouterr().err
    handle = BalancerHandle(mqtt="127.0.0.1:1", admin=("a.sock",), maps=str(project))
    monkeypatch.setattr("components.tell.balancer_of", lambda _settings, _stack: handle)
    assert main(["pause", "--stack", "dev", "--why", "dashboard is red", "--who", "ann"]) == 0
    memory = asyncio.run(FilesLedger(project).read()).memory
    assert str(read(memory, HOLD)) == "ann: dashboard is red"
    assert memory[LEASE] == "abcdef", "the run that acts still may"
    assert main(["resume", "--stack", "dev"]) == 0
    assert HOLD not in asyncio.run(FilesLedger(project).read()).memory
    assert main(["resume", "--stack", "dev"]) == 1
    assert "nothing is held" in capsys.readouterr().err
    assert main(["abort", "--stack", "dev", "--why", ""]) == 1
    assert "say who wants it and why" in capsys.readouterr().err
    assert main(["abort", "--stack", "nowhere", "--why", "x"]) == 1
    assert "stacks/Pulumi.nowhere.yaml" in capsys.readouterr().err
