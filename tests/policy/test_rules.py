"""Each policy: hit, missed, and refusing what it cannot see."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi_policy import EnforcementLevel, ResourceValidationArgs, ResourceValidationPolicy
from pulumi_policy.proxy import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_STRING_VALUE,
    unknown_checking_proxy,
)

pytestmark = pytest.mark.policy

rules: Any = importlib.import_module("rules")
tokens: Any = importlib.import_module("rules.tokens")
stack_config: Any = importlib.import_module("rules.stack_config")


def ask(policy: ResourceValidationPolicy, token: str, inputs: dict[str, Any]) -> list[str]:
    """The violations for inputs as an analyzer gets them: numbers are floats, unknowns raise."""
    said: list[str] = []
    args = ResourceValidationArgs(
        resource_type=token,
        props=unknown_checking_proxy(inputs),
        urn="urn:pulumi:dev::emqx::x",
        name="cutover",
        opts=None,  # type: ignore[arg-type]
        provider=None,
        config={},
    )

    def report(message: str, _urn: str | None = None) -> None:
        said.append(message)

    policy.validate(args, report)
    return said


def cutover(**changes: Any) -> dict[str, Any]:
    """Inputs of a Cutover; ``blue`` and ``green`` change the declared colours."""
    common = {"edition": "ee", "nodes": 3.0, "target": "local"}
    blue = {"colour": "blue", "version": "5.8.6", **common, **changes.pop("blue", {})}
    green = {"colour": "green", "version": "5.8.8", **common, **changes.pop("green", {})}
    steps = [
        {"kind": "share", "name": "shift-10", "share": 10.0, "seconds": 0.0},
        {"kind": "hold", "name": "hold-1", "share": 0.0, "seconds": 5.0},
        {"kind": "gate", "name": "gate-1", "share": 0.0, "seconds": 0.0},
        {"kind": "share", "name": "shift-100", "share": 100.0, "seconds": 0.0},
    ]
    inputs = {"to": "green", "live": "green", "declared": [blue, green], "steps": steps, "budget_per_second": 200.0}
    known = {"holding": ["blue"], "origin": None}
    return {**inputs, **known, "strategy": "two-cluster", "after": UNKNOWN_STRING_VALUE, **changes}


def balancer(*colours: str, **changes: Any) -> dict[str, Any]:
    """Inputs of a MqttBalancer in front of these colours."""
    return {"colours": list(colours), "live": "green", "holding": [], **changes}


def without(inputs: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name != key}


GOOD = [
    (tokens.CUTOVER, cutover()),
    (tokens.CUTOVER, cutover(steps=[{"share": 10.0}, {"hold": 5.0}, {"gate": True}, {"share": 100.0}])),
    (tokens.CUTOVER, cutover(green={"version": "5.8.6"})),
    (tokens.CUTOVER, cutover(declared=[cutover()["declared"][0]], to="blue", live="blue", in_place=True)),
    (tokens.CUTOVER, cutover(to="blue", live="blue")),
    (tokens.CUTOVER, cutover(to="blue", live="blue", green={"nodes": 5.0})),
    (tokens.CUTOVER, cutover(blue={"version": "5.8.10", "nodes": 4.0}, to="blue", live="blue", holding=["green"])),
    (tokens.CUTOVER, cutover(blue={"version": "5.8.10"}, acknowledge=["way_back"])),
    (tokens.CUTOVER, cutover(blue={"version": "5.8.10"}, holding=["green"])),
    (tokens.CUTOVER, cutover(to="blue", holding=["blue", "green"], origin="blue")),
    (tokens.CUTOVER, cutover(to="blue", holding=[])),
    (tokens.CUTOVER, cutover(to="blue", blue={"version": "5.8.8"}, green={"edition": "ce"}, holding=["green"])),
    (tokens.CUTOVER, cutover(blue={"version": "5.8.8", "nodes": 4.0}, to="blue", holding=["green"])),
    (tokens.MQTT_BALANCER, balancer("blue", "green", holding=["blue"], clusters={"blue": UNKNOWN_STRING_VALUE})),
    (tokens.MQTT_BALANCER, balancer("green", holding=["green"])),
    (tokens.MQTT_BALANCER, balancer("green")),
    (tokens.TRAFFIC_SHIFT, {"to": "green", "share": 10.0, "step": "shift-10", "run": UNKNOWN_STRING_VALUE}),
    (tokens.TRAFFIC_SHIFT, {"to": "green", "share": 0.0, "step": "hold-1"}),
    (tokens.LOCAL_CLUSTER, {"colour": "blue", "version": "5.8.6", "nodes": 3.0}),
    ("random:index/randomPassword:RandomPassword", {"password": "x"}),
]


@pytest.mark.parametrize(("token", "inputs"), GOOD)
def test_what_is_right_passes_every_policy(token: str, inputs: dict[str, Any]) -> None:
    assert [said for policy in rules.POLICIES for said in ask(policy, token, inputs)] == []


HITS = [
    ("no_downgrade", tokens.CUTOVER, cutover(green={"version": "5.8.5"}), "green has 5.8.5 (ee) and blue has 5.8.6 (ee)"),
    ("no_downgrade", tokens.CUTOVER, cutover(to="blue", holding=["green"]), "blue has 5.8.6 (ee) and green has 5.8.8 (ee)"),
    ("no_downgrade", tokens.CUTOVER, cutover(to="blue", holding=["blue", "green"], origin="green"), "must not be older"),
    ("no_downgrade", tokens.CUTOVER, cutover(green={"version": "5.8.6", "edition": "ce"}), "green has 5.8.6 (ce) and blue"),
    ("old_colour_declared", tokens.MQTT_BALANCER, balancer("blue"), "green is not declared, but it is live (blue is"),
    ("old_colour_declared", tokens.MQTT_BALANCER, balancer("green", holding=["blue", "green"]), "blue is not declared, but clients may"),
    ("steps_rise", tokens.CUTOVER, cutover(steps=[{"share": 50.0}, {"share": 50.0}, {"share": 100.0}]), "50 comes after 50"),
    ("steps_rise", tokens.CUTOVER, cutover(steps=[{"share": 10.0}, {"hold": 1.0}]), "the last share is 10"),
    ("steps_rise", tokens.CUTOVER, cutover(steps=[{"share": 0.0}, {"share": 100.0}]), "0 comes after 0"),
    ("steps_rise", tokens.CUTOVER, cutover(steps=[{"hold": 1.0}]), "no share"),
    ("steps_rise", tokens.TRAFFIC_SHIFT, {"share": 101.0}, "share 101"),
    ("capacity", tokens.CUTOVER, cutover(green={"nodes": 2.0}), "green has 2 nodes, at least the 3 of blue"),
    ("capacity", tokens.CUTOVER, cutover(blue={"version": "5.8.10", "nodes": 2.0}, to="blue"), "blue has 2 nodes"),
    ("capacity", tokens.CUTOVER, cutover(blue={"version": "5.8.8", "nodes": 2.0}, holding=["green"]), "blue has 2 nodes"),
    ("no_plain_secret", tokens.CUTOVER, cutover(api_secret="hunter2"), "the input api_secret holds a credential"),
    ("no_plain_secret", tokens.LOCAL_CLUSTER, {"nodes": [{"adminPassword": "hunter2"}]}, "nodes[0].adminPassword"),
    ("no_plain_secret", tokens.DRAIN, {"manner": {"cookie": 7.0}}, "manner.cookie"),
    ("no_plain_secret", tokens.DRAIN, {"cookie": {"value": ["hunter2"]}}, "cookie.value[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "token", "inputs", "part"), HITS)
def test_a_violation_says_value_and_config_key(name: str, token: str, inputs: dict[str, Any], part: str) -> None:
    said = ask(getattr(rules, name), token, inputs)
    assert any(part in one for one in said), said
    assert all(one.startswith("cutover: ") and ("emqx:" in one) for one in said)
    assert "hunter2" not in "".join(said)


UNKNOWN = [
    ("no_downgrade", tokens.CUTOVER, cutover(to=UNKNOWN_STRING_VALUE)),
    ("no_downgrade", tokens.CUTOVER, cutover(declared=UNKNOWN_ARRAY_VALUE)),
    ("no_downgrade", tokens.CUTOVER, cutover(green={"version": UNKNOWN_STRING_VALUE})),
    ("no_downgrade", tokens.CUTOVER, cutover(blue={"version": "5.8.10"}, acknowledge=UNKNOWN_ARRAY_VALUE)),
    ("no_downgrade", tokens.CUTOVER, cutover(green={"version": "next"})),
    ("no_downgrade", tokens.CUTOVER, without(cutover(), "declared")),
    ("no_downgrade", tokens.CUTOVER, cutover(to="blue", holding=UNKNOWN_ARRAY_VALUE)),
    ("no_downgrade", tokens.CUTOVER, cutover(to="blue", holding=["green"], origin=UNKNOWN_STRING_VALUE)),
    ("no_downgrade", tokens.CUTOVER, cutover(green={"edition": UNKNOWN_STRING_VALUE})),
    ("no_downgrade", tokens.CUTOVER, without(cutover(), "holding")),
    ("old_colour_declared", tokens.MQTT_BALANCER, balancer("blue", live=UNKNOWN_STRING_VALUE)),
    ("old_colour_declared", tokens.MQTT_BALANCER, balancer("blue", holding=UNKNOWN_ARRAY_VALUE)),
    ("old_colour_declared", tokens.MQTT_BALANCER, balancer(colours=UNKNOWN_ARRAY_VALUE)),
    ("old_colour_declared", tokens.MQTT_BALANCER, balancer("blue", UNKNOWN_STRING_VALUE)),
    ("old_colour_declared", tokens.MQTT_BALANCER, without(balancer("green"), "holding")),
    ("old_colour_declared", tokens.MQTT_BALANCER, without(balancer("green"), "colours")),
    ("steps_rise", tokens.CUTOVER, cutover(steps=UNKNOWN_ARRAY_VALUE)),
    ("steps_rise", tokens.CUTOVER, cutover(steps=[{"share": UNKNOWN_NUMBER_VALUE}, {"share": 100.0}])),
    ("steps_rise", tokens.CUTOVER, cutover(steps="all")),
    ("steps_rise", tokens.CUTOVER, cutover(steps=[3.0])),
    ("steps_rise", tokens.CUTOVER, cutover(steps=["hold", {"share": 100.0}])),
    ("steps_rise", tokens.CUTOVER, cutover(steps=[{"kind": "jump", "share": 5.0}, {"share": 100.0}])),
    ("steps_rise", tokens.CUTOVER, cutover(steps=[{"share": float("nan")}, {"share": 100.0}])),
    ("steps_rise", tokens.CUTOVER, cutover(steps=[{"kind": UNKNOWN_STRING_VALUE, "share": 5.0}, {"share": 100.0}])),
    ("steps_rise", tokens.TRAFFIC_SHIFT, {"share": UNKNOWN_NUMBER_VALUE}),
    ("steps_rise", tokens.TRAFFIC_SHIFT, {"step": "shift-10"}),
    ("capacity", tokens.CUTOVER, cutover(green={"nodes": UNKNOWN_NUMBER_VALUE})),
    ("capacity", tokens.CUTOVER, cutover(green={"nodes": 2.5})),
    ("capacity", tokens.CUTOVER, cutover(green={"nodes": float("inf")})),
    ("capacity", tokens.CUTOVER, cutover(green={"nodes": float("nan")})),
    ("capacity", tokens.CUTOVER, cutover(declared=[])),
    ("no_plain_secret", tokens.CUTOVER, cutover(api_secret=UNKNOWN_STRING_VALUE)),
]


@pytest.mark.parametrize(("name", "token", "inputs"), UNKNOWN)
def test_a_policy_that_cannot_see_its_value_refuses(name: str, token: str, inputs: dict[str, Any]) -> None:
    said = ask(getattr(rules, name), token, inputs)
    assert len(said) == 1
    assert name == "no_plain_secret" or "refuses what it cannot see" in said[0]


def test_every_policy_is_mandatory_and_says_what_to_do() -> None:
    for policy in rules.POLICIES:
        assert policy.enforcement_level is EnforcementLevel.MANDATORY
        assert policy.description
        assert policy.remediation_steps
    assert len({policy.name for policy in rules.POLICIES}) == len(rules.POLICIES) == 5


@pytest.fixture
def config() -> Iterator[Any]:
    """Tells the pack a stack's configuration, and takes it away again."""

    def tell(values: dict[str, Any], secret: tuple[str, ...] = (), document: dict[str, Any] | None = None) -> list[str]:
        stack_config.hear(stack_config.StackConfig(values, frozenset(secret), document))
        return ask(rules.no_plain_secret, tokens.STACK, {})

    yield tell
    stack_config.hear(None)


CREDENTIALS = {"blue": {"apiKey": "lab", "apiSecret": "hunter2"}}


def test_credentials_in_plain_configuration_are_named_and_not_shown(config: Any) -> None:
    said = config({"emqx:live": "green", "emqx:credentials": CREDENTIALS, "aws:region": "x"})
    assert len(said) == 1
    assert (
        "emqx:credentials.blue.apiSecret is not encrypted (pulumi config set --secret --path emqx:credentials.blue.apiSecret)"
        in said[0]
    )
    assert "hunter2" not in "".join(said)


def test_encrypted_configuration_passes(config: Any) -> None:
    secure = {"emqx:credentials": {"blue": {"apiKey": {"secure": "v1:x"}, "apiSecret": {"secure": "v1:y"}}}}
    assert config({"emqx:credentials": CREDENTIALS, "emqx:live": "green"}, ("emqx:credentials",), secure) == []
    assert config({"emqx:carryApiKeys": True, "emqx:password": ""}) == []


def test_a_certificate_with_its_key_is_encrypted_and_a_listener_only_names_it(config: Any) -> None:
    front = {"front": "-----BEGIN PRIVATE KEY-----"}
    (said,) = config({"emqx:certificates": front})
    assert "emqx:certificates.front is not encrypted" in said
    assert "BEGIN" not in said
    secure = {"emqx:certificates": {"front": {"secure": "v1:x"}}}
    listener = {"port": 8883, "protocol": "mqtts", "certificate": {"named": "front"}}
    files = {"port": 8884, "protocol": "mqtts", "certificate": {"chain": "a.crt", "key": "a.key"}, "clientCa": "ca.crt"}
    values = {"emqx:certificates": front, "emqx:balancer": {"listeners": [listener, files]}}
    assert config(values, ("emqx:certificates",), secure) == []
    assert ask(rules.no_plain_secret, tokens.MQTT_BALANCER, {"listeners": [listener, files]}) == []


def test_a_plain_credential_beside_an_encrypted_one_is_seen_in_the_stacks_file(config: Any) -> None:
    mixed = {"emqx:credentials": {"blue": {"apiKey": {"secure": "v1:x"}, "apiSecret": "hunter2"}}}
    said = config({"emqx:credentials": CREDENTIALS}, ("emqx:credentials",), mixed)
    assert len(said) == 1
    assert "emqx:credentials.blue.apiSecret" in said[0]


def test_an_encrypted_object_whose_file_was_not_found_is_refused(config: Any) -> None:
    """Another stack's file says nothing of it either."""
    for document in (None, {}, {"emqx:live": "green"}):
        (said,) = config({"emqx:credentials": CREDENTIALS}, ("emqx:credentials",), document)
        assert "emqx:credentials is an object with something encrypted" in said
        assert "refuses what it cannot see" in said
        assert "hunter2" not in said
    assert config({"emqx:word": "all of it is encrypted"}, ("emqx:word",)) == []


def test_text_that_the_program_reads_as_an_object_is_looked_into(config: Any) -> None:
    for text in ('{"apiSecret": "hunter2"}', '\n  {"apiSecret": "hunter2"}', ' [{"password": "hunter2"}]'):
        assert len(config({"emqx:credentials": stack_config.decoded(text)})) == 1


def test_a_configuration_that_was_not_told_is_refused() -> None:
    assert "refuses what it cannot see" in ask(rules.no_plain_secret, tokens.STACK, {})[0]
