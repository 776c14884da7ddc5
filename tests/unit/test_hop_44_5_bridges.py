"""4.4 -> 5.x: bridges of the plugin receive and forward what they did, under the topics that they did, or are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.migration.configs.flat import Setting, parse
from components.migration.hop_44_5 import Conversion, Options, Source, convert
from components.migration.hop_44_5.shape import component_faults, document, faults

pytestmark = pytest.mark.unit

SHIPPED = Path(__file__).parent / "recordings/hop_44_5/etc/plugins/emqx_bridge_mqtt.conf"
BRIDGE = {
    "address": "remote:1883",
    "start_type": "auto",
    "proto_ver": "mqttv5",
    "clientid": "b",
    "password": "S3CRET",
    "forwards": "up/#, other/+",
    "forward_mountpoint": "bridge/${node}/",
    "subscription.1.topic": "cmd/#",
    "subscription.1.qos": "1",
    "subscription.2.topic": "all",
    "receive_mountpoint": "receive/",
    "ciphers": "A",
}


def run(bridge: dict[str, str], to: str = "5.8.11", plugin: str = "{emqx_bridge_mqtt, true}.\n") -> Conversion:
    given = [Setting("b.conf", at, f"bridge.mqtt.aws.{key}", one) for at, (key, one) in enumerate(bridge.items(), 1)]
    return convert(Source(None, "", given, {"loaded_plugins": plugin}), "4.4.19", to, Options(now=1.0))


def verdicts(conversion: Conversion) -> dict[str, str]:
    items = conversion.account.items
    return {
        item.label.removeprefix("bridge.mqtt.aws."): str(item.verdict) for item in items if item.section == "b.conf"
    }


def test_a_bridge_receives_and_forwards_as_it_did() -> None:
    conversion = run(BRIDGE)
    config = conversion.config
    assert config["connectors"]["mqtt"]["aws"]["server"] == "remote:1883"
    parameters = [one["parameters"] for one in config["sources"]["mqtt"].values()]
    assert parameters == [{"topic": "cmd/#", "qos": 1}, {"topic": "all", "qos": 1}]
    rules = config["rule_engine"]["rules"]
    assert rules["aws_in"]["actions"][0]["args"]["topic"] == "receive/${topic}"
    assert rules["aws_in"]["sql"].endswith('FROM "$bridges/mqtt:aws_1", "$bridges/mqtt:aws_2"')
    assert rules["aws_out"]["sql"].endswith('FROM "up/#", "other/+"')
    assert rules["aws_out"]["actions"] == ["mqtt:aws"]
    assert config["actions"]["mqtt"]["aws"]["parameters"]["topic"] == "bridge/${node}/${topic}"
    said = verdicts(conversion)
    assert {key for key, verdict in said.items() if verdict == "dropped"} == {"ciphers"}
    assert "S3CRET" not in conversion.account.to_json(origin="a", target="b")


def shaped(config: dict[str, Any]) -> list[str]:
    roots = ("connectors", "sources", "actions")
    found = [
        fault
        for root in roots
        for one in config.get(root, {}).get("mqtt", {}).values()
        for fault in component_faults(root, "mqtt", one)
    ]
    rule = {"$ref": document()["info"]["x-roots"]["rule"]}
    return found + [fault for one in config["rule_engine"]["rules"].values() for fault in faults(one, rule)]


def test_what_a_bridge_becomes_is_what_the_api_describes() -> None:
    assert shaped(dict(run(BRIDGE).config)) == []
    settings = list(parse("emqx_bridge_mqtt.conf", SHIPPED.read_text(encoding="utf-8")).settings)
    shipped = Source(None, "", settings, {"loaded_plugins": "{emqx_bridge_mqtt, true}.\n"})
    assert shaped(dict(convert(shipped, "4.4.19", "5.8.11", Options(now=1.0)).config)) == []


def test_a_bridge_that_is_started_by_hand_is_off_and_said_to_be() -> None:
    conversion = run({**BRIDGE, "start_type": "manual"})
    assert not conversion.config["connectors"]["mqtt"]["aws"]["enable"]
    assert verdicts(conversion)["start_type"] == "changed"


@pytest.mark.parametrize(
    ("change", "to", "plugin"),
    [
        ({"address": "emqx2@10.0.0.2"}, "5.8.11", "{emqx_bridge_mqtt, true}.\n"),
        ({"address": ""}, "5.8.11", "{emqx_bridge_mqtt, true}.\n"),
        ({"forwards": 'a" WHERE "b'}, "5.8.11", "{emqx_bridge_mqtt, true}.\n"),
        ({}, "5.5.1", "{emqx_bridge_mqtt, true}.\n"),
        ({}, "5.8.11", "{emqx_bridge_mqtt, false}.\n"),
        ({}, "5.8.11", ""),
    ],
)
def test_a_bridge_that_nothing_is_made_of_is_dropped_with_every_setting(
    change: dict[str, str], to: str, plugin: str
) -> None:
    conversion = run({**BRIDGE, **change}, to, plugin)
    assert set(verdicts(conversion).values()) == {"dropped"}
    assert not {"connectors", "sources", "actions", "rule_engine"} & conversion.config.keys()


FIELD = Path(__file__).parent / "recordings/field/18-two-way-bridge/etc/plugins/emqx_bridge_mqtt.conf"


def test_two_rules_that_would_trigger_each_other_are_named_and_one_of_them_is_off() -> None:
    given = list(parse("b.conf", FIELD.read_text(encoding="utf-8")).settings)
    files = {"loaded_plugins": "{emqx_bridge_mqtt, true}.\n"}
    conversion = convert(Source(None, "", given, files), "4.4.19", "5.8.11", Options(now=1.0))
    rules = conversion.config["rule_engine"]["rules"]
    assert {name: one["enable"] for name, one in rules.items()} == {"far_in": True, "far_out": False}
    item = next(item for item in conversion.account.items if item.label == "bridge.mqtt.far.forwards")
    assert str(item.verdict) == "changed"
    assert "far_in and far_out would trigger each other by plant/#" in item.how


@pytest.mark.parametrize(
    ("changed", "runs"),
    [
        ({"forwards": "cmd/x", "receive_mountpoint": "", "forward_mountpoint": ""}, False),
        ({"forwards": "cmd/+", "receive_mountpoint": "", "forward_mountpoint": ""}, False),
        ({"forwards": "cmd/x", "receive_mountpoint": "", "forward_mountpoint": "far/"}, True),  # it never comes back
        ({"forwards": "cmd/x", "receive_mountpoint": "in/", "forward_mountpoint": ""}, True),
        ({"forwards": "in/cmd/#", "receive_mountpoint": "in/", "forward_mountpoint": "cmd/${node}/"}, False),
        ({"forwards": "up/#", "receive_mountpoint": "", "forward_mountpoint": ""}, True),
    ],
)
def test_mount_points_decide_whether_a_message_comes_round(changed: dict[str, str], runs: bool) -> None:
    conversion = run({**BRIDGE, **changed})
    assert conversion.config["rule_engine"]["rules"]["aws_out"]["enable"] is runs
    assert (verdicts(conversion)["forwards"] == "carried") is runs
