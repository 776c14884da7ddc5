"""4.4 -> 5.x: what each section becomes, that nothing opens, and that bad input is refused by name or accounted in full."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from pyhocon import ConfigFactory

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import BadSource, Conversion, Options, Source, convert, read_export
from components.migration.hop_44_5.result import read_archive
from components.migration.manifest import Verdict
from components.migration.permissions.client import hashed

pytestmark = pytest.mark.unit

HERE = Path(__file__).parent / "recordings" / "hop_44_5"
OSS = (HERE / "oss-4.4.19.json").read_bytes()
NOW = 1795343060.0
LOADED = {"loaded_plugins": "{emqx_auth_mnesia, true}.\n", "loaded_modules": "{emqx_mod_acl_internal, true}.\n"}


def run(
    export: dict[str, Any] | None = None,
    settings: dict[str, str] | None = None,
    files: dict[str, str] | None = None,
    to: str = "5.8.11",
    **options: Any,
) -> Conversion:
    given = [Setting("emqx.conf", line, key, value) for line, (key, value) in enumerate((settings or {}).items(), 1)]
    data = None if export is None else {"version": "4.4", **export}
    return convert(Source(data, "e.json", given, files or {}), "4.4.19", to, Options(**{"now": NOW, **options}))


def verdicts(conversion: Conversion, section: str) -> list[str]:
    return [str(item.verdict) for item in conversion.account.items if item.section == section]


def how(conversion: Conversion, section: str, at: int = 0) -> str:
    item = next(item for item in conversion.account.items if (item.section, item.at) == (section, at))
    return f"{item.how} {item.todo}"


def user(login: str, kind: str = "username", salt: bytes = b"salt", algorithm: str = "sha256") -> dict[str, Any]:
    stored = base64.b64encode(salt + hashed(algorithm, salt, "secret")).decode()
    return {"login": login, "type": kind, "password": stored, "created_at": 1}


def imported(conversion: Conversion) -> list[dict[str, Any]]:
    return [row for request in conversion.requests if "import_users" in request.path for row in request.body]


def paths(conversion: Conversion) -> list[str]:
    return [request.path for request in conversion.requests]


class TestNothingOpens:
    """Where 4.4 refused, or where nobody knows, 5.x refuses."""

    def test_users_without_known_plugins_get_an_authenticator(self) -> None:
        authentication = run({"auth_mnesia": [user("a")]}).config["authentication"]
        assert [(one["backend"], one["enable"]) for one in authentication] == [("built_in_database", True)]

    def test_an_export_without_users_and_files_lets_nobody_in(self) -> None:
        assert run({"rules": []}).config["authentication"][0]["enable"]
        assert run({"rules": []}).config["authorization"]["no_match"] == "deny"

    def test_a_cluster_that_let_everybody_in_still_does_where_that_is_known(self) -> None:
        files = {"loaded_plugins": "{emqx_retainer, true}.\n", "loaded_modules": ""}
        conversion = run({}, {"allow_anonymous": "true"}, files)
        assert not any(one["enable"] for one in conversion.config["authentication"])
        assert verdicts(conversion, "emqx.conf") == ["carried"]

    def test_the_same_without_loaded_plugins_lets_nobody_in_and_says_so(self) -> None:
        conversion = run({}, {"allow_anonymous": "true"})
        assert conversion.config["authentication"][0]["enable"]
        assert verdicts(conversion, "emqx.conf") == ["changed"]

    def test_nobody_came_in_without_a_plugin_and_without_allow_anonymous(self) -> None:
        files = {"loaded_plugins": "{emqx_retainer, true}.\n"}
        assert run({}, {"allow_anonymous": "false"}, files).config["authentication"][0]["enable"]

    @pytest.mark.parametrize(("value", "no_match"), [("deny", "deny"), ("allow", "allow")])
    def test_acl_nomatch_of_the_file_is_no_match(self, value: str, no_match: str) -> None:
        conversion = run({}, {"acl_nomatch": value}, {**LOADED, "acl.conf": "{allow, all}."})
        assert conversion.config["authorization"]["no_match"] == no_match
        sent = next(request for request in conversion.requests if request.path == "/authorization/settings")
        assert sent.body["no_match"] == no_match

    def test_acl_nomatch_of_an_enterprise_hot_configuration_is_no_match(self) -> None:
        conversion = run({"modules": [], "configs": [{"name": "emqx", "confs": {"acl_nomatch": "allow", "odd": "x"}}]})
        assert conversion.config["authorization"]["no_match"] == "allow"
        assert verdicts(conversion, "configs") == ["carried", "dropped"]

    def test_greens_own_acl_file_that_allows_all_is_switched_off_where_44_had_none(self) -> None:
        sources = run({"modules": []}).config["authorization"]["sources"]
        assert {"type": "file", "enable": False, "rules": "{deny, all}.\n"} in sources

    def test_sources_are_put_into_44s_order_because_an_import_keeps_greens_file_in_front(self) -> None:
        conversion = run({}, {"acl_order": "none"}, {**LOADED, "acl.conf": "{allow, all}."})
        moves = [path for path in paths(conversion) if path.endswith("/move")]
        assert moves == ["/authorization/sources/file/move", "/authorization/sources/built_in_database/move"]
        assert [one["type"] for one in conversion.config["authorization"]["sources"]] == ["built_in_database", "file"]

    def test_behind_a_database_whose_rules_5_x_cannot_read_nothing_allows(self) -> None:
        files = {
            "loaded_plugins": "{emqx_auth_mysql, true}.\n",
            "loaded_modules": LOADED["loaded_modules"],
            "acl.conf": "{allow, all}.",
        }
        settings = {"acl_nomatch": "allow", "auth.mysql.server": "db:3306", "auth.mysql.acl_query": "select 1"}
        conversion = run({}, settings, files)
        authorization = conversion.config["authorization"]
        assert [(one["type"], one["enable"]) for one in authorization["sources"]] == [
            ("built_in_database", True),
            ("mysql", True),
            ("file", False),
        ] or [(one["type"], one["enable"]) for one in authorization["sources"]] == [
            ("mysql", True),
            ("built_in_database", False),
            ("file", False),
        ]
        assert authorization["no_match"] == "deny"
        assert "changed" in verdicts(conversion, "emqx.conf")

    def test_a_zone_that_let_people_by_does_not_any_more(self) -> None:
        settings = {
            "listener.tcp.internal": "127.0.0.1:11883",
            "listener.tcp.internal.zone": "internal",
            "zone.internal.bypass_auth_plugins": "true",
        }
        conversion = run({}, settings)
        listener = json.loads(conversion.bootstrap["base.hocon"])["listeners"]["tcp"]["internal"]
        assert listener["enable_authn"] is True
        assert "changed" in verdicts(conversion, "emqx.conf")


class TestUsers:
    """Hash and salt as they are; one type."""

    def test_a_salt_that_is_text_goes_through_the_import_api(self) -> None:
        conversion = run({"auth_mnesia": [user("a")]})
        assert imported(conversion) == [
            {
                "user_id": "a",
                "password_hash": hashed("sha256", b"salt", "secret").decode(),
                "salt": "salt",
                "is_superuser": False,
            }
        ]
        request = next(one for one in conversion.requests if "import_users" in one.path)
        assert (request.upload, request.path) == (
            "users-1.json",
            "/authentication/password_based%3Abuilt_in_database/import_users?type=hash",
        )

    def test_both_types_are_refused_until_one_is_chosen(self) -> None:
        export = {"auth_mnesia": [user("a"), user("c", "clientid")]}
        with pytest.raises(BadSource, match="1 users by username and 1 by clientid"):
            run(export)
        chosen = run(export, credential="clientid")
        assert [row["user_id"] for row in imported(chosen)] == ["c"]
        assert chosen.config["authentication"][0]["user_id_type"] == "clientid"
        assert verdicts(chosen, "auth_mnesia") == ["dropped", "carried"]

    def test_of_a_user_that_is_there_twice_the_later_row_counts_and_the_earlier_is_accounted(self) -> None:
        conversion = run({"auth_mnesia": [user("a", salt=b"old."), user("a", salt=b"new.")]})
        assert [row["salt"] for row in imported(conversion)] == ["new."]
        assert verdicts(conversion, "auth_mnesia") == ["dropped", "carried"]

    @pytest.mark.parametrize("algorithm", ["md5", "sha", "sha256", "sha512"])
    def test_the_hash_is_known_by_its_length_where_no_file_names_it(self, algorithm: str) -> None:
        conversion = run({"auth_mnesia": [user("a", algorithm=algorithm)]})
        assert conversion.config["authentication"][0]["password_hash_algorithm"] == {
            "name": algorithm,
            "salt_position": "prefix",
        }

    def test_a_hash_that_cannot_be_told_is_asked_for(self) -> None:
        with pytest.raises(BadSource, match=r"emqx_auth_mnesia\.conf"):
            run({"auth_mnesia": [user("a", algorithm="plain")]})
        known = run({"auth_mnesia": [user("a", algorithm="plain")]}, {"auth.mnesia.password_hash": "plain"})
        assert imported(known)[0]["password_hash"] == "saltsecret"

    def test_names_of_every_kind_arrive_unchanged(self) -> None:
        names = ['quo"te', "new\nline", "日本語 ü", "n" * 65536, "a,b c", "${x}"]
        conversion = run({"auth_mnesia": [user(name) for name in names]})
        assert [row["user_id"] for row in imported(conversion)] == names
        assert all("\n" not in item.label for item in conversion.account.items)
        assert json.loads(conversion.files()["requests.json"])

    def test_a_hundred_thousand_users_are_all_accounted(self) -> None:
        conversion = run({"auth_mnesia": [user(f"u{number}") for number in range(100_000)]})
        assert conversion.account.tally()["auth_mnesia"] == {
            "source": 100_000,
            "carried": 100_000,
            "changed": 0,
            "dropped": 0,
        }
        assert len(imported(conversion)) == 100_000

    def test_users_of_the_plugin_file_are_made_where_the_export_lacks_them(self) -> None:
        settings = {
            "auth.user.1.username": "joe",
            "auth.user.1.password": "pw",
            "auth.user.2.username": "a",
            "auth.user.2.password": "x",
        }
        conversion = run({"auth_mnesia": [user("a")]}, settings)
        made = [request.body["user_id"] for request in conversion.requests if request.path.endswith("/users")]
        assert made == ["joe"]
        assert verdicts(conversion, "emqx.conf") == ["carried"] * 4


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


class TestSections:
    """The rest of an export and of the files."""

    def test_every_kind_of_an_enterprise_export_is_carried_or_its_loss_is_said(self) -> None:
        export = read_export("ee", (HERE / "ee-4.4-all-kinds.json").read_bytes(), "4.4.19")
        conversion = convert(Source(export, "ee"), "4.4.19", "5.8.11", Options(now=NOW))
        lost = {
            item.label.partition(" ")[0]
            for item in conversion.account.items
            if item.section == "resources" and item.verdict is Verdict.DROPPED
        }
        assert lost == {"backend_iotdb", "backend_lindorm"}
        assert len(conversion.config["connectors"]) == 22
        assert conversion.bootstrap["init.psk"] == "dev1:S3CRETabc\ndev2:S3CRETdef\n"
        assert [one["who"] for one in (r.body for r in conversion.requests if r.path == "/banned")] == [
            "bad",
            "10.0.0.1",
        ]
        assert "no rule of this conversion knows it" not in conversion.files()["manifest.md"].decode()

    @pytest.mark.parametrize(("target", "kept"), [("5.5.1", 0), ("5.8.11", 22), ("6.1.0", 21)])
    def test_the_target_decides_which_connectors_there_are(self, target: str, kept: int) -> None:
        export = read_export("ee", (HERE / "ee-4.4-all-kinds.json").read_bytes(), "4.4.19")
        conversion = convert(Source(export, "ee"), "4.4.19", target, Options(now=NOW))
        assert len(conversion.config.get("connectors", {})) == kept

    def test_the_open_source_edition_has_two_kinds_of_connectors(self) -> None:
        export = read_export("ee", (HERE / "ee-4.4-all-kinds.json").read_bytes(), "4.4.19")
        conversion = convert(Source(export, "ee"), "4.4.19", "5.8.9", Options(now=NOW, edition="ce"))
        assert set(conversion.config["connectors"]) == {"http", "mqtt"}

    def test_applications_become_a_key_file_without_defaults_and_without_those_that_are_off(self) -> None:
        app = {"id": "a", "secret": "s", "status": True, "expired": "undefined"}
        apps = [
            app,
            {**app, "id": "admin", "secret": "public"},
            {**app, "id": "off", "status": False},
            {**app, "id": "c:d"},
            {**app, "id": "gone", "expired": 5},
        ]
        conversion = run({"apps": apps})
        assert conversion.bootstrap["api-keys.txt"] == "a:s:administrator\n"
        assert verdicts(conversion, "apps") == ["carried", "dropped", "dropped", "dropped", "dropped"]

    def test_a_ban_that_is_over_or_cannot_be_read_is_dropped(self) -> None:
        rows = [
            {"who": {"clientid": "a"}, "until": NOW + 9},
            {"who": {"username": "b"}, "until": 5},
            {"who": "c"},
            {"who": {"peerhost": "no"}},
            {"who": {"clientid": "d"}, "until": 10**30},
        ]
        conversion = run({"blacklist": rows})
        sent = [request.body for request in conversion.requests if request.path == "/banned"]
        assert [(one["who"], one["until"] == "infinity") for one in sent] == [("a", False), ("d", True)]
        assert verdicts(conversion, "blacklist") == ["carried", "dropped", "dropped", "dropped", "carried"]

    def test_zones_and_mqtt_settings_keep_their_meaning(self) -> None:
        settings = {
            "mqtt.max_packet_size": "2MB",
            "zone.external.keepalive_backoff": "0.75",
            "zone.external.max_subscriptions": "0",
            "zone.external.retry_interval": "30s",
            "zone.external.max_inflight": "0",
            "zone.external.mqueue_priorities": "a/b=10,c=2",
            "zone.other.upgrade_qos": "on",
            "zone.external.rate_limit.conn_messages_in": "100,10s",
            "listener.tcp.external": "1883",
            "listener.ssl.tls": "8883",
            "listener.ssl.tls.keyfile": "etc/certs/k.pem",
            "listener.ssl.tls.tls_versions": "tlsv1.3,tlsv1.2,tlsv1.1",
            "listener.ssl.tls.peer_cert_as_username": "cn",
        }
        conversion = run({}, settings)
        mqtt = conversion.config["mqtt"]
        assert mqtt["keepalive_multiplier"] == 1.5
        assert mqtt["max_subscriptions"] == "infinity"
        assert mqtt["retry_interval"] == "30s"
        assert mqtt["max_inflight"] == 65535
        assert mqtt["mqueue_priorities"] == {"a/b": 10, "c": 2}
        assert mqtt["peer_cert_as_username"] == "cn"
        assert conversion.config["zones"]["other"]["mqtt"]["upgrade_qos"] is True
        listeners = json.loads(conversion.bootstrap["base.hocon"])["listeners"]
        assert listeners["tcp"]["default"]["messages_rate"] == "100/10s"
        assert listeners["ssl"]["tls"]["ssl_options"] == {
            "keyfile": "${EMQX_ETC_DIR}/certs/k.pem",
            "versions": ["tlsv1.3", "tlsv1.2"],
        }

    def test_of_a_setting_that_is_there_twice_the_last_counts(self) -> None:
        twice = [Setting("emqx.conf", 1, "acl_nomatch", "allow"), Setting("emqx.conf", 2, "acl_nomatch", "deny")]
        conversion = convert(Source(None, "", twice, {**LOADED, "acl.conf": "{allow, all}."}), "4.4.19", "5.8.8")
        assert conversion.config["authorization"]["no_match"] == "deny"
        assert verdicts(conversion, "emqx.conf") == ["dropped", "carried"]

    def test_many_rules_of_one_login_raise_the_limit(self) -> None:
        rows = [
            {
                "type": "username",
                "type_value": "u",
                "topic": f"t/{n}",
                "action": "pub",
                "access": "allow",
                "created_at": n,
            }
            for n in range(150)
        ]
        source = run({"acl_mnesia": rows}).config["authorization"]["sources"][0]
        assert source["max_rules"] == 150

    @pytest.mark.parametrize(("target", "known"), [("5.6.1", False), ("5.7.0", True)])
    def test_a_token_that_ends_disconnects_nobody_as_in_44(self, target: str, known: bool) -> None:
        module = {"type": "jwt_authentication", "enabled": True, "config": {"secret": "s", "from": "password"}}
        authenticator = run({"modules": [module]}, to=target).config["authentication"][0]
        assert ("disconnect_after_expire" in authenticator) is known
        assert not authenticator.get("disconnect_after_expire")

    def test_several_key_sources_of_tokens_are_asked_for_and_nobody_gets_in_meanwhile(self) -> None:
        module = {
            "type": "jwt_authentication",
            "enabled": True,
            "config": {"secret": "s", "jwks_addr": "http://k", "from": "password"},
        }
        conversion = run({"modules": [module]})
        assert [(one["mechanism"], one["enable"]) for one in conversion.config["authentication"]] == [
            ("password_based", True)
        ]
        assert "--jwt-key" in how(conversion, "modules")
        chosen = run({"modules": [module]}, jwt_key="jwks").config["authentication"][0]
        assert (chosen["mechanism"], chosen["endpoint"]) == ("jwt", "http://k")

    def test_text_in_the_configuration_is_written_as_it_is(self) -> None:
        conversion = run({"rules": [{"id": "r", "rawsql": 'SELECT "日本 ${x}"', "enabled": True, "actions": []}]})
        text = read_archive(conversion.archive)["cluster.hocon"].decode()
        assert "日本 ${x}" in text
        assert ConfigFactory.parse_string(text)["rule_engine"]["rules"]["r"]["sql"] == 'SELECT "日本 ${x}"'

    def test_a_section_that_nobody_knows_is_accounted(self) -> None:
        conversion = run({"tomorrow": [1, 2], "more": {"a": 1}})
        assert verdicts(conversion, "tomorrow") == ["dropped", "dropped"]
        assert verdicts(conversion, "more") == ["dropped"]

    def test_files_alone_are_enough(self) -> None:
        conversion = run(None, {"acl_nomatch": "deny"}, {**LOADED, "acl.conf": "{deny, all}."})
        assert conversion.config["authorization"]["no_match"] == "deny"
