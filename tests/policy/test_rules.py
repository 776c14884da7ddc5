"""Each rule on what a stack declares: hit, missed, and refusing what it cannot see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pulumi_policy import EnforcementLevel

from tests.policy.asking import BLIND, NAMED, ask, ask_all, rules, stack_config, tokens
from tests.policy.declared_cases import GOOD, HITS, UNKNOWN, cutover, fleet, guard
from tests.policy.test_rules_aws import CASES as AWS
from tests.policy.test_rules_kubernetes import CASES as KUBERNETES

pytestmark = pytest.mark.policy


@pytest.mark.parametrize(("token", "inputs"), GOOD)
def test_what_is_right_passes_every_policy(token: str, inputs: dict[str, Any]) -> None:
    assert ask_all(token, inputs) == []


@pytest.mark.parametrize(("name", "token", "inputs", "part"), HITS)
def test_a_violation_says_value_and_config_key(name: str, token: str, inputs: dict[str, Any], part: str) -> None:
    said = ask(name, token, inputs)
    assert any(part in one for one in said), said
    assert all(one.startswith("cutover: ") and ("emqx:" in one) for one in said)
    assert "hunter2" not in "".join(said)


@pytest.mark.parametrize(("name", "token", "inputs"), UNKNOWN)
def test_a_policy_that_cannot_see_its_value_refuses(name: str, token: str, inputs: dict[str, Any]) -> None:
    said = ask(name, token, inputs)
    assert len(said) == 1, said
    assert name == "no-plain-secret" or BLIND in said[0]


def test_every_rule_is_mandatory_and_says_what_to_do() -> None:
    assert len(NAMED) == len(rules.RULES)
    for rule in rules.RULES:
        policy = rule.policy()
        assert policy.enforcement_level == EnforcementLevel.MANDATORY
        assert all((policy.description, policy.remediation_steps, policy.severity))


def test_every_rule_is_hit_and_tried_with_something_unknown() -> None:
    hit = {name for name, *_ in (*HITS, *AWS.hits, *KUBERNETES.hits)} | {"licence-present"}
    blind = {name for name, *_ in (*UNKNOWN, *AWS.unknown, *KUBERNETES.unknown)}
    passed = {token for token, _ in (*GOOD, *AWS.good, *KUBERNETES.good)}
    assert hit == set(NAMED)
    assert blind == set(NAMED)
    assert [rule.name for rule in rules.RULES if not passed & {*rule.types}] == []


@pytest.mark.parametrize(
    ("name", "token", "inputs", "settings"),
    [
        ("first-step-small", tokens.BLUE_GREEN, fleet(), {"mostPercent": 5.0}),
        (
            "first-step-small",
            tokens.BLUE_GREEN,
            fleet(environment="eu", steps=[{"share": 100.0}]),
            {"production": ["eu"]},
        ),
        ("gate-before-step", tokens.BLUE_GREEN, fleet(), {"abovePercent": 5.0}),
        ("budget-fits", tokens.BLUE_GREEN, fleet(), {"connectsPerSecondOfANode": 50.0}),
        ("soak-before-finalize", tokens.BLUE_GREEN, fleet(), {"leastSeconds": 86400.0}),
        ("losses-by-name", tokens.CUTOVER, cutover(acknowledge=["sessions"]), {"allowed": ["59-01"]}),
        ("tls-in-production", tokens.BLUE_GREEN, fleet(), {"plain": "refuse"}),
    ],
)
def test_a_team_may_tune_a_rule(name: str, token: str, inputs: dict[str, Any], settings: dict[str, Any]) -> None:
    assert ask(name, token, inputs, settings=settings)
    told = {**{key: one.default for key, one in NAMED[name].settings.items()}, **settings}
    assert set(told) == set(NAMED[name].policy().config_schema.properties), "it is in the schema"


def test_a_live_colour_that_cannot_be_asked_may_be_let_through() -> None:
    assert ask("version-kept", tokens.CLUSTER_GUARD, guard(runs=None), settings={"unreachable": "allow"}) == []


@pytest.fixture
def config() -> Iterator[Any]:
    """Tells the pack a stack's configuration, and takes it away again."""

    def tell(values: dict[str, Any], secret: tuple[str, ...] = (), document: dict[str, Any] | None = None) -> list[str]:
        stack_config.hear(stack_config.StackConfig(values, frozenset(secret), document))
        return ask("no-plain-secret", tokens.STACK, {})

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
    assert ask("no-plain-secret", tokens.MQTT_BALANCER, {"listeners": [listener, files]}) == []


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
    assert "refuses what it cannot see" in ask("no-plain-secret", tokens.STACK, {})[0]


def test_a_cluster_of_ours_needs_a_licence_from_where_emqx_does(config: Any) -> None:
    newer = fleet(green={"version": "5.9.1", "needs_licence": True})
    config({"emqx:credentials": {"green": {"apiKey": "k"}}})
    (said,) = ask("licence-present", tokens.BLUE_GREEN, newer)
    assert "needs a licence key from 5.9.0 on, and emqx:credentials.green.license is not set" in said
    config({"emqx:credentials": {"green": {"license": "evaluation"}}})
    assert ask("licence-present", tokens.BLUE_GREEN, newer) == []
    config({"emqx:credentials": {}})
    assert ask("licence-present", tokens.BLUE_GREEN, fleet(green={"version": "5.8.8", "needs_licence": True})) == []
    assert ask("licence-present", tokens.BLUE_GREEN, fleet(green={"version": "5.9.1"})) == []
