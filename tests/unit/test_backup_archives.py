"""Archives: what one writes the other reads, what EMQX wrote is read as far as it can be, and refusals are EMQX's own."""

from __future__ import annotations

import asyncio
import io
import tarfile
import time
from pathlib import Path

import pytest

from lab.node.archive import importing
from lab.node.archive import rows as tables
from lab.node.archive.backup import Archive, BackupError, check_fits, check_name, key_is_limited, read, write
from lab.node.kept.message import Message
from lab.node.kept.records import AclRule, ApiKey, AuthnUser, Ban, DashboardUser, ScramUser
from lab.node.kept.store import PASSWORD_ID, Store
from lab.node.rules.passwords import secret_fits

pytestmark = pytest.mark.unit

SAMPLES = Path(__file__).parents[1] / "lab" / "recordings" / "samples"


def _full() -> Store:
    store = Store()
    store.authn_users[PASSWORD_ID] = {"a": AuthnUser("a", "00", "salt", is_superuser=True)}
    store.scram_users["s"] = ScramUser("s", "01", "02", "03")
    store.acl_users["a"] = [AclRule("t/#", "allow", "all"), AclRule("x", "deny", "publish", (1,), retain=True)]
    store.acl_clients["c"] = [AclRule("y", "allow", "subscribe")]
    store.acl_all[:] = [AclRule("z", "deny", "all")]
    store.banned["clientid", "bad"] = Ban("clientid", "bad", until=5.0)
    store.banned["username_re", "^x"] = Ban("username_re", "^x")
    store.retained["r"] = Message(
        "r", b"\x00\xff", 1, retain=True, at=1.5, id="AB", properties={0x26: (("k", "v"),), 0x09: b"cd"}
    )
    store.api_keys["k"] = ApiKey("k", "key", "salt$hash")
    store.dashboard_users["admin"] = DashboardUser("admin", "salt$hash")
    store.psk["identity"] = "00ff"
    store.put("auto_subscribe", {"topics": [{"topic": "auto"}]})
    return store


def _archive(store: Store) -> Archive:
    return Archive("ee", "5.8.11", store.overrides, {table: tables.dump(store, table) for table in tables.ORDER})


async def test_every_table_comes_back_as_it_was() -> None:
    source, target = _full(), Store()
    name = "emqx-export-x.tar.gz"
    archive = read(name, write(name, _archive(source)))
    assert await importing.restore(target, archive, path="", index_rate=0) == []
    for table in (
        "authn_users",
        "scram_users",
        "acl_users",
        "acl_clients",
        "acl_all",
        "banned",
        "api_keys",
        "dashboard_users",
        "psk",
    ):
        assert getattr(target, table) == getattr(source, table), table
    assert dict(target.retained) == dict(source.retained)
    assert target.effective("auto_subscribe")["topics"] == [{"topic": "auto"}]


def test_an_archive_is_flat_has_one_top_directory_and_only_files() -> None:
    with tarfile.open(fileobj=io.BytesIO(write("n.tar.gz", _archive(Store())))) as tar:
        members = tar.getmembers()
    assert all(member.isfile() and member.uid == 0 for member in members)
    assert {member.name.partition("/")[0] for member in members} == {"n"}
    assert [member.name for member in members][:2] == ["n/META.hocon", "n/cluster.hocon"]


async def test_lists_are_joined_ids_replaced_and_the_order_of_sources_is_the_targets() -> None:
    target = Store()
    target.put("auto_subscribe", {"topics": [{"topic": "mine"}]})
    target.put("connectors", {"http": {"same": {"url": "old"}, "own": {"url": "x"}}})
    config = {
        "auto_subscribe": {"topics": [{"topic": "theirs"}]},
        "connectors": {"http": {"same": {"url": "new"}}},
        "authorization": {
            "sources": [{"type": "built_in_database", "enable": True}, {"type": "file", "rules": "{deny, all}."}]
        },
        "nonsense": {"a": 1},
    }
    await importing.restore(target, Archive("ee", "5.8.11", config, {}), path="", index_rate=0)
    assert [row["topic"] for row in target.effective("auto_subscribe")["topics"]] == ["mine", "theirs"]
    assert target.effective("connectors")["http"] == {"same": {"url": "new"}, "own": {"url": "x"}}
    assert [(one["type"], one.get("rules")) for one in target.effective("authorization")["sources"]] == [
        ("file", "{deny, all}."),
        ("built_in_database", None),
    ]
    assert "nonsense" not in target.overrides
    assert set(importing.REWRITTEN) <= set(target.overrides)


async def test_a_table_of_another_make_is_refused_by_name_and_everything_else_is_applied() -> None:
    target = Store()
    found = {"emqx_banned": b"mnesia's own bytes", "emqx_authn_mnesia": tables.dump(_full(), "emqx_authn_mnesia")}
    archive = Archive("ee", "5.8.11", {"delayed": {"max_delayed_messages": 9}}, found)
    failures = await importing.restore(target, archive, path="/backup/x", index_rate=0)
    assert len(failures) == 1
    assert failures[0].startswith("[error] Failed to import built-in database table: emqx_banned")
    assert "a" in target.authn_users[PASSWORD_ID]
    assert target.effective("delayed")["max_delayed_messages"] == 9


async def test_a_cancelled_import_keeps_what_was_there_and_leaves_the_mark() -> None:
    source, target = _full(), Store()

    work = asyncio.create_task(importing.restore(target, _archive(source), path="", index_rate=0.01))
    await asyncio.sleep(0.05)
    work.cancel()
    await asyncio.wait({work})
    assert "r" in target.retained
    assert not target.authn_users
    assert target.reindexing


@pytest.mark.parametrize(
    ("edition", "version", "ours", "fits"),
    [
        ("ee", "5.9.0", ("ee", "5.8.11"), False),
        ("ee", "6.0.0", ("ee", "5.8.11"), False),
        ("ee", "5.8.12", ("ee", "5.8.11"), True),
        ("ee", "4.4.19", ("ee", "5.8.11"), True),
        ("ce", "5.8.9", ("ee", "5.8.11"), True),
        ("ee", "5.8.9", ("ce", "5.8.9"), False),
    ],
)
def test_newer_minors_and_enterprise_into_open_source_are_refused(
    edition: str, version: str, ours: tuple[str, str], fits: bool
) -> None:
    archive = Archive(edition, version, {}, {})
    if fits:
        check_fits(archive, *ours)
    else:
        with pytest.raises(BackupError):
            check_fits(archive, *ours)


def test_api_keys_are_limited_from_the_recorded_patches_on() -> None:
    limited = {
        version
        for version in ("5.8.9", "5.8.10", "5.8.11", "5.8.12", "5.9.2", "5.10.3", "5.10.4", "6.0.1")
        if key_is_limited(version)
    }
    assert limited == {"5.8.11", "5.8.12", "5.10.4"}


@pytest.mark.parametrize("name", ["emqx.conf", "../x.tar.gz", "a/b.tar.gz", "", ".tar"])
def test_names_that_are_no_backup_are_refused(name: str) -> None:
    with pytest.raises(BackupError, match=r"file name must have .tar.gz extension"):
        check_name(name)


def test_reading_ten_thousand_retained_messages_takes_no_quadratic_time() -> None:
    store, now = Store(), time.time()
    for number in range(10_000):
        store.retained[f"t/{number}"] = Message(f"t/{number}", b"x" * 20, at=now, id=str(number))
    target = Store()
    tables.restore(
        target,
        "emqx_retainer_message",
        tables.parse("emqx_retainer_message", tables.dump(store, "emqx_retainer_message")),
    )
    assert len(target.retained) == 10_000


WRITTEN_BY_EMQX = [(path.name, path.read_bytes()) for path in sorted(SAMPLES.glob("*.tar.gz"))]


@pytest.mark.parametrize(("sample", "raw"), WRITTEN_BY_EMQX, ids=[name for name, _ in WRITTEN_BY_EMQX])
async def test_of_archives_that_emqx_wrote_configuration_users_and_keys_are_read_and_every_other_table_is_refused_by_name(
    sample: str, raw: bytes
) -> None:
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        base = tar.getnames()[0].partition("/")[0]
    archive = read(f"{base}.tar.gz", raw)
    assert archive.edition in {"ee", "ce"}
    assert archive.version.startswith("5.8.")
    target = Store()
    failures = await importing.restore(target, archive, path="", index_rate=0)
    others = sorted(set(archive.tables) - {tables.USERS, "emqx_psk", "emqx_app"})
    assert [table for table in others if any(f"table: {table}, " in one for one in failures)] == others != []
    assert len(failures) == len(others)
    if sample == "export-by-token.tar.gz":
        assert archive.restricted() == ["api_keys", "dashboard_users"]
        lab, app = (target.api_keys[name] for name in ("from_bootstrap_file_bd5920332d2f73b7", "app1"))
        assert secret_fits("lab-secret-lab-secret", lab.secret_hash), "as recorded of the key that it was made with"
        assert (lab.key, lab.role, lab.expires, app.key) == ("lab", "administrator", None, "458f3b5112d2ecf0")
        assert target.effective("rule_engine")["rules"]["r1"]["name"] == "rule one"
        assert target.effective("authorization")["sources"][0]["rules"].startswith("%%---")
