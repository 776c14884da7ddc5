"""4.2 -> 4.3, environment variables: translated as the settings that they override; a file of plain variables keeps its comments and order."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.detectors import DETECTORS
from components.migration.facts import Facts, Text
from components.migration.hop_42_43.convert import Converted, convert
from components.migration.loading import load
from components.migration.rules import Clear, Hit
from components.migration.sources import dotenv
from components.migration.sources.base import Document
from tests.unit.hop_42_43_bed import PATIENT, PLAN, users

pytestmark = pytest.mark.unit

VARIABLES = """# EMQX_AUTH__MONGO__LOGIN=old
EMQX_AUTH__MONGO__LOGIN=s3cr3t
export EMQX_AUTH__HTTP__AUTH_REQ="http://h/a?b=c#d"

EMQX_NODE__NAME=a@b
EMQX_RPC__TCP_CLIENT_PORT='5369'
EMQX_AUTH__HTTP__AUTH_REQ__CONTENT_TYPE=json
EMQX_LOADED_PLUGINS="emqx_recon,emqx_auth_username,emqx_auth_mnesia,emqx_extension_hook"
EMQX_NODE__HEARTBEAT=on  # a comment
EMQX_AUTH__MNESIA__PASSWORD_HASH
PATH=/bin
"""


def converted(name: str, text: str) -> Converted:
    return convert(Facts(PLAN, texts=(Text(name, text),), files={name: text}))


def test_environment_variables_are_translated_as_the_settings_that_they_override(tmp_path: Path) -> None:
    (tmp_path / "emqx.env").write_text(VARIABLES, encoding="utf-8")
    result = convert(load(PLAN, (tmp_path / "emqx.env",)))
    assert result.texts[str(tmp_path / "emqx.env")].splitlines() == [
        "# EMQX_AUTH__MONGO__LOGIN=old",
        "EMQX_AUTH__MONGO__USERNAME=s3cr3t",
        "export EMQX_AUTH__HTTP__AUTH_REQ__URL='http://h/a?b=c#d'",
        "",
        "EMQX_NODE__NAME=a@b",
        "## not in 4.3: EMQX_RPC__TCP_CLIENT_PORT='5369'",
        "## not in 4.3: EMQX_AUTH__HTTP__AUTH_REQ__CONTENT_TYPE=json",
        "EMQX_LOADED_PLUGINS=emqx_recon,emqx_auth_mnesia",
        "EMQX_NODE__HEARTBEAT=on  # a comment",
        "EMQX_AUTH__MNESIA__PASSWORD_HASH",
        "PATH=/bin",
    ]
    verdicts = [str(item.verdict) for item in result.account.items]
    assert verdicts == ["carried"] * 3 + ["dropped", "dropped", "changed", "changed", "changed"]
    assert "s3cr3t" not in result.account.to_json(origin="a", target="b")


COMPOSE = """services:
  broker:
    image: emqx/emqx:4.2.14
    environment:
      - EMQX_AUTH__MONGO__LOGIN=it's $$5 # the login
      - EMQX_NODE__NAME=a@b
      - EMQX_AUTH__MONGO__PASSWORD
"""


def test_what_another_spelling_says_is_written_as_plain_variables_for_4_3() -> None:
    result = converted("compose.yml", COMPOSE)
    assert set(result.texts) == {"compose.yml.env"}
    read = dotenv.read(Document("e", result.texts["compose.yml.env"]))
    assert [(one.name, one.value) for one in read.variables] == [
        ("EMQX_AUTH__MONGO__USERNAME", "it's $5"),
        ("EMQX_NODE__NAME", "a@b"),
    ]
    assert [(item.section, item.label) for item in result.account.items] == [
        ("compose.yml", "line 5: auth.mongo.login"),
        ("compose.yml", "line 6: node.name"),
        ("compose.yml", "line 7"),
    ]
    assert "not known here" in result.account.items[2].how
    assert any("compose.yml.env in place of those of compose.yml" in step for step in result.steps)


def test_the_rules_see_what_a_variable_sets(tmp_path: Path) -> None:
    (tmp_path / "emqx.env").write_text(VARIABLES + "EMQX_AUTH__MNESIA__AS=clientid\n", encoding="utf-8")
    (tmp_path / "emqx.conf").write_text("node.name = a@b\n", encoding="utf-8")
    facts = load(PLAN, (tmp_path / "emqx.conf", tmp_path / "emqx.env"))
    for rule in ("43-07", "43-08", "43-24", "43-38"):
        finding = DETECTORS[rule](facts)
        assert isinstance(finding, Hit), rule
        assert "s3cr3t" not in str(finding)
    export = users({"login": "u"})
    assert DETECTORS["43-02"](replace(facts, export=export)) == Clear()
    assert json.loads(convert(replace(facts, export=export)).texts["e.json"])["auth_mnesia"][0]["type"] == "clientid"


LINES = [line for line in VARIABLES.splitlines() if line]


@PATIENT
@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=10))
def test_a_file_of_plain_variables_is_accounted_for_line_by_line(lines: list[str]) -> None:
    before = "EMQX_A=1\n" + "\n".join(lines)
    result = converted("f.env", before)
    text = result.texts["f.env"]
    assert text.count("\n") == before.count("\n")
    spoken = [line for line in before.split("\n") if "EMQX_" in line and not line.startswith("#")]
    assert len(result.account.items) == len(spoken)
    for old, new in zip(before.split("\n"), text.split("\n"), strict=True):
        assert old == new or "EMQX_" in old
