"""Sources that are unlike the samples: zones, doors, bans, schemas and kinds of files; nothing opens, hangs or is lost unsaid."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.cutover.versions import parse
from components.migration.configs import hocon
from components.migration.configs.flat import Setting
from components.migration.facts import Plan, load
from components.migration.hop_44_5 import BadSource, Conversion, Options, Source, convert
from components.migration.permissions.after import dialects
from components.migration.permissions.client import Access, Action, Client
from components.migration.prove import after_of, before_of, prove

pytestmark = pytest.mark.unit
SAMPLES = Path(__file__).parent / "recordings/migration/samples"
LOADED = {"loaded_plugins": "{emqx_auth_mnesia, false}.\n", "loaded_modules": "{emqx_mod_acl_internal, true}.\n"}
DOORS = {
    "listener.tcp.a": "1883",
    "listener.tcp.a.zone": "external",
    "listener.tcp.b": "1884",
    "listener.tcp.b.zone": "shut",
}


def source(export: dict[str, Any] | None = None, settings: dict[str, str] | None = None) -> Source:
    given = [Setting("emqx.conf", line, key, value) for line, (key, value) in enumerate((settings or {}).items(), 1)]
    return Source(None if export is None else {"version": "4.4", **export}, "e.json", given, LOADED)


def run(
    export: dict[str, Any] | None = None, settings: dict[str, str] | None = None, to: str = "5.8.11", **more: Any
) -> Conversion:
    return convert(source(export, settings), "4.4.19", to, Options(**{"now": 1795343060.0, **more}))


def hows(conversion: Conversion, section: str) -> list[tuple[str, str]]:
    return [(str(item.verdict), item.how) for item in conversion.account.items if item.section == section]


@pytest.mark.parametrize("shut", [{"zone.shut.allow_anonymous": "false"}, {"zone.shut.allow_anonymous": "off"}])
def test_one_zone_that_wants_a_login_shuts_the_chain_for_all(shut: dict[str, str]) -> None:
    conversion = run(settings={"allow_anonymous": "true", **DOORS, **shut})
    assert [one["backend"] for one in conversion.config["authentication"] if one["enable"]] == ["built_in_database"]
    assert "changed" in {verdict for verdict, _ in hows(conversion, "emqx.conf")}


def test_a_listener_without_a_zone_takes_the_general_setting() -> None:
    doors = {"listener.tcp.a": "1883", "zone.external.allow_anonymous": "true", "zone.external.acl_nomatch": "allow"}
    conversion = run(settings=doors)
    assert conversion.config["authentication"]
    assert conversion.config["authorization"]["no_match"] == "deny"


def test_zones_that_are_all_open_stay_open() -> None:
    conversion = run(settings={"allow_anonymous": "true", "acl_nomatch": "allow", **DOORS})
    assert not conversion.config["authentication"]


def test_one_zone_that_denies_what_no_rule_matches_denies_it_for_all() -> None:
    given = {"acl_nomatch": "allow", "zone.shut.acl_nomatch": "deny", **DOORS}
    assert run({"modules": []}, given).config["authorization"]["no_match"] == "deny"
    assert not prove(source({"modules": []}, given), "4.4.19", "5.8.11").widened


@pytest.mark.parametrize(("file", "no_match"), [({"acl.conf": "%% nothing\n"}, "allow"), ({}, "deny")])
def test_an_acl_file_without_rules_decides_nothing_and_one_that_is_not_given_may_have_denied(
    file: dict[str, str], no_match: str
) -> None:
    given = [Setting("emqx.conf", 1, "acl_nomatch", "allow")]
    conversion = convert(Source(None, "", given, {**LOADED, **file}), "4.4.19", "5.8.11", Options(now=1.0))
    assert conversion.config["authorization"]["no_match"] == no_match


@pytest.mark.parametrize("name", ["a/b", "+", "#", "plain"])
def test_a_deny_with_a_placeholder_is_not_lost_in_6_3_where_such_names_are_not_put_in(name: str) -> None:
    rows = [{"type": "all", "topic": "x/%c", "action": "pub", "access": "deny", "created_at": 2}]
    rows += [{"type": "all", "topic": "x/#", "action": "pub", "access": "allow", "created_at": 1}]
    given = Source(
        {"version": "4.4", "acl_mnesia": rows},
        "e.json",
        (),
        {**LOADED, "loaded_plugins": "{emqx_auth_mnesia, true}.\n"},
    )
    conversion = convert(given, "4.4.19", "6.3.1", Options(now=1.0))
    new = after_of(conversion, dialects((6, 3, 1))[0])
    topic = f"x/{name}"
    assert (
        new.decide(Client(name), Action.PUBLISH, topic)
        is before_of(given).decide(Client(name), Action.PUBLISH, topic)
        is Access.DENY
    )
    without = replace(new, name_letters=frozenset())
    assert without.decide(Client(name), Action.PUBLISH, topic) is (Access.DENY if name == "plain" else Access.ALLOW)


@pytest.mark.parametrize(("to", "limit"), [("5.6.1", None), ("5.7.2", None), ("5.8.0", 150)])
def test_the_limit_of_rules_is_set_where_there_is_one(to: str, limit: int | None) -> None:
    rows = [{"type": "all", "topic": f"x/{n}", "action": "pub", "access": "deny", "created_at": n} for n in range(150)]
    sources = run({"acl_mnesia": rows}, to=to).config["authorization"]["sources"]
    assert next(one for one in sources if one["type"] == "built_in_database").get("max_rules") == limit


def test_a_superuser_field_that_44_read_past_makes_nobody_a_superuser() -> None:
    config = {
        "server": "h:1",
        "auth_cmd": "HMGET mqtt_user:%u password salt is_superuser",
        "password_hash": "salt,sha256",
    }
    conversion = run({"modules": [{"type": "redis_authentication", "enabled": True, "config": config}]})
    command = next(one["cmd"] for one in conversion.config["authentication"] if one.get("backend") == "redis")
    assert command == "HMGET mqtt_user:${username} password salt"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({}, "nobody_is_superuser"),
        ({"super_query_collection": "u", "super_query": "off"}, "nobody_is_superuser"),
        ({"super_query_collection": "u"}, None),
    ],
)
def test_a_document_makes_a_superuser_only_where_44_asked_for_superusers(
    more: dict[str, str], field: str | None
) -> None:
    config = {
        "type": "single",
        "server": "h:1",
        "auth_query_collection": "u",
        "auth_query_selector": "username=%u",
        **more,
    }
    conversion = run({"modules": [{"type": "mongo_authentication", "enabled": True, "config": config}]})
    mongo = next(one for one in conversion.config["authentication"] if one.get("backend") == "mongodb")
    assert mongo.get("is_superuser_field") == field


@pytest.mark.parametrize(("given", "modes"), [("undef", []), ("safe", ["w_mode"])])
def test_a_mode_of_mongodb_that_5x_does_not_know_is_left_to_its_default(given: str, modes: list[str]) -> None:
    config = {
        "type": "rs",
        "server": "h:1",
        "servers": "h:1",
        "database": "d",
        "auth_query_collection": "u",
        "w_mode": given,
        "r_mode": "undef",
    }
    module = {"type": "mongo_authentication", "enabled": True, "config": config}
    resource = {"id": "resource:m", "type": "backend_mongo_rs", "config": config}
    made = run({"modules": [module], "resources": [resource]}).config
    mongo = next(one for one in made["authentication"] if one.get("backend") == "mongodb")
    parameters = made["connectors"]["mongodb"]["m"]["parameters"]
    assert [name for name in ("w_mode", "r_mode") if name in mongo] == modes
    assert [name for name in ("w_mode", "r_mode") if name in parameters] == modes


LOST = {
    "ldap_authentication": {"servers": "h"},
    "mongo_authentication": {"type": "unknown", "acl_query_collection": "mqtt_acl", "acl_query_selectors": ["u=%u"]},
}


@pytest.mark.parametrize("kind", LOST)
def test_behind_a_source_that_cannot_be_asked_any_more_nothing_allows(kind: str) -> None:
    file = {"acl_rule_file": {"filename": "acl.conf", "file": "{allow, all}."}}
    modules = [
        {"type": kind, "enabled": True, "config": LOST[kind]},
        {"type": "internal_acl", "enabled": True, "config": file},
    ]
    authorization = run({"modules": modules}, {"acl_nomatch": "allow"}).config["authorization"]
    assert authorization["no_match"] == "deny"
    assert [one["enable"] for one in authorization["sources"] if one["type"] == "file"] == [False]
    off = [{**modules[0], "enabled": False}, modules[1]]
    authorization = run({"modules": off}, {"acl_nomatch": "allow"}).config["authorization"]
    assert [one["enable"] for one in authorization["sources"] if one["type"] == "file"] == [True]


def test_an_action_that_stores_no_data_is_no_data_action() -> None:
    resources = [{"id": "resource:m", "type": "backend_mongo_single", "config": {"server": "h:1", "database": "d"}}]
    args = {"$resource": "resource:m", "collection": "c"}
    actions = [
        {"id": "o", "name": "offline_msg_to_mongo", "args": args},
        {"id": "d", "name": "data_to_mongo", "args": args},
    ]
    conversion = run(
        {"resources": resources, "rules": [{"id": "r", "rawsql": 'SELECT * FROM "t"', "actions": actions}]}
    )
    assert conversion.config["rule_engine"]["rules"]["r"]["actions"] == ["mongodb:d"]
    assert [verdict for verdict, _ in hows(conversion, "rules.actions")] == ["dropped", "carried"]


@pytest.mark.parametrize("host", ["10.0.0.3", [49, 48, 46, 48, 46, 48, 46, 51], [10, 0, 0, 3]])
@pytest.mark.parametrize("key", ["peerhost", "ipaddress"])
def test_a_banned_address_stays_banned_however_it_is_written(key: str, host: Any) -> None:
    conversion = run({"blacklist": [{"who": {key: host}, "by": "me", "reason": "", "at": 1, "until": "undefined"}]})
    body = next(request.body for request in conversion.requests if request.path == "/banned")
    assert (body["as"], body["who"], body["until"]) == ("peerhost", "10.0.0.3", "infinity")


def test_users_that_stand_in_a_file_are_proved_like_those_of_the_export() -> None:
    given = [Setting("a", 1, "auth.user.1.username", "bob"), Setting("a", 2, "auth.user.1.password", "pass")]
    files = {**LOADED, "loaded_plugins": "{emqx_auth_mnesia, true}.\n"}
    proof = prove(Source(None, "", given, files), "4.4.19", "5.8.11")
    assert (proof.widened, proof.narrowed) == (0, 0)
    conversion = convert(Source(None, "", given, files), "4.4.19", "5.8.11", Options(now=1.0))
    new = after_of(conversion, dialects((5, 8, 11))[0])
    assert [str(new.connect(Client("c", "bob"), password)) for password in ("pass", "other", None)] == [
        "allow",
        "deny",
        "deny",
    ]


def test_what_a_server_answers_is_not_taken_from_the_built_in_rules() -> None:
    rows = [{"type": "all", "topic": "a", "action": "pub", "access": "allow", "created_at": 1}]
    modules = [
        {"type": "http_authentication", "enabled": True, "config": {"acl_req": "http://h/acl"}},
        {"type": "mnesia_authentication", "enabled": True, "config": {"password_hash": "sha256"}},
    ]
    conversion = run({"modules": modules, "acl_mnesia": rows}, {"acl_order": "http,mnesia"})
    assert after_of(conversion, dialects((5, 8, 11))[0]).decide(Client("c"), Action.PUBLISH, "a") is Access.DENY


@pytest.mark.parametrize("actions", [5, None, "x", [5], [{"args": 5}], {"a": 1}])
def test_a_rule_whose_actions_are_none_is_proved_like_any_other(actions: Any) -> None:
    assert not prove(
        source({"rules": [{"id": "r", "rawsql": "SELECT", "actions": actions}]}), "4.4.19", "5.8.11"
    ).widened


def schema(name: str, kind: str = "avro", text: str = "{}") -> dict[str, Any]:
    return {"id": name, "name": name, "parser_type": kind, "schema": text, "descr": "d"}


@pytest.mark.parametrize(
    ("to", "edition", "sent"), [("5.8.11", "ee", 2), ("5.4.1", "ee", 1), ("5.8.11", "ce", 0), ("5.10.4", "ce", 2)]
)
def test_schemas_go_to_the_registry_of_versions_that_have_it(to: str, edition: str, sent: int) -> None:
    rows = [schema("a"), schema("a", text="[]"), schema("j", "json"), schema("x", "3rd-party"), {"name": 5}]
    conversion = run({"schemas": rows}, to=to, edition=edition)
    bodies = [request.body for request in conversion.requests if request.path == "/schema_registry"]
    assert len(bodies) == sent
    assert len(hows(conversion, "schemas")) == len(rows)
    assert not sent or bodies[0] == {"type": "avro", "name": "a", "source": "[]", "description": "d"}


def test_topics_that_are_counted_are_counted_on_green() -> None:
    module = {"type": "topic_metrics", "enabled": True, "config": {"topics": ["a/b", {"topic": "c"}]}}
    conversion = run({"modules": [module]})
    assert [one.body for one in conversion.requests if "topic_metrics" in one.path] == [
        {"topic": "a/b"},
        {"topic": "c"},
    ]
    assert hows(conversion, "modules")[0][0] == "carried"
    assert hows(run({"modules": [{**module, "config": {}}]}), "modules")[0][0] == "dropped"


FILES = {
    "apps": [{"id": "a", "secret": "s", "status": True}],
    "modules": [{"type": "psk_authentication", "enabled": True, "config": {"psk_file": {"file": "c:k"}}}],
}


def test_files_that_emqx_opens_as_they_are_named_have_no_variable_in_their_name() -> None:
    base = json.loads(run(FILES).bootstrap["base.hocon"])
    assert base["api_key"]["bootstrap_file"] == "etc/api-keys.txt"
    assert base["psk_authentication"]["init_file"] == "etc/init.psk"


@pytest.mark.parametrize(
    ("to", "line"), [("5.3.2", "a:s\n"), ("5.4.1", "a:s:administrator\n"), ("6.0.1", "a:s:administrator\n")]
)
def test_a_key_has_a_role_from_the_version_on_that_has_roles(to: str, line: str) -> None:
    assert run(FILES, to=to).bootstrap["api-keys.txt"] == line


@pytest.mark.parametrize("to", ["5.1.6", "5.6.1", "5.8.3"])
def test_before_5_8_4_there_is_no_base_hocon_and_the_settings_are_for_emqx_conf(to: str) -> None:
    bootstrap = run(FILES, {"listener.tcp.external": "1883"}, to=to).bootstrap
    assert "base.hocon" not in bootstrap
    read = hocon.parse("emqx.conf", 'node.name = "emqx@127.0.0.1"\n' + bootstrap["for-emqx.conf"])
    assert str(read.tree["listeners"]["tcp"]["default"]["bind"]) == "1883"
    assert read.tree["api_key"]["bootstrap_file"] == "etc/api-keys.txt"


def test_the_manifest_in_pieces_is_the_manifest() -> None:
    conversion = run({"schemas": [schema("a")]})
    assert b"".join(conversion.pieces()["manifest.json"]) == conversion.files()["manifest.json"]
    assert len(list(conversion.pieces()["manifest.json"])) > len(conversion.account.items)


def plan(source: str) -> Plan:
    return Plan(parse(source), parse("5.8.11"))


def test_a_pipe_and_a_device_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "e.json")
    for path in (tmp_path / "e.json", Path("/dev/zero")):
        with pytest.raises(BadSource, match="no regular file"):
            load(plan("4.4.19"), (path,))


@pytest.mark.parametrize(
    ("file", "said"),
    [("export-5.8.10-by-apikey.tar.gz", "4.4.19"), ("export-ce-5.8.9.tar.gz", "5.7.2"), ("v4.4.19.json", "5.8.11")],
)
def test_a_source_of_another_version_than_is_said_is_refused(file: str, said: str) -> None:
    with pytest.raises(BadSource, match=f"declared as {said}"):
        load(plan(said), (SAMPLES / file,))
