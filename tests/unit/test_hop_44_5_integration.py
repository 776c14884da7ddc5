"""4.4 -> 5.x: rules, connectors and actions say what 4.4 said, or are left out and named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.hop_44_5_unseen_bed import (
    GATEWAYS,
    JWT,
    export,
    item,
    republished,
    run,
    written,
)

pytestmark = pytest.mark.unit


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
