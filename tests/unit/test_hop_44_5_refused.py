"""4.4 -> 5.x: bad input is refused by name or accounted in full."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.migration.hop_44_5 import BadSource, Source, convert, read_export
from tests.unit.hop_44_5_bed import OSS, how, run, user, verdicts

pytestmark = pytest.mark.unit


class TestBadInput:
    """Refused with file, place and remedy, or accounted; never a traceback."""

    @pytest.mark.parametrize(
        ("data", "seen"),
        [
            (OSS[: len(OSS) // 2], "truncated|not JSON"),
            (OSS[:-3], "truncated"),
            (b"", "truncated"),
            (b"\x1f\x8b\x08 not json", "not UTF-8"),
            (b"<html>", "not JSON"),
            (b"[]", "not an export"),
            (b"{}", "no version"),
            (OSS.replace(b'"version":"4.4"', b'"version":"4.3"'), "declared as 4.4.19"),
            (OSS.replace(b'"version":"4.4"', b'"version":"5.0"'), "declared as 4.4.19"),
            (OSS.replace(b'"version":"4.4"', b'"version":44'), "no version"),
            (b'{"version": "4.4", "auth_username": []}', "4.2 and older"),
            (b'{"version": "4.4", "rules": {}}', "not a list"),
            (b'{"version": "4.4", "rules": [1]}', "not an object"),
            (b'{"version": "4.4", "users": [{"username": "\\ud800"}]}', "not Unicode"),
            (b"[" * 100_000, "nested too deep|not JSON|truncated"),
        ],
    )
    def test_a_file_that_is_no_export_of_44_is_refused(self, data: bytes, seen: str) -> None:
        with pytest.raises(BadSource, match=seen) as caught:
            read_export("dir/data.json", data, "4.4.19")
        assert caught.value.file == "dir/data.json"
        assert caught.value.remedy

    @pytest.mark.parametrize("version", ["4.4", "4.4.19", "e4.4.19", "4.4-rc.1"])
    def test_every_spelling_of_44_is_taken(self, version: str) -> None:
        assert read_export("e", json.dumps({"version": version}).encode(), "e4.4.19")["version"] == version

    @pytest.mark.parametrize("version", ["4.40", "44", "4.3.22", "latest", ""])
    def test_another_version_is_not(self, version: str) -> None:
        with pytest.raises(BadSource, match="declared as"):
            read_export("e", json.dumps({"version": version}).encode(), "4.4.19")

    @pytest.mark.parametrize(
        ("origin", "target"),
        [
            ("4.3.22", "5.8.11"),
            ("5.0.1", "5.8.11"),
            ("4.4.19", "4.4.20"),
            ("4.4.19", "5.0.3"),
            ("four", "5.8.11"),
            ("4.4", ""),
        ],
    )
    def test_a_way_that_is_not_this_one_is_refused(self, origin: str, target: str) -> None:
        with pytest.raises(BadSource):
            convert(Source({"version": "4.4"}), origin, target)

    def test_nothing_at_all_is_refused(self) -> None:
        with pytest.raises(BadSource, match="nothing to convert"):
            convert(Source(), "4.4.19", "5.8.11")

    @pytest.mark.parametrize(
        "row",
        [
            {"login": "a", "type": "username"},
            {"login": "a", "password": "eA=="},
            {"login": 1, "type": "username", "password": "eA=="},
            {"login": "a", "type": "username", "password": "***"},
        ],
    )
    def test_a_user_that_cannot_be_read_is_refused_by_its_place(self, row: dict[str, Any]) -> None:
        with pytest.raises(BadSource) as caught:
            run({"auth_mnesia": [user("good"), row]})
        assert caught.value.place == "auth_mnesia[1]"

    @pytest.mark.parametrize(
        "change", [{"topic": ""}, {"access": "maybe"}, {"action": "all"}, {"type": "group"}, {"type": "username"}]
    )
    def test_an_acl_row_that_cannot_be_read_is_refused_because_a_deny_could_be_lost(
        self, change: dict[str, Any]
    ) -> None:
        row = {"type": "all", "topic": "t", "action": "pub", "access": "deny", "created_at": 1}
        with pytest.raises(BadSource) as caught:
            run({"acl_mnesia": [row, {**row, **change}]})
        assert caught.value.place == "acl_mnesia[1]"

    def test_acl_conf_that_cannot_be_read_is_refused_with_its_line(self) -> None:
        with pytest.raises(BadSource) as caught:
            run({}, {}, {"etc/acl.conf": "{allow, all}.\n\n{deny, all\n"})
        assert (caught.value.file, caught.value.place[:4]) == ("etc/acl.conf", "line")
        with pytest.raises(BadSource, match="line 2"):
            run({}, {}, {"etc/acl.conf": "\n{allow, nobody, pubsub, []}."})
        module = {
            "type": "internal_acl",
            "enabled": True,
            "config": {"acl_rule_file": {"filename": "acl.conf", "file": "{"}},
        }
        with pytest.raises(BadSource, match=r"modules\[0\]"):
            run({"modules": [module]})

    def test_unknown_placeholders_are_plain_text_before_and_after(self) -> None:
        row = {"type": "all", "topic": "x/%d/c-%c", "action": "pub", "access": "allow", "created_at": 1}
        conversion = run({"acl_mnesia": [row]})
        rules = next(request.body["rules"] for request in conversion.requests if request.path.endswith("rules/all"))
        assert [rule["topic"] for rule in rules] == ["x/%d/c-%c"]

    def test_an_acl_without_times_has_its_denies_first_and_says_so(self) -> None:
        row = {"type": "all", "topic": "t/#", "action": "pub", "access": "allow"}
        conversion = run({"acl_mnesia": [row, {**row, "topic": "t/x", "access": "deny"}]})
        rules = next(request.body["rules"] for request in conversion.requests if request.path.endswith("rules/all"))
        assert [rule["permission"] for rule in rules] == ["deny", "allow"]
        assert verdicts(conversion, "acl_mnesia") == ["changed", "changed"]

    def test_actions_that_cannot_go_leave_their_rule_and_are_accounted(self) -> None:
        actions = [
            {"id": "n", "name": "do_nothing", "args": {}},
            {"id": "o", "name": "invented", "args": {}},
            {"id": "m", "name": "data_to_mysql", "args": {"$resource": "resource:gone", "sql": "x"}},
            "not an action",
            {"id": "i", "name": "inspect", "args": {}, "fallbacks": [{"name": "inspect"}]},
        ]
        conversion = run({"rules": [{"id": "rule:1", "rawsql": "SELECT 1", "enabled": True, "actions": actions}]})
        assert conversion.config["rule_engine"]["rules"]["rule_1"]["actions"] == [{"function": "console"}]
        assert verdicts(conversion, "rules.actions") == ["dropped", "dropped", "dropped", "dropped", "carried"]
        assert verdicts(conversion, "rules.fallbacks") == ["dropped"]
        assert verdicts(conversion, "rules") == ["changed"]
        assert "not in the export" in how(conversion, "rules.actions", 2)

    def test_a_field_of_a_resource_that_nobody_reads_is_said(self) -> None:
        config = {"url": "http://h", "odd_limit": 5, "auto_reconnect": True, "cacertfile": {"filename": "", "file": ""}}
        conversion = run({"resources": [{"id": "resource:h", "type": "web_hook", "config": config}]})
        assert how(conversion, "resources").startswith("not carried: odd_limit ")

    def test_settings_that_cannot_be_read_are_dropped_or_refused_by_their_line(self) -> None:
        settings = {
            "zone.external.max_inflight": "many",
            "listener.tcp.external": "1883",
            "listener.tcp.external.acceptors": "x",
            "zone.external.force_gc_policy": "?",
        }
        conversion = run({}, settings)
        assert verdicts(conversion, "emqx.conf") == ["dropped", "carried", "dropped", "dropped"]
        with pytest.raises(BadSource, match="line 1"):
            run({}, {"acl_cache_max_size": "big"})
