"""What a 4.3 and a 4.4 want after an import: its nodes restart one after the other, and whoever got in before its plugins were there does not stay."""

from __future__ import annotations

from typing import Any

import pytest

from components.ledger.base import LEASE
from components.links import converted_import
from components.run.run import Run
from tests.unit.fake_world import World

pytestmark = pytest.mark.unit


class Keeper:
    """It writes down what is asked of it."""

    def __init__(self, acts: list[str]) -> None:
        self.acts = acts

    async def stop(self, node: str) -> None:
        self.acts.append(f"stop {node}")

    async def start(self, node: str, version: str, _edition: str) -> None:
        self.acts.append(f"start {node} {version}")


def world(monkeypatch: pytest.MonkeyPatch, version: str, *, kept: bool) -> tuple[World, Run, list[str]]:
    """A green of two nodes, to which a client came by itself."""
    acts: list[str] = []
    made = World(["early", "dev"])
    made.at["early"] = "green"
    green: Any = made.apis["green"]
    green.handle = green.handle.model_copy(update={"version": version})
    monkeypatch.setattr(type(green), "node_names", property(lambda _: ("a@g", "b@g")))

    async def ready(*_: object) -> None:
        acts.append("ready")

    monkeypatch.setattr(converted_import, "keeper_of", lambda *_, **__: Keeper(acts) if kept else None)
    monkeypatch.setattr(converted_import, "wait_until_ready", ready)
    made.ledger.memory[LEASE] = "token"
    return made, made.run("token"), acts


@pytest.mark.parametrize("kept", [True, False])
async def test_whoever_got_in_before_the_plugins_is_thrown_off_whether_somebody_keeps_the_nodes_or_not(
    kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, run, acts = world(monkeypatch, "4.3.22", kept=kept)
    await converted_import.restart(run, "green")
    restarted = ["stop a@g", "start a@g 4.3.22", "ready", "stop b@g", "start b@g 4.3.22", "ready"]
    assert acts == (restarted if kept else [])
    assert made.at.get("early") != "green"
    assert made.at["dev"] == "blue", "nobody of the old colour is touched"


async def test_a_5_x_restarts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    _, run, acts = world(monkeypatch, "5.8.9", kept=True)
    await converted_import.restart(run, "green")
    assert acts == []
