"""Blue's data on green: everything arrives or is named, and nothing foreign is overwritten."""

from __future__ import annotations

import asyncio
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from components.cutover.words import Edition
from components.emqx.account import PREFIX
from components.emqx.base import exports_of
from components.emqx.errors import Refused
from components.links.archives import ArchiveDirectory
from components.links.data_export import export, written_after_export
from components.links.data_import import import_
from components.links.verification import verify
from components.migration.inventory import Section
from tests.lab.data_bed import LOGIN, SECRET, USERS, bed, fill, moved, pair

pytestmark = pytest.mark.lab

PLANTED = (SECRET, LOGIN[1], "planted-header", "alice-pw", "bob-pw", "s1-pw")


@pytest.mark.parametrize(
    ("edition", "version"), [("ee", "5.8.10"), ("ce", "5.8.9")], ids=["5.8.10-to-5.8.11", "open-source-to-enterprise"]
)
async def test_everything_arrives_in_order_once_and_without_a_secret_told(
    tmp_path: Path, edition: Edition, version: str
) -> None:
    store = tmp_path / "archives"
    async with (
        pair(tmp_path, blue=("--edition", edition), versions=(version, "5.8.11")) as (one, two),
        one.api() as blue,
        two.api() as green,
    ):
        await fill(blue)
        here = bed(blue, green)
        exported = await export(here.run, "blue", store)
        assert [archive.table_set for archive in exported.archives][-1] == "builtin_retainer"
        assert exported.counts["users:password_based:built_in_database"] == 2
        assert exported.counts["psk"] is None
        assert "accounts" in exported.not_carried
        assert await exports_of(blue).archives() == [], "an archive with secrets is not left on the source"
        found = await import_(here.run, "blue", "green", exported, store)
        assert found.differences == ()
        assert "authorization_sources" in found.orders_restored
        assert found.sys_removed == 4
        assert found.delayed_carried == 1
        again = await import_(here.run, "blue", "green", exported, store)
        assert again.adopted == len(exported.archives)
        assert again.delayed_carried == 0, "a delayed message is not published twice"
        assert again.differences == ()
        told = json.dumps([exported.model_dump(), found.model_dump(), here.events, here.lines])
        assert not [secret for secret in PLANTED if secret in told]
        assert {stat.S_IMODE(path.stat().st_mode) for path in store.iterdir()} == {0o600}
        assert stat.S_IMODE(store.stat().st_mode) == 0o700


async def test_a_green_with_anything_of_its_own_is_refused_by_section_and_name_and_not_touched(tmp_path: Path) -> None:
    async with pair(tmp_path) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue)
        await green.http.call("POST", "/banned", body={"as": "clientid", "who": "somebody-elses-ban"})
        here = bed(blue, green)
        with pytest.raises(Refused, match="banned holds clientid:somebody-elses-ban"):
            await moved(here.run, tmp_path / "archives")
        assert await exports_of(green).archives() == []
        await green.http.call("DELETE", "/banned/clientid/somebody-elses-ban")
        exported, differences = await moved(here.run, tmp_path / "archives")
        assert differences == []
        # Devices of that attempt wrote on green, then moved back; the next attempt exports anew.
        await green.http.call("POST", "/publish", body={"topic": "written/since", "payload": "x", "retain": True})
        second = await export(here.run, "blue", tmp_path / "archives")
        found = await import_(here.run, "blue", "green", second, tmp_path / "archives")
        assert len(found.written_by_clients) == 1
        assert "written/since" in found.written_by_clients[0]
        assert {facts.filename for facts in await exports_of(green).archives()} == {a.name for a in second.archives}
        # A user that blue does not know is nobody's half import, archive or not.
        await green.http.call("POST", USERS, body={"user_id": "eve", "password": "eve-pw"})
        with pytest.raises(Refused, match="users:password_based:built_in_database holds eve"):
            await import_(here.run, "blue", "green", second, tmp_path / "archives")
        assert exported.archives != second.archives


async def test_an_action_that_many_rules_use_is_the_same_in_whatever_order_they_are_told(tmp_path: Path) -> None:
    async with pair(tmp_path) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue)
        for number in (7, 11, 2, 10, 1):
            rule = {"id": f"many{number}", "name": "n", "sql": 'SELECT * FROM "t/#"', "actions": ["http:ha"]}
            await blue.http.call("POST", "/rules", body=rule)
        assert len((await blue.http.call("GET", "/actions")).json()[0]["rules"]) == 6
        _, differences = await moved(bed(blue, green).run, tmp_path / "archives")
        assert differences == []


async def test_accounts_are_carried_with_a_login_on_both_sides(tmp_path: Path) -> None:
    async with pair(tmp_path) as (one, two), one.api(login=True) as blue, two.api(login=True) as green:
        await fill(blue)
        app = {"name": "app1", "desc": "d", "enable": True, "role": "viewer", "expired_at": "2099-01-01T00:00:00Z"}
        await blue.http.call("POST", "/api_key", body=app, bearer=True)
        user = {"username": "ops", "password": "Ops12345x", "role": "viewer", "description": "o"}
        await blue.http.call("POST", "/users", body=user, bearer=True)
        here = bed(blue, green)
        exported, differences = await moved(here.run, tmp_path / "archives")
        assert differences == []
        assert exported.archives[-1].table_set == "accounts"
        sections = (await green.inventory()).sections
        for name, key in (("api_keys", "app1"), ("dashboard_users", "ops")):
            section = sections[name]
            assert isinstance(section, Section)
            assert list(section.items) == [key]


async def test_what_blue_has_beside_its_data_is_named_by_path(tmp_path: Path) -> None:
    async with pair(tmp_path) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue)
        listener = (await blue.http.call("GET", "/listeners/tcp:default")).json()
        changed = {key: listener[key] for key in ("type", "bind", "acceptors")} | {
            "id": "tcp:default",
            "max_connections": 777,
        }
        await blue.http.call("PUT", "/listeners/tcp:default", body=changed)
        here = bed(blue, green)
        exported = await export(here.run, "blue", tmp_path / "archives")
        found = await import_(here.run, "blue", "green", exported, tmp_path / "archives")
        assert found.configuration is not None
        grave = [one.said("blue", "green") for one in found.configuration if one.grave]
        assert grave == ["limit listeners.tcp.default.max_connections: different on both"]
        assert found.differences == ()


async def test_what_no_import_carries_is_one_warning_that_a_logger_is_no_part_of(tmp_path: Path) -> None:
    async with pair(tmp_path) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue)
        here = bed(blue, green)
        exported = await export(here.run, "blue", tmp_path / "archives")
        extra = {"type": "tcp", "name": "extra", "bind": "127.0.0.1:0", "max_connections": 5}
        await blue.http.call("POST", "/listeners", body=extra)
        await one.configure('log.console.level = debug\nsysmon.os.cpu_check_interval = "33s"\n')
        await import_(here.run, "blue", "green", exported, tmp_path / "archives")
        (told,) = here.warnings
        head, listener, rest = told.splitlines()
        assert "green's configuration differs from blue's (1 grave, 1 others)" in head
        assert listener.startswith("  listener tcp:extra: only on blue (")
        assert rest == "  and 1 more, all in the report"
        (fact,) = [event for event in here.events if event["event"] == "fact" and event["section"] == "import"]
        found = [(one["name"], one["state"]) for one in fact["configuration"]]
        assert found == [("tcp:extra", "missing"), ("sysmon.os.cpu_check_interval", "different")]


async def test_a_fleet_that_goes_on_writing_on_blue_fails_neither_import_nor_verification(tmp_path: Path) -> None:
    async with pair(tmp_path) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue)
        here = bed(blue, green)
        ended = asyncio.Event()

        async def write() -> None:
            number = 0
            while not ended.is_set():
                number += 1
                topics = (f"ret/{number % 2}", f"moving/{number % 5}", f"new/{number}")
                for topic in topics:
                    body = {"topic": topic, "payload": str(number), "retain": True}
                    await blue.http.call("POST", "/publish", body=body)

        writing = asyncio.create_task(write())
        await asyncio.sleep(0.3)
        exported, differences = await moved(here.run, tmp_path / "archives")
        assert differences == []
        expected = ArchiveDirectory(tmp_path / "archives").inventory(exported.inventory, exported.inventory_sha256)
        section = expected.sections["retained"]
        assert isinstance(section, Section)
        assert section.optional, "what was written meanwhile may be there or not"
        verified = await verify(here.run, "blue", "green", expected)
        ended.set()
        await writing
        assert set(verified.probes) == set(green.node_names)


async def test_what_is_written_on_blue_after_the_export_is_told_and_what_nobody_carries_is_told_first(
    tmp_path: Path,
) -> None:
    store = tmp_path / "archives"
    async with pair(tmp_path) as (one, two), one.api() as blue, two.api() as green:
        await fill(blue)
        here = bed(blue, green)
        exported, _ = await moved(here.run, store)
        assert await written_after_export(here.run, "blue", exported, store) == []
        call = blue.http.call
        await call("POST", USERS, body={"user_id": "eve", "password": "eve-pw"})
        await call("POST", USERS, body={"user_id": f"{PREFIX}of-a-killed-run", "password": "x"})
        await call("DELETE", f"{USERS}/bob")
        await call("POST", "/authorization/sources/file/move", body={"position": "front"})
        await call("POST", "/banned", body={"as": "clientid", "who": "bad2"})
        for number in range(9):
            await call("POST", "/publish", body={"topic": f"late/{number}", "payload": "planted", "retain": True})
        # A second run goes on with what the first has imported, and nobody imports what it exports.
        here.ledger.memory["run"] = "another-run"
        second = await export(replace(here.run, token="another-run"), "blue", store)
        told = await written_after_export(here.run, "blue", second, store)
        loud = [line for line in told if line.startswith("NOT CARRIED from blue")]
        assert told[: len(loud)] == loud
        everything = "\n".join(told)
        assert "users:password_based:built_in_database written after the export: eve" in everything
        assert "users:password_based:built_in_database removed after the export: bob" in everything
        assert "authorization_sources put into another order" in everything
        assert "stays on blue: banned written after the export: clientid:bad2" in everything
        assert "late/0, late/1, late/2, late/3, late/4 and 4 more (9 of" in everything
        assert len(told) == 5
        assert here.events[-1]["section"] == "written after export"
        assert here.lines[-5:] == told
        assert "planted" not in everything
        (store / exported.inventory).unlink()
        (gone,) = await written_after_export(here.run, "blue", second, store)
        assert "unknown: it is missing" in gone
    (silent,) = await written_after_export(here.run, "blue", second, store)
    assert "unknown: " in silent
