"""Exports that are unlike the samples: other Enterprise releases, gateways, tokens, odd back ends; nothing opens and nothing is lost unsaid."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import BadSource, Conversion, Options, Source, convert
from components.migration.prove import prove

pytestmark = pytest.mark.unit
NO_FILE = {"filename": "", "file": ""}
RULES = '{deny, all, publish, ["x"]}.\n{allow, all}.\n'
OPEN = {"configs": [{"name": "emqx", "confs": {"allow_anonymous": "true"}}]}
MNESIA = ("mnesia_authentication", {"password_hash": "sha256"})
JWT = ("jwt_authentication", {"secret": "S3CRET", "from": "password", "acl_claim_name": "acl"})


def export(*modules: tuple[str, dict[str, Any]], **sections: Any) -> dict[str, Any]:
    rows = [{"id": f"module:{kind}", "type": kind, "config": config, "enabled": True} for kind, config in modules]
    return {"version": "4.4", "modules": rows, **sections}


def source(data: dict[str, Any], **files: str) -> Source:
    return Source(data, "e.json", (), {f"etc/{name.replace('_', '.')}": text for name, text in files.items()})


def run(data: dict[str, Any], to: str = "5.8.11", **files: str) -> Conversion:
    return convert(source(data, **files), "4.4.19", to, Options(now=1795343060.0))


def item(conversion: Conversion, section: str, at: int = 0) -> tuple[str, str]:
    found = next(one for one in conversion.account.items if (one.section, one.at) == (section, at))
    return str(found.verdict), found.how


def user(login: str) -> dict[str, Any]:
    digest = hashlib.sha256(b"saltpassword").hexdigest().encode()
    return {"login": login, "type": "username", "password": base64.b64encode(b"salt" + digest).decode()}


def republished(args: dict[str, Any]) -> Any:
    action = {"id": "a", "name": "republish", "args": {"target_topic": "t", **args}}
    rule = {"id": "r", "rawsql": 'SELECT * FROM "t"', "enabled": True, "actions": [action]}
    return run({"version": "4.4", "rules": [rule]}).config["rule_engine"]["rules"]["r"]["actions"][0]["args"]


def written(kind: str, config: dict[str, Any], name: str, args: dict[str, Any]) -> tuple[Conversion, str]:
    action = {"id": "a", "name": name, "args": {"$resource": "resource:1", **args}}
    rule = {"id": "r", "rawsql": 'SELECT * FROM "t"', "enabled": True, "actions": [action]}
    data = {"version": "4.4", "rules": [rule], "resources": [{"id": "resource:1", "type": kind, "config": config}]}
    return run(data), kind


# --- files that an older Enterprise names by their path only


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
    assert ("init.psk" in conversion.bootstrap) is bool(files)


# --- gateways

STOMP = ("stomp_protocol", {"listeners": [{"listener_type": "tcp", "listen_on": "61613"}]})
GATEWAYS: list[tuple[str, dict[str, Any]]] = [
    STOMP,
    ("lwm2m_protocol", {"xml_dir": "etc/lwm2m_xml", "listeners": [{"listen_on": "5683"}]}),
    ("mqtt_sn_protocol", {"gateway_id": 3, "listeners": [{"listen_on": 1884}]}),
    ("coap_protocol", {}),
    ("gbt32960_protocol", {}),
]


def test_a_gateway_lets_nobody_in_that_44_did_not_let_in() -> None:
    gateways = run(export(*GATEWAYS)).config["gateway"]
    assert set(gateways) == {"stomp", "lwm2m", "mqttsn", "coap", "gbt32960"}
    assert all(one["authentication"]["backend"] == "built_in_database" for one in gateways.values())


def test_a_gateway_is_open_only_where_everybody_was_let_in() -> None:
    assert "authentication" not in run(export(STOMP, **OPEN)).config["gateway"]["stomp"]


@pytest.mark.parametrize(
    ("kind", "options"), [("ssl", "ssl_options"), ("dtls", "dtls_options"), ("wss", "ssl_options")]
)
def test_an_encrypted_listener_of_a_gateway_is_never_opened_in_clear_text(kind: str, options: str) -> None:
    files = {"certfile": {"filename": "c", "file": "CERT"}, "keyfile": {"filename": "k", "file": "S3CRET"}}
    bare = {"listener_type": kind, "listen_on": "61614", "certfile": NO_FILE}
    full = {**bare, **files, "verify": True, "fail_if_no_peer_cert": True}
    conversion = run(export(("stomp_protocol", {"listeners": [bare]}), ("coap_protocol", {"listeners": [full]})))
    assert "listeners" not in conversion.config["gateway"]["stomp"]
    assert "certificate is not in the export" in item(conversion, "modules")[1]
    listener = conversion.config["gateway"]["coap"]["listeners"][kind]["default"]
    assert listener[options] == {
        "verify": "verify_peer",
        "fail_if_no_peer_cert": True,
        "certfile": "CERT",
        "keyfile": "S3CRET",
    }


def test_a_gateway_has_what_5_x_requires_of_it_or_is_said_to_be_left_out() -> None:
    conversion = run(export(("lwm2m_protocol", {}), ("exproto_protocol", {}), ("jt808_protocol", {})))
    lwm2m = conversion.config["gateway"]["lwm2m"]
    assert lwm2m["xml_dir"]
    assert set(lwm2m["translators"]) == {"command", "response", "notify", "register", "update"}
    assert [item(conversion, "modules", at)[0] for at in (1, 2)] == ["dropped", "dropped"]


@pytest.mark.parametrize(
    ("config", "auth"),
    [
        ({"allow_anonymous": True}, {"allow_anonymous": True}),
        (
            {"registry": "http://r", "authentication": "http://a"},
            {"allow_anonymous": False, "registry": "http://r", "authentication": "http://a"},
        ),
    ],
)
def test_jt808_registers_whom_44_registered(config: dict[str, Any], auth: dict[str, Any]) -> None:
    assert run(export(("jt808_protocol", config))).config["gateway"]["jt808"]["proto"]["auth"] == auth


def test_exproto_keeps_its_handler() -> None:
    listener = {"listen_on": "7993", "connection_handler_url": "http://h:9001"}
    conversion = run(export(("exproto_protocol", {"server_http_port": 9100, "listeners": [listener]})))
    assert conversion.config["gateway"]["exproto"]["handler"] == {"address": "http://h:9001"}
    assert conversion.config["gateway"]["exproto"]["server"] == {"bind": "9100"}


# --- who may come in, and do what


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


# --- rules, connectors and actions


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({}, {"payload": "${payload}", "qos": 0, "retain": False}),
        ({"payload_tmpl": ""}, {"payload": "${.}"}),
        ({"target_qos": -1, "target_retain": "${flags.retain}"}, {"qos": "${qos}", "retain": "${flags.retain}"}),
        ({"target_qos": "${q}", "target_retain": "${r}"}, {"qos": "${q}", "retain": "${r}"}),
        ({"target_qos": "2", "target_retain": "true"}, {"qos": 2, "retain": True}),
        ({"target_retain": "false"}, {"retain": False}),
    ],
)
def test_a_republished_message_is_that_of_44(args: dict[str, Any], expected: dict[str, Any]) -> None:
    assert republished(args).items() >= expected.items()


def test_a_key_that_the_action_takes_from_its_resource_is_not_called_lost() -> None:
    config = {"servers": "k:9092", "compression": "snappy", "max_batch_bytes": "900KB"}
    conversion, _ = written("bridge_kafka", config, "data_to_kafka", {"topic": "t"})
    assert conversion.config["actions"]["kafka_producer"]["a"]["parameters"]["compression"] == "snappy"
    assert item(conversion, "resources")[0] == "carried"


def test_a_kerberos_login_keeps_its_principal() -> None:
    keytab = {"filename": "k.keytab", "file": "S3CRET"}
    config = {
        "servers": "k:9092",
        "authentication_mechanism": "KERBEROS",
        "kerberos_principal": "a@B",
        "kerberos_keytab": keytab,
    }
    conversion, _ = written("bridge_kafka", config, "data_to_kafka", {"topic": "t"})
    [connector] = conversion.config["connectors"]["kafka_producer"].values()
    assert connector["authentication"] == {"kerberos_principal": "a@B", "kerberos_keytab_file": "etc/k.keytab"}
    assert item(conversion, "resources")[0] == "changed"


@pytest.mark.parametrize(
    ("args", "syntax"),
    [
        ({"measurement": "m m", "tags": {"a b": "${c}"}, "fields": {"f": "${x}i"}}, "m\\ m,a\\ b=${c} f=${x}i"),
        ({"measurement": "m", "fields": {}}, None),
    ],
)
def test_a_point_of_influxdb_is_one_that_it_takes_or_is_left_out(args: dict[str, Any], syntax: str | None) -> None:
    conversion, _ = written(
        "backend_influxdb_http", {"host": "i", "port": 8086, "database": "d"}, "data_to_influxdb", args
    )
    actions = conversion.config.get("actions", {}).get("influxdb", {})
    assert [one["parameters"]["write_syntax"] for one in actions.values()] == ([] if syntax is None else [syntax])
    assert item(conversion, "rules.actions")[0] == ("dropped" if syntax is None else "changed")


def test_a_key_of_the_subscriber_that_is_not_carried_is_named() -> None:
    config = {"address": "h:1883", "subscription_opts": [{"topic": "t", "qos": 1}], "odd": "S3CRET-value"}
    conversion = run(export(("mqtt_subscriber", config)))
    verdict, how = item(conversion, "modules")
    assert verdict == "changed"
    assert "odd" in how
    assert "S3CRET" not in conversion.account.to_json(origin="4.4.19", target="5.8.11")


def test_no_secret_of_an_unseen_export_is_in_the_account() -> None:
    conversion = run(
        export(*GATEWAYS, JWT, ("psk_authentication", {"psk_file": {"file": "S3CRETwithout\nd:S3CRET\n"}}))
    )
    text = conversion.account.to_json(origin="4.4.19", target="5.8.11")
    assert "S3CRET" not in text
    assert json.loads(text)["items"]


def test_a_message_without_a_key_does_not_get_one() -> None:
    conversion, _ = written("bridge_kafka", {"servers": "k:9092"}, "data_to_kafka", {"topic": "t", "key": "none"})
    assert conversion.config["actions"]["kafka_producer"]["a"]["parameters"]["message"]["key"] == ""


def test_a_property_that_5_x_cannot_set_is_left_out_and_named() -> None:
    listed = [{"key": "Response-Topic", "value": "r"}, {"key": "Topic-Alias", "value": "1"}]
    assert republished({"mqtt_properties_template": listed})["mqtt_properties"] == {"Response-Topic": "r"}


@pytest.mark.parametrize(
    ("config", "args"),
    [
        ({"servers": "k", "username": "u", "authentication_mechanism": "ODD"}, {"topic": "t"}),
        ({"servers": "k"}, {"topic": "t", "required_acks": "S3CRET"}),
        ({"servers": "k"}, {"topic": ["S3CRET"]}),
    ],
)
def test_what_5_x_would_not_take_is_left_out_and_its_place_is_named(
    config: dict[str, Any], args: dict[str, Any]
) -> None:
    conversion, _ = written("bridge_kafka", config, "data_to_kafka", args)
    assert conversion.config["rule_engine"]["rules"]["r"]["actions"] == []
    assert item(conversion, "rules.actions")[0] == "dropped"
    assert "S3CRET" not in conversion.account.to_json(origin="4.4.19", target="5.8.11")


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("redis_authentication", {"type": "odd", "server": "h:1", "auth_cmd": "HGET u:%u password"}),
        ("redis_authentication", {"type": "single", "server": "h:1", "auth_cmd": "HGET u:%u password", "pool_size": 0}),
        ("mongo_authentication", {"type": "single", "auth_query_collection": "c", "acl_query_selectors": 5}),
        ("http_authentication", {"auth_req": "http://h", "method": "patch"}),
        ("jwt_authentication", {"secret": "S3CRET", "from": "clientid"}),
        ("jwt_authentication", {"secret": "S3CRET", "verify_claims": True, "claims": "odd"}),
    ],
)
def test_a_back_end_that_5_x_would_not_take_is_left_out_and_nobody_gets_in_by_it(
    kind: str, config: dict[str, Any]
) -> None:
    conversion = run(export((kind, config)))
    assert [one["backend"] for one in conversion.config["authentication"]] == ["built_in_database"]
    assert item(conversion, "modules")[0] == "dropped"


@pytest.mark.parametrize("listed", [5, "x", {}, [None]])
def test_a_subscriber_whose_topics_cannot_be_read_is_accounted(listed: object) -> None:
    conversion = run(export(("mqtt_subscriber", {"address": "h:1883", "subscription_opts": listed})))
    assert conversion.config.get("sources", {}).get("mqtt", {}) == {}
    assert item(conversion, "modules")[0] == "dropped"


# --- settings of back ends


def with_plugin(name: str, settings: dict[str, str]) -> Conversion:
    lines = [
        Setting(f"emqx_auth_{name}.conf", line, key, value) for line, (key, value) in enumerate(settings.items(), 1)
    ]
    files = {"loaded_plugins": f"{{emqx_auth_{name}, true}}.\n"}
    return convert(Source(None, "", lines, files), "4.4.19", "5.8.11", Options(now=1.0))


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


# --- what is on


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


# --- the hot configuration of Enterprise, as emqx_mgmt_data_backup of 4.4 writes it


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
    assert (conversion.account.counts["psk"], "etc/psk.txt" in conversion.account.counts) == (1, False)


def test_users_of_the_files_alone_are_of_the_type_that_the_files_say_or_a_person_chooses() -> None:
    client = {"auth.client.1.clientid": "c", "auth.client.1.password": "S3CRET"}
    user_ = {"auth.user.1.username": "u", "auth.user.1.password": "S3CRET"}
    conversion = with_plugin("mnesia", client)
    assert conversion.config["authentication"][0]["user_id_type"] == "clientid"
    assert [one.body["user_id"] for one in conversion.requests if one.path.endswith("/users")] == ["c"]
    with pytest.raises(BadSource, match="one type"):
        with_plugin("mnesia", {**client, **user_})
