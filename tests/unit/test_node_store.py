"""The store: layers of configuration as in docs/emqx/config.md#precedence, and a file that gives back exactly what was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.node.kept.message import Message
from lab.node.kept.old import OldRule, OldUser
from lab.node.kept.persistence import ROWS, pieces, read, write
from lab.node.kept.records import AclRule, ApiKey, AuthnUser, Ban, DashboardUser, DelayedMessage, ScramUser
from lab.node.kept.store import PASSWORD_ID, Store, merged

pytestmark = pytest.mark.unit


def test_an_override_lies_under_emqx_conf_at_boot_and_above_it_at_run_time() -> None:
    store = Store(config_file={"mqtt": {"max_inflight": 10}})
    assert store.effective("mqtt")["max_inflight"] == 10
    store.merge("mqtt", {"max_inflight": 20, "max_mqueue_len": 5})
    assert store.effective("mqtt")["max_inflight"] == 20
    store.boot()
    assert store.effective("mqtt")["max_inflight"] == 10
    assert store.effective("mqtt")["max_mqueue_len"] == 5


def test_only_what_was_written_through_the_api_is_in_the_overrides() -> None:
    store = Store(config_file={"authentication": [{"mechanism": "jwt"}]})
    assert store.overrides == {}
    store.put("rewrite", [{"action": "publish"}])
    assert store.overrides == {"rewrite": [{"action": "publish"}]}
    assert store.effective("authentication") == [{"mechanism": "jwt"}]


def test_watchers_hear_of_each_change_after_it_happened() -> None:
    store, heard = Store(), []
    store.watch(lambda root: heard.append((root, store.effective(root))))
    store.put("rewrite", [1])
    assert heard == [("rewrite", [1])]


def test_merging_replaces_lists_and_joins_objects_and_changes_neither_side() -> None:
    base, over = {"a": {"x": 1, "y": [1]}, "b": 2}, {"a": {"y": [2]}}
    assert merged(base, over) == {"a": {"x": 1, "y": [2]}, "b": 2}
    assert base == {"a": {"x": 1, "y": [1]}, "b": 2}


def full_store() -> Store:
    message = Message(
        "a/b", b"\x00\xff", 1, True, "c", "u", 12.5, "0" * 32, {0x02: 60, 0x09: b"\x01", 0x26: (("k", "v"),)}
    )
    store = Store(config_file={"node": {"cookie": "x"}})
    store.put("authentication", [{"mechanism": "password_based", "backend": "built_in_database"}])
    store.authn_users[PASSWORD_ID] = {"alice": AuthnUser("alice", "h", "s", True)}
    store.scram_users["u"] = ScramUser("u", "aa", "bb", "cc")
    store.acl_users["alice"] = [AclRule("t/#", "deny", "publish", (0, 1), True)]
    store.acl_clients["c"] = [AclRule("t", "allow", "all")]
    store.acl_all = [AclRule("x", "allow", "subscribe", retain="all")]
    store.banned["peerhost", "1.2.3.4"] = Ban("peerhost", "1.2.3.4", until=99.0)
    store.retained[message.topic] = message
    store.delayed[message.id] = DelayedMessage(message, 20.0, 7, "emqx@127.0.1.1")
    store.api_keys["k"] = ApiKey("k", "id", "salt$hash", expires=5.0)
    store.dashboard_users["admin"] = DashboardUser("admin", "salt$hash")
    store.psk["i"] = "00ff"
    return store


def test_a_saved_store_comes_back_as_it_was(tmp_path: Path) -> None:
    store, path = full_store(), tmp_path / "deep" / "store.json"
    write(pieces(store), path)
    again = read(path)
    for name in (
        "config_file", "overrides", "authn_users", "scram_users", "acl_users", "acl_clients", "acl_all", "banned", "delayed", "api_keys",
        "dashboard_users", "psk", "reindexing",
    ):  # fmt: skip
        assert getattr(again, name) == getattr(store, name), name
    assert dict(again.retained) == dict(store.retained)
    assert again.effective() == store.effective()


def test_long_tables_are_told_in_pieces_as_they_were_when_the_first_was_told(tmp_path: Path) -> None:
    store, path = full_store(), tmp_path / "store.json"
    store.authn_users[PASSWORD_ID] = {f"u{one}": AuthnUser(f"u{one}", "h", "s", False) for one in range(3 * ROWS)}
    store.old.users = {("login", f"u{one}"): OldUser(f"u{one}", b"h") for one in range(ROWS + 1)}
    users, old = dict(store.authn_users[PASSWORD_ID]), dict(store.old.users)
    lines = pieces(store)
    told = [next(lines)]
    store.authn_users[PASSWORD_ID]["late"] = AuthnUser("late", "h", "s", False)
    store.old.users.clear()
    told += lines
    assert max(len(json.loads(line).get("rows", ())) for line in told) == ROWS
    write(told, path)
    again = read(path)
    assert again.authn_users[PASSWORD_ID] == users
    assert again.old.users == old


def test_an_authenticator_without_users_stays_one(tmp_path: Path) -> None:
    store, path = Store(authn_users={PASSWORD_ID: {}}), tmp_path / "store.json"
    write(pieces(store), path)
    assert read(path).authn_users == {PASSWORD_ID: {}}


def test_a_file_in_the_first_format_is_read_whole(tmp_path: Path) -> None:
    message = {"topic": "a", "payload": "eA==", "qos": 0, "retain": True, "sender": "c", "username": None, "at": 1.0}
    retained = {**message, "id": "0" * 32, "properties": {}}
    rule = AclRule("t/#", "deny", "publish").to_json()
    old = {
        "users": [["username", {"login": "u", "secret": "aA==", "created_ms": 1, "is_superuser": False}]],
        "clientids": [],
        "usernames": [],
        "rules": [["all", "", [{"topic": "x", "action": "pub", "allow": False, "created_ms": 2}]]],
        "apps": [], "admins": [], "resources": {}, "engine": {}, "plugins": ["emqx_auth_mnesia"],
    }  # fmt: skip
    user = {"user_id": "u", "password_hash": "h", "salt": "s", "is_superuser": True}
    names = ("scram_users", "banned", "delayed", "api_keys", "dashboard_users", "acl_all")
    document = {
        "format": "emqx-lab-store-1", "config_file": {}, "overrides": {"mqtt": {"max_inflight": 7}}, "psk": {"i": "00"}, "reindexing": False,
        "authn_users": {PASSWORD_ID: [user]}, "acl_users": {"u": [rule]}, "acl_clients": {}, "retained": [retained], "old": old,
        **{name: [] for name in names},
    }  # fmt: skip
    path = tmp_path / "store.json"
    path.write_text(json.dumps(document))
    store = read(path)
    assert store.authn_users == {PASSWORD_ID: {"u": AuthnUser("u", "h", "s", True)}}
    assert store.acl_users == {"u": [AclRule("t/#", "deny", "publish")]}
    assert (store.overrides, store.psk) == ({"mqtt": {"max_inflight": 7}}, {"i": "00"})
    assert list(store.retained) == ["a"]
    assert store.old.users == {("username", "u"): OldUser("u", b"h", 1)}
    assert store.old.rules == {("all", ""): [OldRule("x", "pub", False, 2)]}
    assert store.old.plugins == ["emqx_auth_mnesia"]


def test_the_file_is_for_its_owner_only_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "store.json"
    write(pieces(full_store()), path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_foreign_file_is_refused_and_a_missing_one_is_a_new_store(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.json"
    foreign.write_text("[]")
    with pytest.raises(ValueError, match="no store of the lab"):
        read(foreign)
    assert read(tmp_path / "none.json").overrides == {}
