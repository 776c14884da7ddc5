"""Rules see effective values: the same settings of 5.x by HOCON, by environment or by Helm give the same findings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.versions import parse
from components.migration.detectors import DETECTORS
from components.migration.facts import Plan
from components.migration.loading import load
from components.migration.rules import Clear, Hit, Question, evaluate

pytestmark = pytest.mark.unit

PLAN = Plan(parse("5.6.1"), parse("5.10.4"), "ee", "ee", strategy="two-cluster", nodes=3, licence=True)
SETTINGS = {
    "durable_sessions.enable": "true",
    "node.role": "replicant",
    "mqtt.retry_interval": "30s",
    "listeners.tcp.default.max_conn_rate": '"500/s"',
    "listeners.tcp.default.bind": '"0.0.0.0:1883"',
    "force_shutdown.max_heap_size": "200GB",
    "authentication.1.mechanism": "jwt",
    "plugins.states": '[{name_vsn = "mine-1.0.0", enable = true}]',
    "limiter.messages.rate": '"1000/s"',
    "dashboard.sso.oidc.issuer": "auth.example",
    "authorization.no_match": "deny",
    "bridges.mqtt.x.server": '"a:1883"',
    "log.console.level": "debug",
}


def as_hocon(chosen: dict[str, str]) -> str:
    lists = {path: value for path, value in chosen.items() if ".1." in path}
    plain = "".join(f"{path} = {value}\n" for path, value in chosen.items() if path not in lists)
    return plain + "".join(
        f"{path.split('.1.')[0]} = [{{{path.split('.1.')[1]} = {value}}}]\n" for path, value in lists.items()
    )


def names(chosen: dict[str, str]) -> dict[str, str]:
    return {f"EMQX_{path.upper().replace('.', '__')}": value for path, value in chosen.items()}


def spelled(chosen: dict[str, str]) -> dict[str, str]:
    """The same settings, by the name of their file."""
    variables = names(chosen)
    quoted = "".join(f"{name}='{value}'\n" for name, value in variables.items())
    compose = {"services": {"b": {"image": "emqx", "environment": variables}}}
    return {
        "settings.hocon": as_hocon(chosen),
        "broker.env": quoted,
        "values.yaml": yaml.safe_dump({"emqxConfig": chosen}),
        "docker-compose.yml": yaml.safe_dump(compose),
        "task.json": json.dumps({"environment": [{"name": name, "value": value} for name, value in variables.items()]}),
    }


def findings(directory: Path, name: str, text: str) -> dict[str, str]:
    """The kind of what each rule finds."""
    (directory / "cluster.hocon").write_text(
        "authorization.sources = [{type = built_in_database, enable = true}]\n", encoding="utf-8"
    )
    (directory / name).write_text(text, encoding="utf-8")
    facts = load(PLAN, (directory / "cluster.hocon", directory / name))
    kinds = ((one.rule.id, one.finding) for one in evaluate(facts, DETECTORS))
    return {rule: type(found).__name__ for rule, found in kinds if isinstance(found, Hit | Question) or rule in BY_TREE}


BY_TREE = {"57-01", "58-03", "59-04", "59-05", "59-06", "59-08"}


def test_each_of_these_settings_is_a_hit_in_every_spelling(tmp_path: Path) -> None:
    for name, text in spelled(SETTINGS).items():
        found = findings(tmp_path, name, text)
        assert {rule for rule in BY_TREE if found[rule] == "Hit"} == BY_TREE, name


@settings(deadline=None, max_examples=8)
@given(st.sets(st.sampled_from(sorted(SETTINGS)), min_size=1))
def test_rules_find_the_same_however_it_is_spelled(tmp_path_factory: pytest.TempPathFactory, chosen: set[str]) -> None:
    texts = spelled({path: SETTINGS[path] for path in sorted(chosen)})
    directory = tmp_path_factory.mktemp("spelled")
    expected = findings(directory, "settings.hocon", texts.pop("settings.hocon"))
    for name, text in texts.items():
        assert findings(directory, name, text) == expected, name


def test_what_starts_the_nodes_does_not_answer_for_scripts_that_were_not_given(tmp_path: Path) -> None:
    file = tmp_path / "my.env"
    file.write_text("EMQX_NODE__ROLE=core\n", encoding="utf-8")
    assert isinstance(DETECTORS["58-04"](load(PLAN, (file,))), Question)
    (tmp_path / "alerts.txt").write_text("nothing of it\n", encoding="utf-8")
    assert DETECTORS["58-04"](load(PLAN, (file, tmp_path / "alerts.txt"))) == Clear()


def test_a_file_of_variables_that_are_all_unknown_is_no_empty_configuration(tmp_path: Path) -> None:
    file = tmp_path / "compose.yml"
    file.write_text("services: {b: {environment: [EMQX_NODE__ROLE]}}\n", encoding="utf-8")
    assert load(PLAN, (file,)).hocons is None
