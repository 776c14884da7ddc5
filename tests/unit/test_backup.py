"""What a backup does where there is nothing to take it with, and whom it asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.ledger.base import LEASE
from components.links import backup
from components.links.backup import back_up
from tests.unit.fake_world import UNFINISHED, fleet

pytestmark = [pytest.mark.unit, *UNFINISHED]


async def test_a_version_without_data_export_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    world = fleet(3)
    for api in world.apis.values():
        api.exports = None
    assert await back_up(world.run("a"), "green", tmp_path) == {}
    assert any("no backup by API: EMQX 5.8.9 has no data export" in line for line in world.lines)


@pytest.mark.parametrize(("dead", "asked"), [(False, "blue"), (True, "green")])
async def test_the_colour_that_answers_is_backed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dead: bool, asked: str
) -> None:
    world = fleet(3)
    world.ledger.memory[LEASE] = "a"
    world.apis["blue"].dead = dead
    sources: list[str] = []

    async def export(_run: Any, source: str, _directory: Path) -> Any:
        sources.append(source)
        raise LookupError

    monkeypatch.setattr(backup, "export", export)
    with pytest.raises(LookupError):
        await back_up(world.run("a"), "green", tmp_path)
    assert sources == [asked]
