"""4.2 -> 4.3, environment variables: translated as the settings that they override, line by line, in whatever text they stand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration import facts as known
from components.migration.configs import variables
from components.migration.detectors import DETECTORS
from components.migration.hop_42_43.convert import convert
from components.migration.hop_42_43.files import convert_confs
from components.migration.manifest import Ledger
from components.migration.rules import Clear, Hit
from tests.unit.hop_42_43_bed import PATIENT, PLAN, users

pytestmark = pytest.mark.unit

VARIABLES = """# EMQX_AUTH__MONGO__LOGIN=old
EMQX_AUTH__MONGO__LOGIN=s3cr3t
export EMQX_AUTH__HTTP__AUTH_REQ="http://h/a?b=c#d"
  - EMQX_NODE__NAME=a@b
      EMQX_RPC__TCP_CLIENT_PORT: 5369
EMQX_AUTH__HTTP__AUTH_REQ__CONTENT_TYPE=json
EMQX_LOADED_PLUGINS="emqx_recon,emqx_auth_username,emqx_auth_mnesia,emqx_extension_hook"
EMQX_NODE__HEARTBEAT=on
- name: EMQX_AUTH__MONGO__LOGIN
PATH=/bin
"""


def test_environment_variables_are_translated_as_the_settings_that_they_override(tmp_path: Path) -> None:
    (tmp_path / "emqx.env").write_text(VARIABLES, encoding="utf-8")
    result = convert(known.load(PLAN, (tmp_path / "emqx.env",)))
    assert result.texts[str(tmp_path / "emqx.env")].splitlines() == [
        "# EMQX_AUTH__MONGO__LOGIN=old",
        "EMQX_AUTH__MONGO__USERNAME=s3cr3t",
        'export EMQX_AUTH__HTTP__AUTH_REQ__URL="http://h/a?b=c#d"',
        "  - EMQX_NODE__NAME=a@b",
        "## not in 4.3:       EMQX_RPC__TCP_CLIENT_PORT: 5369",
        "## not in 4.3: EMQX_AUTH__HTTP__AUTH_REQ__CONTENT_TYPE=json",
        'EMQX_LOADED_PLUGINS="emqx_recon,emqx_auth_mnesia"',
        "EMQX_NODE__HEARTBEAT=on",
        "- name: EMQX_AUTH__MONGO__LOGIN",
        "PATH=/bin",
    ]
    verdicts = [str(item.verdict) for item in result.account.items]
    assert verdicts == ["carried"] * 3 + ["dropped", "dropped", "changed", "changed", "changed"]
    assert "s3cr3t" not in result.account.to_json(origin="a", target="b")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("EMQX_A__B=v", "v"),
        ("EMQX_A__B = 'v w' ", "v w"),
        ('EMQX_A__B="v"x', 'v"x'),
        ('EMQX_A__B="', ""),
        ('EMQX_A__B=v"', 'v"'),
        ('  - "EMQX_A__B=v"', "v"),
        ("docker run -e EMQX_A__B=v", None),
        ("  -e EMQX_A__B=v \\", "v"),
        ("export EMQX_A__B='it''s'", "it''s"),
        ("EMQX_A__B:", None),
        ("MY_EMQX_A__B=v", None),
    ],
)
def test_a_variable_is_read_without_its_quotes_and_written_with_them(line: str, value: str | None) -> None:
    (row,) = variables.read("f", line).rows
    assert (row.setting.value if row.setting else None) == value
    if row.setting is not None and value is not None:
        assert row.setting.key == "a.b"
        assert variables.rewritten(line, "a.b", value) == line
        assert variables.rewritten(line, "c.d", value) == line.replace("A__B", "C__D")


def test_the_rules_see_what_a_variable_sets(tmp_path: Path) -> None:
    (tmp_path / "emqx.env").write_text(VARIABLES + "EMQX_AUTH__MNESIA__AS=clientid\n", encoding="utf-8")
    (tmp_path / "emqx.conf").write_text("node.name = a@b\n", encoding="utf-8")
    facts = known.load(PLAN, (tmp_path / "emqx.conf", tmp_path / "emqx.env"))
    for rule in ("43-07", "43-08", "43-24", "43-38"):
        finding = DETECTORS[rule](facts)
        assert isinstance(finding, Hit), rule
        assert "s3cr3t" not in str(finding)
    export = users({"login": "u"})
    assert DETECTORS["43-02"](replace(facts, export=export)) == Clear()
    assert json.loads(convert(replace(facts, export=export)).texts["e.json"])["auth_mnesia"][0]["type"] == "clientid"


@PATIENT
@given(
    st.lists(
        st.one_of(
            st.sampled_from(VARIABLES.splitlines()),
            st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=20),
        ),
        max_size=10,
    )
)
def test_any_text_of_variables_is_accounted_for_line_by_line(lines: list[str]) -> None:
    ledger = Ledger()
    before = "\n".join(lines)
    text = convert_confs((), "username", ledger, (variables.read("f", before),)).texts["f"]
    assert text.count("\n") == before.count("\n")
    spoken = [line for line in before.split("\n") if variables.mentions(line)]
    assert len(ledger.account().items) >= len(spoken)
    for old, new in zip(before.split("\n"), text.split("\n"), strict=True):
        assert old == new or variables.mentions(old)
