"""What was written after the export is told at the end of a cutover that has succeeded: what cannot be told is unknown, never a failure."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from components.emqx.errors import (
    BadInput,
    LeaseLost,
    NotNow,
    Rejected,
    Stopped,
    Unauthorized,
    Unreachable,
    UpgradeError,
)
from components.links.archives import ArchiveDirectory
from components.links.data_export import ExportResult, written_after_export
from components.migration.inventory import Inventory
from tests.unit.fake_world import World

pytestmark = pytest.mark.unit


def told(tmp_path: Path, failure: UpgradeError) -> list[str]:
    store = ArchiveDirectory(tmp_path)
    store.prepare()
    sha256 = store.keep_inventory("i.json", Inventory({}))
    exported = ExportResult(
        archives=(),
        node="n",
        unknown=(),
        not_carried={},
        counts={},
        unlisted={},
        inventory="i.json",
        inventory_sha256=sha256,
        seconds=0.0,
    )
    world = World(["a"])

    async def inventory() -> Inventory:
        raise failure

    world.apis["blue"].inventory = inventory  # type: ignore[attr-defined]
    return asyncio.run(written_after_export(world.run("a"), "blue", exported, tmp_path))


@pytest.mark.parametrize("kind", [Unauthorized, Rejected, Unreachable, NotNow, BadInput])
def test_a_colour_that_does_not_tell_leaves_it_unknown(tmp_path: Path, kind: type[UpgradeError]) -> None:
    found = told(tmp_path, kind("asking", seen="401", todo="t"))
    assert found == ["what was written on blue after the export is unknown: 401"]


@pytest.mark.parametrize("kind", [Stopped, LeaseLost])
def test_a_run_that_must_not_go_on_does_not(tmp_path: Path, kind: type[UpgradeError]) -> None:
    with pytest.raises(kind):
        told(tmp_path, kind("asking", seen="s", todo="t"))
