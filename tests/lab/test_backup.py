"""A backup is the cluster's data on our own disk, checked, and it changes nothing on the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.emqx.answers import ExportFacts
from components.emqx.base import exports_of
from components.emqx.errors import Retryable
from components.links.archives import Archive, ArchiveDirectory
from components.links.backup import back_up
from tests.lab.data_bed import bed, cluster, fill

pytestmark = pytest.mark.lab


async def test_a_backup_holds_everything_and_leaves_nothing_on_the_cluster(tmp_path: Path) -> None:
    store = ArchiveDirectory(tmp_path / "archives")
    async with cluster(tmp_path / "blue", "blue") as one, one.api() as blue, one.api() as green:
        await fill(blue)
        before = await blue.inventory()
        here = bed(blue, green)
        kept = await back_up(here.run, "green", store.path)
        assert await exports_of(blue).archives() == []
        assert await blue.inventory() == before
        by_node = [await blue.inventory(node=name) for name in blue.node_names]
    archives = [Archive.model_validate(one) for one in kept["archives"]]
    await store.check(archives)
    assert "configuration" in {one.table_set for one in archives}
    assert {one.node for one in archives} <= set(blue.node_names)
    assert all(one == before for one in by_node), "tables and configuration are the same on each node"


async def test_a_node_that_dies_while_it_is_backed_up_ends_that_backup_and_the_next_one_asks_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArchiveDirectory(tmp_path / "archives")
    async with cluster(tmp_path / "blue", "blue") as one, one.api(patience_seconds=2.0) as blue:
        await fill(blue)
        here = bed(blue, blue)
        dead, other = blue.node_names
        exports = exports_of(blue)
        download = exports.download

        async def dies(facts: ExportFacts, path: Path, *, login: bool = False) -> str:
            await one.fault("die", node=dead)
            return await download(facts, path, login=login)

        monkeypatch.setattr(exports, "download", dies)
        with pytest.raises(Retryable, match=dead):
            await back_up(here.run, "green", store.path)
        monkeypatch.undo()
        kept = await back_up(here.run, "green", store.path)
    archives = [Archive.model_validate(made) for made in kept["archives"]]
    await store.check(archives)
    assert {made.node for made in archives} == {other}
