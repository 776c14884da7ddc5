"""Export and import that are killed, cut off, or meet an API that fails for a while: each can be repeated, and says what is missing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from components.emqx.account import PREFIX
from components.emqx.base import Cluster, exports_of
from components.emqx.errors import GaveUp, NotNow, Refused, Rejected, Stopped, Unreachable
from components.emqx.v5.cluster import ClusterApi
from components.links.archives import ArchiveDirectory
from components.links.data_export import export
from components.links.data_import import import_
from components.migration.inventory import Section
from tests.lab.data_bed import USERS, bed, fill, moved, pair

pytestmark = pytest.mark.lab


def _archives(api: Cluster) -> Any:
    """The dialect's own exports: how long it pipelines is no part of the seam."""
    return exports_of(api)


async def retained(api: ClusterApi) -> int:
    section = (await api.inventory()).sections["retained"]
    assert isinstance(section, Section)
    return len(section.items)


async def nothing(elapsed: float) -> None:
    """Go on waiting."""


async def test_the_probe_account_of_a_killed_run_neither_travels_nor_stands_in_the_way(tmp_path: Path) -> None:
    async with pair(tmp_path) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue)
        here = bed(blue, green)
        await moved(here.run, tmp_path / "archives")
        for api in (blue, green):
            await api.http.call("POST", USERS, body={"user_id": f"{PREFIX}{api.handle.colour}", "password": "x"})
        exported, differences = await moved(here.run, tmp_path / "archives")
        assert differences == []
        assert exported.counts["users:password_based:built_in_database"] == 2


async def test_an_import_that_applied_half_is_named_and_the_next_run_completes_it(tmp_path: Path) -> None:
    async with pair(tmp_path) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue)
        here = bed(blue, green)
        await two.fault("partial_import")
        with pytest.raises(Rejected, match="import of") as caught:
            await moved(here.run, tmp_path / "archives")
        assert "users" in str(caught.value) or "missing" in str(caught.value) or "expected" in str(caught.value)
        await two.heal()
        _, differences = await moved(here.run, tmp_path / "archives")
        assert differences == []


async def test_an_import_that_was_cut_off_while_indexing_names_the_remedy(tmp_path: Path) -> None:
    async with pair(tmp_path, green=("--import-rate", "2")) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue, retained=40)
        here = bed(blue, green)
        exported = await export(here.run, "blue", tmp_path / "archives")
        task = asyncio.create_task(import_(here.run, "blue", "green", exported, tmp_path / "archives"))
        async with asyncio.timeout(60):
            while not any("builtin_retainer" in line for line in here.lines[len(exported.archives) :]):  # noqa: ASYNC110 - a line in a list has no event
                await asyncio.sleep(0.05)
            await asyncio.sleep(3)
        here.stopped = True
        with pytest.raises(Stopped):
            await asyncio.wait_for(task, 60)
        here.stopped = False
        with pytest.raises(Refused, match="emqx ctl retainer reindex start true"):
            await import_(here.run, "blue", "green", exported, tmp_path / "archives")


async def test_an_archive_that_is_cut_off_is_never_uploaded(tmp_path: Path) -> None:
    async with pair(tmp_path) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue)
        here = bed(blue, green)
        await one.fault("truncate_download", count=1)
        exported = await export(here.run, "blue", tmp_path / "archives")
        store = ArchiveDirectory(tmp_path / "archives")
        await store.check(exported.archives)
        path = store.file(exported.archives[1])
        path.write_bytes(path.read_bytes()[:-30])
        with pytest.raises(Refused, match="builtin_authn"):
            await import_(here.run, "blue", "green", exported, tmp_path / "archives")
        assert await exports_of(green).archives() == []
        await one.fault("truncate_download")
    async with one.api(patience_seconds=0.5) as blue:
        with pytest.raises((NotNow, Unreachable)):
            await export(bed(blue, green).run, "blue", tmp_path / "archives")


async def test_an_import_that_takes_longer_than_the_servers_patience_arrives_only_when_kept_alive(
    tmp_path: Path,
) -> None:
    slow = ("--import-rate", "6", "--wall-seconds", "2")
    async with pair(tmp_path, green=slow) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue, retained=24)
        here = bed(blue, green)
        exported = await export(here.run, "blue", tmp_path / "archives")
        store = ArchiveDirectory(tmp_path / "archives")
        last = exported.archives[-1]
        node = green.node_names[0]
        await exports_of(green).upload(store.file(last), last.sha256, size=last.size, node=node)
        with pytest.raises(GaveUp):
            await _archives(green).import_archive(
                last.name, node=node, waiting=nothing, limit_seconds=0.4, pipeline_seconds=0.3
            )
    async with pair(tmp_path / "2", green=slow) as (_, two), two.api() as green:
        node = green.node_names[0]
        await exports_of(green).upload(store.file(last), last.sha256, size=last.size, node=node)
        await _archives(green).import_archive(
            last.name, node=node, waiting=nothing, limit_seconds=60, pipeline_seconds=0.3
        )
        assert await retained(green) == 24
        with pytest.raises(Unreachable, match="closed without an answer"):
            await _archives(_impatient(green)).import_archive(
                last.name, node=node, waiting=nothing, limit_seconds=60, pipeline_seconds=60
            )


def _impatient(api: ClusterApi) -> ClusterApi:
    api.http.patience_seconds = 0.1
    return api


async def test_an_api_that_answers_500_for_seconds_stops_neither_export_nor_import(tmp_path: Path) -> None:
    async with pair(tmp_path) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue)
        here = bed(blue, green)
        await asyncio.gather(one.fault("status", status=500, seconds=4), two.fault("status", status=500, seconds=6))
        _, differences = await moved(here.run, tmp_path / "archives")
        assert differences == []
