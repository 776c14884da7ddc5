"""Stack files and the tools on them: the schema is that of the settings, each environment is valid, what changed is told."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from components.intent import load
from components.settings import CERTIFICATES, CREDENTIALS, KEYS
from tests.certificates import issued
from tools import stack as tool
from tools.write_schema import SCHEMA, schema_text

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ("lab", "dev", "staging", "prod")


def stack_file(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{name}.yaml").read_text())
    return found


def wrong(document: Any) -> list[str]:
    schema = json.loads(SCHEMA.read_text())
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


def test_the_schema_is_that_of_the_settings() -> None:
    assert SCHEMA.read_text() == schema_text(), "run `python -m tools.write_schema`"
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))


def test_pulumis_own_block_types_every_key_of_the_settings() -> None:
    block = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert set(block) == {f"emqx:{key}" for key in (*KEYS, CREDENTIALS, CERTIFICATES)}
    assert all(one["type"] and one["description"] for one in block.values())


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_each_environment_is_valid_by_the_schema_and_by_the_program(name: str, tmp_path: Path) -> None:
    document = stack_file(name)
    assert wrong(document) == []
    front = issued("front")
    config = {key.removeprefix("emqx:"): value for key, value in document["config"].items()}
    config["workDirectory"] = str(tmp_path)
    certificates = json.dumps({"front": front.chain + front.key_text()})
    settings = load(config.get, stack=name, names=config, certificates=certificates, now=time.time)
    assert settings.environment == name
    assert settings.live in settings.clusters


def test_production_is_stricter_and_environments_differ_in_configuration_only() -> None:
    prod, dev = stack_file("prod")["config"], stack_file("dev")["config"]
    assert set(prod) == set(dev)
    assert prod["emqx:cutover"]["soakSeconds"] > stack_file("staging")["config"]["emqx:cutover"]["soakSeconds"] > 0
    assert {one["protocol"] for one in prod["emqx:balancer"]["listeners"]} == {"mqtts"}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("emqx:live", "red", "'red' is not one of"),
        ("emqx:lifes", "blue", "False schema does not allow"),
        ("emqx:cutover", {"steps": [{"share": 101}]}, "101 is greater than the maximum"),
        ("emqx:cutover", {"stepz": []}, "Additional properties are not allowed"),
        ("emqx:credentials", {"blue": {"apiSecret": "clear"}}, "is not valid under any of the given schemas"),
    ],
)
def test_an_editor_sees_what_the_program_would_refuse(key: str, value: Any, said: str) -> None:
    document = stack_file("lab")
    document["config"][key] = value
    assert any(said in one for one in wrong(document)), wrong(document)


def test_a_change_of_the_program_concerns_every_stack_and_one_of_a_stack_file_that_stack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tool, "STACKS", ROOT / "stacks")
    assert tool.changed_stacks(["README.md"]) == []
    assert tool.changed_stacks(["stacks/Pulumi.dev.yaml", "docs/rolling.md", "stacks/Pulumi.example.yaml"]) == ["dev"]
    assert set(tool.changed_stacks(["components/settings.py"])) == set(ENVIRONMENTS)


@pytest.mark.parametrize(
    ("output", "part"),
    [
        ("error: the stack is currently locked by 1 lock(s)", "is locked by another update: wait for it"),
        ("error: no stack named 'dev' found", "does not exist in this backend: `make new-stack NAME=dev FROM=dev`"),
        (
            "the management API on blue: no credentials are configured",
            "pulumi config set --secret --path emqx:credentials",
        ),
        ("the lease of this run on the balancer: run 1 holds it", "was taken over by a newer update"),
        ("error: something else", ""),
    ],
)
def test_what_a_person_can_settle_is_said_in_one_line(output: str, part: str) -> None:
    said = tool.settled("dev", output)
    assert part in said
    assert bool(said) == bool(part)
    assert "\n" not in said


def test_a_copy_has_no_secret_and_says_which_ones_only_a_person_can_set() -> None:
    document = stack_file("prod")["config"] | {
        "emqx:credentials": {"blue": {"apiSecret": {"secure": "v1:x"}}},
        "emqx:workDirectory": "/w",
    }
    made = tool.copied(document, "eu")
    assert "secure" not in json.dumps(made)
    assert "emqx:workDirectory" not in made
    assert tool.fresh_secrets(made) == []
    assert tool.theirs(made) == [
        "emqx:credentials.blue.apiKey",
        "emqx:credentials.blue.apiSecret",
        "emqx:certificates.front",
    ]
