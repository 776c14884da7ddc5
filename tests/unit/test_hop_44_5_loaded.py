"""4.4 -> 5.x: which files, plugins, modules and hot settings count, and that the others are named."""

from __future__ import annotations

import json

import pytest

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import BadSource, Conversion, Options, Source, convert
from components.migration.prove import prove
from tests.unit.hop_44_5_bed import identities
from tests.unit.hop_44_5_unseen_bed import (
    JWT,
    MNESIA,
    OPEN,
    RULES,
    export,
    item,
    run,
    source,
    with_plugin,
)

pytestmark = pytest.mark.unit


def test_an_acl_file_that_the_export_names_by_its_path_is_read_from_the_files() -> None:
    data = export(("internal_acl", {"acl_rule_file": "etc/acl.conf"}))
    conversion = run(data, acl_conf=RULES)
    file = next(one for one in conversion.config["authorization"]["sources"] if one["type"] == "file")
    assert file["enable"]
    assert '{deny, all, publish, ["x"]}' in file["rules"]
    assert conversion.account.tally()["etc/acl.conf"]["source"] == 2
    assert prove(source(data, acl_conf=RULES), "4.4.19", "5.8.11").widened == 0


def test_an_acl_file_that_is_named_and_not_given_denies_the_rest_and_is_said_to_be_missing() -> None:
    data = export(("internal_acl", {"acl_rule_file": "etc/acl.conf"}), configs=[{"confs": {"acl_nomatch": "allow"}}])
    conversion = run(data)
    assert conversion.config["authorization"]["no_match"] == "deny"
    assert item(conversion, "modules")[0] == "dropped"


def test_an_acl_file_beside_the_one_in_the_export_is_said_not_to_count() -> None:
    inner = {"acl_rule_file": {"filename": "acl.conf", "file": "{deny, all}.\n"}}
    conversion = run(export(("internal_acl", inner)), acl_conf=RULES)
    assert {verdict for verdict, _ in (item(conversion, "etc/acl.conf", at) for at in (0, 1))} == {"dropped"}
    assert conversion.config["authorization"]["no_match"] == "deny"


@pytest.mark.parametrize(("files", "verdict"), [({"psk_txt": "dev1:S3CRET\n"}, "carried"), ({}, "dropped")])
def test_a_psk_file_that_the_export_names_by_its_path_is_read_or_said_to_be_missing(
    files: dict[str, str], verdict: str
) -> None:
    conversion = run(export(("psk_authentication", {"psk_file": "etc/psk.txt"})), **files)
    assert item(conversion, "modules")[0] == verdict
    assert bool(identities(conversion)) is bool(files)


def with_loaded(settings: dict[str, str], plugins: str = "", modules: str = "") -> Conversion:
    lines = [Setting("emqx.conf", line, key, value) for line, (key, value) in enumerate(settings.items(), 1)]
    files = {"loaded_plugins": plugins, "loaded_modules": modules}
    return convert(Source(None, "", lines, files), "4.4.19", "5.8.11", Options(now=1.0))


@pytest.mark.parametrize(
    ("plugin", "verdict"),
    [
        ("{my_own_auth, true}.", "dropped"),
        ("{my_own_auth, false}.", "carried"),
        ("{emqx_exhook, true}.", "dropped"),
        ("{emqx_stomp, true}.", "dropped"),
        ("{emqx_auth_ldap, true}.", "dropped"),
        ("{emqx_auth_mnesia, true}.", "carried"),
        ("{emqx_management, true}.", "carried"),
    ],
)
def test_a_plugin_that_was_on_and_is_not_read_is_said_to_be_gone(plugin: str, verdict: str) -> None:
    assert item(with_loaded({"node.name": "a"}, plugin), "loaded_plugins")[0] == verdict


@pytest.mark.parametrize(
    ("modules", "is_on"), [("{emqx_mod_rewrite, true}.", True), ("{emqx_mod_rewrite, false}.", False)]
)
def test_topics_are_rewritten_only_where_the_module_was_on(modules: str, is_on: bool) -> None:
    conversion = with_loaded({"module.rewrite.pub.rule.1": "x/# ^x/(.+)$ y/$1"}, modules=modules)
    assert ("rewrite" in conversion.config) is is_on


@pytest.mark.parametrize(
    ("plugin", "is_open"),
    [
        ("{emqx_retainer, true}.\n{emqx_web_hook, true}.", True),
        ("{emqx_exhook, true}.", False),
        ("{emqx_lua_hook, true}.", False),
        ("{emqx_sasl, true}.", False),
        ("{my_own_auth, true}.", False),
        ("{my_own_auth, false}.", True),
    ],
)
def test_behind_a_plugin_that_may_have_refused_devices_no_door_is_open(plugin: str, is_open: bool) -> None:
    conversion = with_loaded({"allow_anonymous": "true"}, plugin)
    assert (not any(one["enable"] for one in conversion.config["authentication"])) is is_open


@pytest.mark.parametrize("kind", ["exhook", "lua_hook", "auth_sasl"])
def test_behind_a_module_that_may_have_refused_devices_no_door_is_open(kind: str) -> None:
    assert any(one["enable"] for one in run(export((kind, {}), **OPEN)).config["authentication"])
    assert not run(export(("recon", {}), **OPEN)).config["authentication"]


@pytest.mark.parametrize("prefix", ["", "zone.internal."])
def test_what_a_zone_of_the_hot_configuration_allows_is_not_allowed_in_general(prefix: str) -> None:
    confs = {f"{prefix}allow_anonymous": "true", f"{prefix}acl_nomatch": "allow"}
    general = {"name": "emqx", "confs": {"allow_anonymous": "false", "acl_nomatch": "deny"}}
    conversion = run({"version": "4.4", "modules": [], "configs": [general, {"zone": "internal", "confs": confs}]})
    assert any(one["enable"] for one in conversion.config["authentication"])
    assert conversion.config["authorization"]["no_match"] == "deny"


@pytest.mark.parametrize("prefix", ["", "listener.ssl.external."])
def test_a_listener_of_the_hot_configuration_is_that_listener(prefix: str) -> None:
    key = "listener.ssl.external" if prefix else "endpoint"
    confs = {key: "8883", f"{prefix}max_connections": "7"}
    conversion = run({"version": "4.4", "configs": [{"type": "ssl", "name": "external", "confs": confs}]})
    listener = json.loads(conversion.bootstrap["base.hocon"])["listeners"]["ssl"]["default"]
    assert (listener["bind"], listener["max_connections"]) == ("8883", 7)


def test_a_row_without_any_setting_is_taken() -> None:
    assert run({"version": "4.4", "configs": [{"name": "emqx", "confs": []}]}).account.counts.get("configs", 0) == 0


@pytest.mark.parametrize(
    ("status", "enabled", "verdict"),
    [("stopped", False, "carried"), ("running", True, "carried"), (5, True, "dropped")],
)
def test_a_listener_that_was_stopped_by_hand_stays_shut(status: object, enabled: object, verdict: str) -> None:
    rows = [{"type": "tcp", "name": "external", "status": status}, {"type": "ws", "name": "x", "status": "stopped"}]
    confs = {"listener.tcp.external": "1883"}
    conversion = run({"version": "4.4", "configs": [{"confs": confs}], "listeners_state": rows})
    listener = json.loads(conversion.bootstrap["base.hocon"])["listeners"]["tcp"]["default"]
    assert listener["enable"] is enabled
    assert [item(conversion, "listeners_state", at)[0] for at in (0, 1)] == [verdict, "dropped"]


def test_modules_are_asked_in_the_order_that_they_were_started_in_and_that_it_is_not_sure_is_said() -> None:
    data = export(JWT, MNESIA)
    for row, time in zip(data["modules"], (7, 3), strict=True):
        row["created_at"] = {"updated_at_ns": time, "created_at_ns": 1}
    conversion = run(data)
    assert [one["mechanism"] for one in conversion.config["authentication"]] == ["password_based", "jwt"]
    assert "mnesia, jwt" in item(conversion, "modules", 1)[1]
    ordered = {**data, "configs": [{"name": "emqx", "confs": {"acl_order": "mnesia,jwt"}}]}
    assert item(run(ordered), "modules", 1) == ("carried", "on")


LOADED_OF_ENTERPRISE = [{"name": "internal_acl", "enable": True, "configs": {"acl_rule_file": "etc/acl.conf"}}]


def test_loaded_modules_of_enterprise_are_read() -> None:
    files = {"loaded_modules": json.dumps(LOADED_OF_ENTERPRISE), "acl.conf": RULES, "loaded_plugins": ""}
    conversion = convert(
        Source(None, "", [Setting("e", 1, "node.name", "a")], files), "4.4.19", "5.8.11", Options(now=1)
    )
    assert next(one for one in conversion.config["authorization"]["sources"] if one["type"] == "file")["enable"]
    conversion = convert(Source(export(MNESIA), "", (), files), "4.4.19", "5.8.11", Options(now=1))
    assert item(conversion, "loaded_modules")[0] == "carried"


def test_a_quick_refusal_that_5_x_does_not_have_is_said() -> None:
    conversion = with_loaded({"allow_anonymous": "false_quick_deny"}, "{emqx_auth_mnesia, true}.")
    assert item(conversion, "emqx.conf")[0] == "changed"


@pytest.mark.parametrize("other", ["cn", "dn"])
def test_two_listeners_never_give_devices_the_names_of_others(other: str) -> None:
    doors = {"listener.ssl.a": "1", "listener.ssl.a.peer_cert_as_username": "cn", "listener.ssl.b": "2"}
    doors["listener.ssl.b.peer_cert_as_username"] = other
    if other == "cn":
        assert with_loaded(doors).config["mqtt"]["peer_cert_as_username"] == "cn"
    else:
        with pytest.raises(BadSource, match="line 4"):
            with_loaded(doors)


def test_a_file_that_nothing_is_made_of_is_said_to_be_left_out() -> None:
    files = {"etc/psk.txt": "d:S3CRET\n", "etc/ssl_dist.conf": "[]."}
    conversion = convert(Source(export(), "e.json", (), files), "4.4.19", "5.8.11", Options(now=1.0))
    assert [item(conversion, name)[0] for name in files] == ["dropped", "dropped"]
    used = export(("psk_authentication", {"psk_file": "etc/psk.txt"}))
    conversion = convert(Source(used, "e.json", (), files), "4.4.19", "5.8.11", Options(now=1.0))
    assert (conversion.account.counts["psk"], conversion.account.counts.get("etc/psk.txt", 0)) == (1, 0)


def test_users_of_the_files_alone_are_of_the_type_that_the_files_say_or_a_person_chooses() -> None:
    client = {"auth.client.1.clientid": "c", "auth.client.1.password": "S3CRET"}
    user_ = {"auth.user.1.username": "u", "auth.user.1.password": "S3CRET"}
    conversion = with_plugin("mnesia", client)
    assert conversion.config["authentication"][0]["user_id_type"] == "clientid"
    assert [one.body["user_id"] for one in conversion.requests if one.path.endswith("/users")] == ["c"]
    with pytest.raises(BadSource, match="one type"):
        with_plugin("mnesia", {**client, **user_})
