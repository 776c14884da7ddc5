"""What a plugin, a module or a switch made ineffective on 4.4 is not effective on green, sample files untouched or edited."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import Conversion, Options, Source, convert
from components.migration.hop_44_5.listeners import PSK_CIPHERS
from components.migration.manifest import Verdict
from tests.unit.hop_44_5_bed import NOW, identities, imported, run, user

pytestmark = pytest.mark.unit

SAMPLE = "client1:1234\nclient2:abcd\n"
EDITED = "pump-7:00ff\n"
PSK = {"psk.file.path": "etc/psk.txt", "psk.file.delimiter": ":"}
DOOR = {"listener.ssl.external": "8883", "listener.ssl.external.psk_ciphers": "RSA-PSK-AES128-CBC-SHA"}
ON = "{emqx_psk_file, true}.\n"
OFF = ["{emqx_auth_mnesia, true}.\n", "{emqx_psk_file, false}.\n", ""]


def written(conversion: Conversion) -> str:
    """Everything that green would be given, in one text."""
    requests = [(one.path, one.body) for one in conversion.requests]
    return json.dumps([dict(conversion.config), dict(conversion.bootstrap), requests])


def with_psk(text: str, loaded: str | None, more: dict[str, str]) -> Conversion:
    files = {"etc/psk.txt": text} | ({} if loaded is None else {"loaded_plugins": loaded})
    return run({}, {**PSK, **more}, files)


def account(conversion: Conversion, section: str) -> dict[str, str]:
    return {item.label: str(item.verdict) for item in conversion.account.items if item.section == section}


class TestPsk:
    """Identities that nobody could use are not there (handshakes: tests/lab/test_psk_handshake.py)."""

    @pytest.mark.parametrize("text", [SAMPLE, EDITED])
    @pytest.mark.parametrize("loaded", [*OFF, None])
    @pytest.mark.parametrize("door", [{}, DOOR])
    def test_without_the_plugin_nothing_of_the_file_is_on_green(
        self, text: str, loaded: str | None, door: dict[str, str]
    ) -> None:
        conversion = with_psk(text, loaded, door)
        assert "psk_authentication" not in written(conversion)
        assert identities(conversion) == ""
        for line in text.splitlines():
            identity, _, key = line.partition(":")
            assert account(conversion, "psk")[identity] == "dropped"
            assert key not in written(conversion)

    @pytest.mark.parametrize("text", [SAMPLE, EDITED])
    def test_with_the_plugin_and_without_a_listener_that_asks_neither(self, text: str) -> None:
        conversion = with_psk(text, ON, {"listener.ssl.external": "8883"})
        assert "psk_authentication" not in written(conversion)
        assert not list(conversion.account.losses())

    def test_with_both_it_is_there_and_the_shipped_identities_are_pointed_at(self) -> None:
        conversion = with_psk(SAMPLE + EDITED, ON, DOOR)
        assert identities(conversion) == SAMPLE + EDITED
        assert account(conversion, "psk") == {"client1": "changed", "client2": "changed", "pump-7": "carried"}

    @pytest.mark.parametrize(
        ("text", "kept", "gone"),
        [
            ("a:1\n\nb:2\n", "a:1\n", {"a": "carried", "b": "dropped"}),
            (
                "a:1\n# sample:2\nb:2\n",
                "a:1\n# sample:2\nb:2\n",
                {"a": "carried", "# sample": "carried", "b": "carried"},
            ),
            ("a:1\n# no more\nb:2\n", "a:1\n", {"a": "carried", "line 2": "dropped", "b": "dropped"}),
            ("a:1\r\nb:2\r\n", "a:1\nb:2\n", {"a": "carried", "b": "carried"}),
            ("a:1\nb:2\na:3\n", "b:2\na:3\n", {"a": "carried", "b": "carried"}),
            ("a:\nb:2\n", "b:2\n", {"a": "dropped", "b": "carried"}),
            ("a:1:2", "a:1:2\n", {"a": "carried"}),
        ],
        ids=["blank line", "comment with a colon", "comment", "CRLF", "twice", "no key", "separator in the key"],
    )
    def test_whom_4_4_did_not_read_is_not_there_and_a_file_of_5_x_has_no_line_that_stops_it(
        self, text: str, kept: str, gone: dict[str, str]
    ) -> None:
        conversion = with_psk(text, ON, DOOR)
        assert identities(conversion) == kept
        assert account(conversion, "psk") == gone

    @pytest.mark.parametrize(
        ("ciphers", "versions", "expected"),
        [
            ("RSA-PSK-AES128-CBC-SHA,PSK-AES256-CBC-SHA", "", ["RSA-PSK-AES128-CBC-SHA", "PSK-AES256-CBC-SHA"]),
            ("PSK-RC4-SHA, PSK-AES128-CBC-SHA", "tlsv1.2,tlsv1.1", ["PSK-AES128-CBC-SHA"]),
            ("PSK-RC4-SHA", "tlsv1.3", list(PSK_CIPHERS)),
        ],
    )
    @pytest.mark.parametrize("loaded", [ON, ""])
    def test_a_door_that_takes_psk_takes_nothing_else_whether_the_plugin_is_on_or_not(
        self, loaded: str, ciphers: str, versions: str, expected: list[str]
    ) -> None:
        door = {"listener.ssl.external": "8883", "listener.ssl.external.psk_ciphers": ciphers}
        conversion = with_psk(
            EDITED, loaded, door | ({"listener.ssl.external.tls_versions": versions} if versions else {})
        )
        options = json.loads(conversion.bootstrap["base.hocon"])["listeners"]["ssl"]["default"]["ssl_options"]
        assert (options["ciphers"], options["versions"]) == (expected, ["tlsv1.2"])

    def test_a_module_of_enterprise_that_is_off_leaves_nothing(self) -> None:
        module = {"type": "psk_authentication", "enabled": False, "config": {"psk_file": {"file": EDITED}}}
        conversion = run({"modules": [module]})
        assert "pump-7" not in written(conversion)
        assert account(conversion, "psk") == {"pump-7": "dropped"}


class TestUsers:
    """Of the built-in database, from tables and from files."""

    SETTINGS = {"auth.user.1.username": "joe", "auth.user.1.password": "word"}  # noqa: RUF012 - read only

    @pytest.mark.parametrize("loaded", ["", "{emqx_auth_mnesia, false}.\n", "{emqx_auth_http, true}.\n"])
    @pytest.mark.parametrize("anonymous", ["true", "false"])
    def test_who_could_not_come_in_is_in_no_database_that_is_asked(self, loaded: str, anonymous: str) -> None:
        conversion = run(
            {"auth_mnesia": [user("ann")]}, {**self.SETTINGS, "allow_anonymous": anonymous}, {"loaded_plugins": loaded}
        )
        asked = [one for one in conversion.config["authentication"] if one["enable"]]
        if any(one.get("backend") == "built_in_database" for one in asked):
            assert not imported(conversion)
            assert account(conversion, "auth_mnesia") == {"ann": "dropped"}
        assert "joe" not in written(conversion)
        assert all(verdict == "dropped" for key, verdict in account(conversion, "emqx.conf").items() if "user" in key)

    def test_a_module_that_is_off_is_the_same(self) -> None:
        module = {"type": "mnesia_authentication", "enabled": False, "config": {}}
        conversion = run({"modules": [module], "auth_mnesia": [user("ann")]}, {"allow_anonymous": "false"})
        assert (imported(conversion), account(conversion, "auth_mnesia")) == ([], {"ann": "dropped"})

    def test_with_the_plugin_both_are_there(self) -> None:
        conversion = run(
            {"auth_mnesia": [user("ann")]}, self.SETTINGS, {"loaded_plugins": "{emqx_auth_mnesia, true}.\n"}
        )
        assert [row["user_id"] for row in imported(conversion)] == ["ann"]
        assert "joe" in written(conversion)

    @pytest.mark.parametrize(
        ("settings", "banned"),
        [
            ({"zone.external.enable_ban": "on"}, True),
            ({"zone.external.enable_ban": "off"}, False),
            ({"zone.external.max_inflight": "32"}, False),  # a zone that does not say so does not ask
            ({"zone.external.enable_ban": "off", "zone.mine.enable_ban": "on"}, True),
            ({}, True),  # nobody knows
        ],
    )
    def test_bans_that_nobody_asked_are_not_asked_on_green(self, settings: dict[str, str], banned: bool) -> None:
        ban = {"who": {"clientid": "bad"}, "until": NOW + 60}
        conversion = run({"blacklist": [ban]}, settings)
        assert ("bad" in written(conversion)) is banned
        assert account(conversion, "blacklist") == {"clientid bad": "carried" if banned else "dropped"}


MODULE_SETTINGS = {
    "module.subscription.1.topic": "connected/%c/%u",
    "module.subscription.1.qos": "2",
    "module.rewrite.pub.rule.1": "x/# ^x/y/(.+)$ z/y/$1",
    "module.presence.qos": "1",
    "module.slow_subs.threshold": "500ms",
}
ROOTS = {"subscription": "auto_subscribe", "rewrite": "rewrite"}


@pytest.mark.parametrize("loaded", ["{emqx_mod_acl_internal, true}.\n", "{emqx_mod_subscription, false}.\n", "", None])
def test_settings_of_modules_that_are_off_or_unknown_do_nothing(loaded: str | None) -> None:
    conversion = run({}, MODULE_SETTINGS, {} if loaded is None else {"loaded_modules": loaded})
    assert not {*ROOTS.values()} & conversion.config.keys()
    assert conversion.config["delayed"]["enable"] is False
    assert conversion.config["slow_subs"]["enable"] is False
    if loaded is not None:
        events = conversion.config["sys_topics"]["sys_event_messages"]
        assert events == {"client_connected": False, "client_disconnected": False}
    said = account(conversion, "emqx.conf")
    assert {said[key] for key in MODULE_SETTINGS if "subscription" in key or "rewrite" in key} == {"dropped"}


@pytest.mark.parametrize("name", ROOTS)
def test_settings_of_modules_that_are_on_are_carried(name: str) -> None:
    conversion = run({}, MODULE_SETTINGS, {"loaded_modules": f"{{emqx_mod_{name}, true}}.\n"})
    assert {root for root in ROOTS.values() if root in conversion.config} == {ROOTS[name]}


@pytest.mark.parametrize(
    ("kind", "root"),
    [("retainer", "retainer"), ("delayed", "delayed"), ("presence", "sys_topics")],
)
@pytest.mark.parametrize("there", [True, False])
def test_modules_of_enterprise_that_are_off_or_gone_are_off_though_5x_has_them_on(
    kind: str, root: str, there: bool
) -> None:
    modules = [{"type": kind, "enabled": False, "config": {}}] if there else []
    config = run({"modules": modules}).config[root]
    switches = list(config["sys_event_messages"].values()) if root == "sys_topics" else [config["enable"]]
    assert not any(switches)


def test_the_retainer_is_off_where_its_plugin_is_not_loaded() -> None:
    assert run({}, {}, {"loaded_plugins": "{emqx_auth_mnesia, true}.\n"}).config["retainer"]["enable"] is False
    assert run({}, {}, {"loaded_plugins": "{emqx_retainer, true}.\n"}).config.get("retainer", {"enable": True})[
        "enable"
    ]


@pytest.mark.parametrize(("loaded", "runs"), [("{emqx_rule_engine, true}.\n", True), ("", False), (None, True)])
def test_rules_of_an_engine_that_is_not_loaded_do_not_run(loaded: str | None, runs: bool) -> None:
    rule = {"id": "rule:1", "rawsql": 'SELECT * FROM "t/#"', "enabled": True, "actions": [{"name": "inspect"}]}
    conversion = run({"rules": [rule]}, {}, {} if loaded is None else {"loaded_plugins": loaded})
    assert conversion.config["rule_engine"]["rules"]["rule_1"]["enable"] is runs


def test_a_kind_of_listener_that_4_4_did_not_have_is_shut() -> None:
    base = json.loads(
        run({}, {"listener.tcp.external": "1883", "listener.ws.inner": "127.0.0.1:8083"}).bootstrap["base.hocon"]
    )
    switches = {(kind, name): one["enable"] for kind, names in base["listeners"].items() for name, one in names.items()}
    assert switches == {
        ("tcp", "default"): True,
        ("ws", "inner"): True,
        ("ws", "default"): False,
        ("ssl", "default"): False,
        ("wss", "default"): False,
    }


@pytest.mark.parametrize(
    ("edition", "settings", "files", "wanted"),
    [
        ("ce", {"telemetry.enabled": "false"}, {"loaded_plugins": "{emqx_telemetry, true}.\n"}, {"enable": False}),
        ("ce", {}, {"loaded_plugins": ""}, {"enable": False}),
        ("ce", {}, {"loaded_plugins": "{emqx_telemetry, true}.\n"}, None),
        ("ee", {"telemetry.enabled": "false"}, {"loaded_plugins": ""}, None),
    ],
)
def test_who_reported_nothing_to_the_makers_reports_nothing(
    edition: str, settings: dict[str, str], files: dict[str, str], wanted: Any
) -> None:
    assert run({}, settings, files, to="5.8.9", edition=edition).config.get("telemetry") == wanted


PLUGINS = {
    "http": {"auth.http.auth_req": "http://h/a"},
    "redis": {"auth.redis.server": "127.0.0.1:6379", "auth.redis.auth_cmd": "HMGET mqtt_user:%u password"},
    "mysql": {"auth.mysql.server": "127.0.0.1:3306", "auth.mysql.auth_query": "select password from u where n = '%u'"},
    "jwt": {"auth.jwt.secret": "S3CRET"},
}


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("loaded", ["", "false"])
def test_a_back_end_that_is_not_loaded_is_in_no_chain_and_needs_no_reading(name: str, loaded: str) -> None:
    files = {"loaded_plugins": f"{{emqx_auth_{name}, false}}.\n" if loaded else ""}
    settings = [Setting("emqx.conf", n, key, value) for n, (key, value) in enumerate(PLUGINS[name].items())]
    conversion = convert(Source({"version": "4.4"}, "e", settings, files), "4.4.19", "5.8.11", Options(now=NOW))
    kinds = [one.get("backend", one["mechanism"]) for one in conversion.config["authentication"]]
    kinds += [one["type"] for one in conversion.config["authorization"]["sources"] if one["enable"]]
    assert not {*kinds} - {"built_in_database", "file"}
    assert {item.verdict for item in conversion.account.items if item.section == "emqx.conf"} == {Verdict.DROPPED}
    assert not list(conversion.account.losses())


@pytest.mark.parametrize(
    "kind", ["exhook", "lua_hook", "shopkeeper", "tracing", "topic_metrics", "ldap_authentication", "sasl", "recon"]
)
def test_a_module_that_was_off_and_has_no_place_on_green_needs_no_reading(kind: str) -> None:
    off, on = (run({"modules": [{"type": kind, "enabled": switch, "config": {}}]}).account for switch in (False, True))
    assert not list(off.losses())
    assert bool(list(on.losses())) is (kind != "recon")
