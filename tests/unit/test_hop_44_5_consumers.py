"""4.4 -> 5.x: modules that publish what another broker or a queue holds become sources and rules that publish the same, or are named."""

from __future__ import annotations

from typing import Any

import pytest

from components.migration.hop_44_5 import Conversion, Options, Source, convert
from components.migration.hop_44_5.shape import component_faults, document, faults
from components.migration.manifest import Item, Verdict

pytestmark = pytest.mark.unit

KAFKA: dict[str, Any] = {
    "servers": "k1:9092, k2:9092",
    "pool_size": 8,
    "username": "u",
    "password": "S3CRET-k",
    "topic_mapping": [
        {"kafka_topic": "in", "mqtt_topic": "from/kafka", "mqtt_topic_qos": 1},
        {"kafka_topic": "keyed", "mqtt_topic": "dev/${message.key}/down", "mqtt_topic_qos": 0},
    ],
    "max_bytes": "1000KB",
    "offset_reset_policy": "reset_to_latest",
    "auto_reconnect": True,
    "ssl": False,
}
PUBSUB: dict[str, Any] = {
    "service_account_json": {"filename": "a.json", "file": '{"private_key": "S3CRET-g"}'},
    "topic_mapping": [{"pubsub_topic": "projects", "mqtt_topic": "from/pubsub", "qos": 2}],
}
MQTT: dict[str, Any] = {"address": "h:1883", "subscription_opts": [{"topic": "r/1"}, {"topic": "r/2", "qos": 1}]}


def run(
    kind: str, config: dict[str, Any], target: str = "5.8.11", edition: str = "ee", *, on: bool = True
) -> Conversion:
    modules = [{"type": kind, "config": config, "enabled": on}]
    return convert(Source({"version": "4.4", "modules": modules}), "4.4.19", target, Options(edition=edition, now=1.0))


def item(conversion: Conversion) -> Item:
    (found,) = (one for one in conversion.account.items if one.section == "modules")
    return found


def published(conversion: Conversion) -> list[dict[str, Any]]:
    return [rule["actions"][0]["args"] for rule in conversion.config["rule_engine"]["rules"].values()]


def test_a_kafka_consumer_publishes_each_topic_as_it_did() -> None:
    conversion = run("kafka_consumer", KAFKA)
    connector = conversion.config["connectors"]["kafka_consumer"]["kafka_consumer"]
    assert connector["bootstrap_hosts"] == "k1:9092,k2:9092"
    assert connector["authentication"] == {"mechanism": "plain", "username": "u", "password": "S3CRET-k"}
    sources = conversion.config["sources"]["kafka_consumer"]
    assert [one["parameters"] for one in sources.values()] == [
        {"topic": topic, "max_batch_bytes": "1000KB", "offset_reset_policy": "latest"} for topic in ("in", "keyed")
    ]
    asked = [rule["sql"].partition(" FROM ")[2] for rule in conversion.config["rule_engine"]["rules"].values()]
    assert asked == [f'"$bridges/kafka_consumer:{name}"' for name in sources]
    common = {"payload": "${value}", "retain": False}
    assert published(conversion) == [
        {"topic": "from/kafka", "qos": 1, **common},
        {"topic": "dev/${key}/down", "qos": 0, **common},
    ]
    assert item(conversion).verdict is Verdict.CHANGED
    assert "group of its own" in item(conversion).how
    assert "not carried" not in item(conversion).how
    assert "S3CRET" not in conversion.account.to_json(origin="a", target="b")


def test_a_pubsub_consumer_publishes_as_it_did() -> None:
    conversion = run("gcp_pubsub_consumer", PUBSUB)
    assert published(conversion) == [{"topic": "from/pubsub", "qos": 2, "payload": "${value}", "retain": False}]
    account = conversion.config["connectors"]["gcp_pubsub_consumer"]["gcp_pubsub_consumer"]["service_account_json"]
    assert account == PUBSUB["service_account_json"]["file"]


def test_a_subscriber_of_another_broker_keeps_topic_qos_and_retain() -> None:
    conversion = run("mqtt_subscriber", MQTT)
    parameters = [one["parameters"] for one in conversion.config["sources"]["mqtt"].values()]
    assert parameters == [{"topic": "r/1", "qos": 0}, {"topic": "r/2", "qos": 1}]
    expected = {"topic": "${topic}", "qos": "${qos}", "retain": "${retain}", "payload": "${payload}"}
    assert published(conversion) == [expected]
    assert item(conversion).verdict is Verdict.CARRIED


@pytest.mark.parametrize(
    ("kind", "config"), [("kafka_consumer", KAFKA), ("gcp_pubsub_consumer", PUBSUB), ("mqtt_subscriber", MQTT)]
)
def test_what_a_consumer_becomes_is_what_the_api_describes(kind: str, config: dict[str, Any]) -> None:
    written = run(kind, config).config
    found = [
        fault
        for root in ("connectors", "sources")
        for sort, ones in written[root].items()
        for one in ones.values()
        for fault in component_faults(root, sort, one)
    ]
    rule = {"$ref": document()["info"]["x-roots"]["rule"]}
    found += [fault for one in written["rule_engine"]["rules"].values() for fault in faults(one, rule)]
    assert found == []
    names = {source["connector"] for ones in written["sources"].values() for source in ones.values()}
    assert names == {name for ones in written["connectors"].values() for name in ones}


@pytest.mark.parametrize(
    ("kind", "config"), [("kafka_consumer", KAFKA), ("gcp_pubsub_consumer", PUBSUB), ("mqtt_subscriber", MQTT)]
)
def test_a_consumer_that_was_off_stays_off(kind: str, config: dict[str, Any]) -> None:
    written = run(kind, config, on=False).config
    ones = [one for root in ("connectors", "sources") for row in written[root].values() for one in row.values()]
    assert not any(one["enable"] for one in ones)


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "no address": ({**KAFKA, "servers": ""}, "requires its servers"),
    "no topics": ({**KAFKA, "topic_mapping": []}, "names no topics"),
    "topics that are none": ({**KAFKA, "topic_mapping": 5}, "names no topics"),
    "a topic that is no object": ({**KAFKA, "topic_mapping": ["in"]}, "not of the shape"),
    "no queue": ({**KAFKA, "topic_mapping": [{"mqtt_topic": "a"}]}, "requires its kafka_topic"),
    "a queue that is no text": (
        {**KAFKA, "topic_mapping": [{"kafka_topic": 5, "mqtt_topic": "a"}]},
        "5.x does not take",
    ),
    "no target": ({**KAFKA, "topic_mapping": [{"kafka_topic": "in"}]}, "mqtt_topic is missing"),
    "a placeholder": ({**KAFKA, "topic_mapping": [{"kafka_topic": "in", "mqtt_topic": "${x}"}]}, "placeholder"),
}


@pytest.mark.parametrize("what", ODD)
def test_a_consumer_that_5_x_cannot_be_is_dropped_with_its_reason(what: str) -> None:
    config, words = ODD[what]
    conversion = run("kafka_consumer", config)
    assert item(conversion).verdict is Verdict.DROPPED
    assert words in item(conversion).how
    assert not {"connectors", "sources", "rule_engine"} & conversion.config.keys()


def test_a_topic_that_is_left_out_and_a_setting_without_counterpart_are_named() -> None:
    odd = {"kafka_topic": "in", "mqtt_topic": "${message.nothing}"}
    kept = {**KAFKA["topic_mapping"][0], "mqtt_payload": "message"}
    conversion = run("kafka_consumer", {**KAFKA, "topic_mapping": [odd, kept], "key_mode": "base64"})
    assert "topic 1: its mqtt_topic is missing, or has a placeholder" in item(conversion).how
    assert "not carried: key_mode, mqtt_payload" in item(conversion).how
    assert len(published(conversion)) == 1


@pytest.mark.parametrize(
    ("kind", "target", "edition", "words"),
    [
        ("kafka_consumer", "5.5.1", "ee", "since 5.6"),
        ("mqtt_subscriber", "5.5.1", "ee", "since 5.6"),
        ("kafka_consumer", "5.8.9", "ce", "not in the open source edition"),
        ("gcp_pubsub_consumer", "5.8.9", "ce", "not in the open source edition"),
        ("pulsar_consumer", "5.8.11", "ee", "no source for Pulsar"),
    ],
)
def test_where_the_target_has_no_such_source_it_is_said(kind: str, target: str, edition: str, words: str) -> None:
    config = {"kafka_consumer": KAFKA, "gcp_pubsub_consumer": PUBSUB}.get(kind, MQTT)
    conversion = run(kind, config, target, edition)
    assert (item(conversion).verdict, words in item(conversion).how) == (Verdict.DROPPED, True)


def test_consumers_and_resources_of_one_name_do_not_overwrite_each_other() -> None:
    modules = [{"type": "kafka_consumer", "config": KAFKA, "enabled": True}] * 2
    conversion = convert(Source({"version": "4.4", "modules": modules}), "4.4.19", "5.8.11", Options(now=1.0))
    assert len(conversion.config["connectors"]["kafka_consumer"]) == 2
    assert len(conversion.config["sources"]["kafka_consumer"]) == 4
    assert len(conversion.config["rule_engine"]["rules"]) == 4
