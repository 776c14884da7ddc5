"""4.4 -> 5.x: who may come in and what back ends of authentication become."""

from __future__ import annotations

from typing import Any

import pytest

from components.migration.prove import prove
from tests.unit.hop_44_5_unseen_bed import (
    JWT,
    MNESIA,
    OPEN,
    export,
    item,
    run,
    source,
    user,
    with_plugin,
)

pytestmark = pytest.mark.unit


def test_rules_in_tokens_do_not_overtake_a_source_that_could_deny() -> None:
    conversion = run(export(MNESIA, JWT, ("internal_acl", {"acl_rule_file": {"file": "{allow, all}.\n"}})))
    tokens = next(one for one in conversion.config["authentication"] if one["mechanism"] == "jwt")
    sources = {one["type"]: one["enable"] for one in conversion.config["authorization"]["sources"]}
    assert tokens["acl_claim_name"] != "acl"
    assert sources == {"built_in_database": True, "file": False}
    assert conversion.config["authorization"]["no_match"] == "deny"
    assert item(conversion, "modules", 1)[0] == "changed"
    assert item(conversion, "acl.conf")[0] == "changed"


@pytest.mark.parametrize("order", ["jwt,mnesia", "jwt"])
def test_rules_in_tokens_that_were_asked_first_are_asked_first(order: str) -> None:
    conversion = run(export(MNESIA, JWT, configs=[{"confs": {"acl_order": order, "acl_nomatch": "deny"}}]))
    tokens = next(one for one in conversion.config["authentication"] if one["mechanism"] == "jwt")
    assert tokens["acl_claim_name"] == "acl"
    assert all(one["enable"] for one in conversion.config["authorization"]["sources"] if one["type"] != "file")


@pytest.mark.parametrize("data", [export(JWT, auth_mnesia=[user("u")]), export(auth_mnesia=[user("u")], **OPEN)])
def test_users_that_44_did_not_ask_have_a_place_on_green_that_is_off(data: dict[str, Any]) -> None:
    conversion = run(data)
    place = [one for one in conversion.config["authentication"] if one.get("backend") == "built_in_database"]
    assert [one["enable"] for one in place] == [False]
    assert any("import_users" in request.path for request in conversion.requests)
    assert prove(source(data), "4.4.19", "5.8.11").widened == 0


@pytest.mark.parametrize("name", ["macfun,10", "pbkdf2", "pbkdf2,sha256", "pbkdf2,sha256,many", "SHA256"])
def test_a_back_end_with_an_unknown_hash_is_left_out_and_nobody_gets_in_by_it(name: str) -> None:
    config = {
        "server": "p:5432",
        "auth_query": "select password from t",
        "password_hash": name,
        "acl_query": "select 1",
    }
    conversion = run(export(("pgsql_authentication", config), MNESIA))
    assert {one.get("backend") for one in conversion.config["authentication"]} == {"built_in_database"}
    assert item(conversion, "modules")[0] == "dropped"
    assert not any(one["enable"] for one in conversion.config["authorization"]["sources"])


def test_everybody_with_a_login_is_asked_for_where_the_source_mentions_no_topic() -> None:
    proof = prove(source(export(MNESIA, auth_mnesia=[user("u")])), "4.4.19", "5.8.11")
    assert (proof.left_out, proof.widened) == (0, 0)
    assert proof.decisions > 0


def test_the_permission_request_keeps_its_own_method_and_headers() -> None:
    conversion = with_plugin(
        "http",
        {
            "auth.http.auth_req.url": "http://h/auth",
            "auth.http.auth_req.method": "post",
            "auth.http.auth_req.headers.content_type": "application/json",
            "auth.http.acl_req.url": "http://h/acl",
            "auth.http.acl_req.method": "get",
            "auth.http.acl_req.headers.accept": "*/*",
            "auth.http.acl_req.headers.content-type": "application/x-www-form-urlencoded",
        },
    )
    [login] = [one for one in conversion.config["authentication"] if one.get("backend") == "http"]
    [acl] = [one for one in conversion.config["authorization"]["sources"] if one["type"] == "http"]
    assert (login["method"], login["headers"]["content-type"]) == ("post", "application/json")
    assert (acl["method"], acl["headers"]["accept"]) == ("get", "*/*")


@pytest.mark.parametrize(
    ("name", "given", "lost"),
    [
        ("pgsql", {"server": "h:1", "auth_query": "select password from t"}, "encoding"),
        ("mongo", {"server": "h:1", "auth_query.collection": "c"}, "topology.max_overflow"),
        ("jwt", {"secret": "s"}, "jwks.refresh_interval"),
        ("mnesia", {"password_hash": "sha256"}, "odd"),
    ],
)
def test_a_setting_of_a_back_end_that_nothing_is_made_of_is_said_to_be_lost(
    name: str, given: dict[str, str], lost: str
) -> None:
    settings = {f"auth.{name}.{key}": value for key, value in {**given, lost: "1"}.items()}
    conversion = with_plugin(name, settings)
    verdicts = {one.label: str(one.verdict) for one in conversion.account.items}
    assert verdicts[f"auth.{name}.{lost}"] == "dropped"
    assert all(verdicts[f"auth.{name}.{key}"] != "dropped" for key in given)


def test_a_key_of_a_module_that_nothing_is_made_of_is_named() -> None:
    config = {"server": "h:1", "auth_query": "select password from t", "odd": "S3CRET-value"}
    conversion = run(
        export(("mysql_authentication", config), ("mnesia_authentication", {"max_acls_for_each_login": 7}))
    )
    assert "odd" in item(conversion, "modules")[1]
    assert "max_acls_for_each_login" in item(conversion, "modules", 1)[1]
    assert "S3CRET" not in conversion.account.to_json(origin="4.4.19", target="5.8.11")


def test_a_schema_whose_name_5_x_does_not_take_stops_no_script() -> None:
    rows = [{"name": name, "parser_type": "avro", "schema": "{}"} for name in ("odd name", "plain-1")]
    conversion = run({"version": "4.4", "schemas": rows})
    assert [one.body["name"] for one in conversion.requests if one.path == "/schema_registry"] == ["plain-1"]
    assert item(conversion, "schemas")[0] == "dropped"
