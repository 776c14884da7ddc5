"""Sources that are unlike the samples: zones, doors, bans, schemas and kinds of files; nothing opens, hangs or is lost unsaid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import Options, Source, convert
from components.migration.permissions.after import dialects
from components.migration.permissions.client import Access, Action, Client
from components.migration.prove import after_of, before_of, prove
from tests.unit.other_sources_bed import DOORS, LOADED, hows, run, source

pytestmark = pytest.mark.unit


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
