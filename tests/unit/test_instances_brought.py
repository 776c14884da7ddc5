"""The wait for a balancer's instances: each takes over what is declared, and one that does not ends the wait with what it said last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from components.emqx.errors import GaveUp
from components.emqx.models import Tier
from components.instances import tier as subject
from components.instances.nodes import Watching
from components.machines.user_data import BALANCER
from components.routers import commands
from components.routers.haproxy.instances import Machine
from tests.unit.fake_ssm import FakeSsm

pytestmark = pytest.mark.unit
TIER = Tier(name="emqx-prod", groups=("arn-of-1883",))
DECLARED, BEFORE = "new", "old"


class World:
    """``applied`` is what each instance says that it runs with; those in ``stubborn`` keep it whatever is run there."""

    def __init__(self) -> None:
        self.applied = {"i-a": BEFORE, "i-b": BEFORE}
        self.stubborn: set[str] = set()
        self.unhealthy: set[str] = set()
        self.told: list[str] = []
        self.states = dict.fromkeys(self.applied, "running")
        self.silent: set[str] = set()
        self.looks = 0

    def answers(self, instance: str, lines: Sequence[str]) -> tuple[int, str]:
        if lines == [BALANCER]:
            if instance not in self.stubborn:
                self.applied[instance] = DECLARED
            return 0, ""
        self.looks += 1
        assert self.looks < 100, "a wait of no seconds goes on"
        return 0, f"{self.applied[instance]}\n"

    def describe_instances(self, *, InstanceIds: list[str]) -> dict[str, Any]:  # noqa: N803 - AWS's names
        return {"Reservations": [{"Instances": [{"State": {"Name": self.states[one]}}]} for one in InstanceIds]}

    def listed(self, *_: object) -> list[Machine]:
        return [Machine(one, "10.0.0.1", "running", one not in self.unhealthy) for one in self.applied]

    async def brought(self, *instances: str, seconds: float = 60.0) -> None:
        watching = Watching(seconds, lambda: None, self.told.append)
        await subject.brought("eu-central-1", TIER, instances, DECLARED, watching)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    ssm = FakeSsm(world.answers)
    ssm.gone = world.silent
    ssm.replace(monkeypatch)
    monkeypatch.setattr(subject, "client", lambda _region, _service: world)
    for name in ("FIRST_SECONDS", "POLL_SECONDS"):
        monkeypatch.setattr(commands, name, 0.0)
    monkeypatch.setattr(subject, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(subject, "listed", world.listed)
    monkeypatch.setattr(subject, "console", lambda _region, instance: f"console of {instance}")
    return world


async def test_each_takes_over_what_is_declared(world: World) -> None:
    await world.brought("i-a", "i-b")
    assert world.applied == {"i-a": DECLARED, "i-b": DECLARED}
    assert world.told == ["i-a takes over what is declared", "i-b takes over what is declared"]


async def test_one_that_took_it_over_and_still_runs_with_something_else_ends_the_wait_with_both(world: World) -> None:
    world.stubborn = {"i-a"}
    with pytest.raises(GaveUp, match=rf"i-a .*runs with {BEFORE}, declared is {DECLARED} after 0 s; console of i-a"):
        await world.brought("i-a", "i-b", seconds=0.0)


async def test_one_that_gets_no_clients_ends_the_wait_with_its_console(world: World) -> None:
    world.unhealthy = {"i-b"}
    with pytest.raises(GaveUp, match=r"does not yet send clients to i-b after 0 s; console of i-b"):
        await world.brought("i-a", "i-b", seconds=0.0)


@pytest.mark.parametrize("state", ["terminated", "stopped"])
async def test_nobody_waits_for_one_that_somebody_has_ended(world: World, state: str) -> None:
    world.silent.add("i-a")
    world.states["i-a"] = state
    with pytest.raises(GaveUp, match=rf"i-a: the instance is {state}; .*run pulumi refresh"):
        await world.brought("i-a", "i-b")


async def test_one_that_its_agent_does_not_speak_for_yet_is_waited_for(world: World) -> None:
    world.silent.add("i-a")
    with pytest.raises(GaveUp, match=r"i-a does not answer yet: its agent is not connected .* after 0 s"):
        await world.brought("i-a", seconds=0.0)
