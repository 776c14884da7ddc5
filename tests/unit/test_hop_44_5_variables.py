"""4.4 -> 5.x: what variables of the image set counts as what files set, and every line that speaks of one is in the account."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.__main__ import main
from components.migration.configs.flat import parse
from components.migration.hop_44_5 import Conversion, Options, Source, convert
from components.migration.hop_44_5.features import convert_features
from components.migration.hop_44_5.mqtt import unlimited_at_zero
from components.migration.hop_44_5.settings import Settings
from components.migration.manifest import Ledger, Verdict
from components.migration.prove import prove

pytestmark = pytest.mark.unit


def run(variables: str, conf: str = "", **files: str) -> Conversion:
    given = {"my.env": variables, **{name.replace("__", "."): text for name, text in files.items()}}
    return convert(
        Source(None, "", list(parse("emqx.conf", conf).settings), given), "4.4.19", "5.8.11", Options(now=1.0)
    )


def test_a_variable_overrides_the_file() -> None:
    conversion = run("EMQX_MQTT__MAX_TOPIC_LEVELS=7\n", "mqtt.max_topic_levels = 100\nmqtt.max_clientid_len = 9\n")
    assert conversion.config["mqtt"] == {"max_topic_levels": 7, "max_clientid_len": 9}
    verdicts = {(item.section, item.label): item.verdict for item in conversion.account.items}
    assert verdicts["my.env", "mqtt.max_topic_levels"] is Verdict.CARRIED
    assert verdicts["emqx.conf", "mqtt.max_topic_levels"] is Verdict.DROPPED


def test_a_variable_closes_the_door_that_a_file_leaves_open() -> None:
    conf = "allow_anonymous = true\nacl_nomatch = allow\n"
    files = {"loaded_plugins": "", "loaded_modules": ""}
    assert run("", conf, **files).config["authentication"] == []
    closed = run("export EMQX_ALLOW_ANONYMOUS='false'\nEMQX_ACL_NOMATCH=deny\n", conf, **files)
    assert any(one["enable"] for one in closed.config["authentication"])
    assert closed.config["authorization"]["no_match"] == "deny"


LOADED = (
    "EMQX_LOADED_PLUGINS=emqx_auth_mysql,emqx_mine\nEMQX_AUTH__MYSQL__SERVER=db:3306\nEMQX_AUTH__MYSQL__DATABASE=mqtt\n"
)
LOADED += "EMQX_AUTH__MYSQL__AUTH_QUERY=select password from u where name = '%u'\n"


@pytest.mark.parametrize("file", [None, "{emqx_auth_mysql, false}.\n", "{emqx_retainer, true}.\n"])
def test_a_plugin_that_a_variable_loads_stands_in_the_chain(file: str | None) -> None:
    conversion = run(LOADED, **({} if file is None else {"loaded_plugins": file}))
    assert [one["backend"] for one in conversion.config["authentication"] if one["enable"]] == ["mysql"]
    named = {item.label: item.verdict for item in conversion.account.items if item.section == "loaded_plugins"}
    assert named["emqx_mine"] is Verdict.DROPPED


def test_a_module_that_a_variable_loads_does_not_switch_off_those_that_nobody_speaks_of() -> None:
    acl = '{deny, all, subscribe, ["secret"]}.\n{allow, all}.\n'
    conversion = run("EMQX_LOADED_MODULES=emqx_mod_delayed\n", acl__conf=acl)
    sources = {one["type"]: one["enable"] for one in conversion.config["authorization"]["sources"]}
    assert sources["file"] is True
    assert conversion.config["delayed"]["enable"] is True


@pytest.mark.parametrize("line", ["- name: EMQX_ALLOW_ANONYMOUS", "echo $EMQX_NODE__NAME", "EMQX_A B=c"])
def test_a_line_that_speaks_of_a_variable_and_sets_none_is_named(line: str) -> None:
    account = run(f"# EMQX_IGNORED=1\nPATH=/bin\n{line}\n").account
    (item,) = (one for one in account.items if one.section == "my.env")
    assert (item.label, item.verdict) == ("line 3", Verdict.DROPPED)
    assert item.todo


LINES = st.sampled_from(
    [
        "EMQX_MQTT__MAX_QOS_ALLOWED=1",
        "EMQX_FOO__BAR=1",
        "export EMQX_NODE__NAME=a@b",
        "- name: EMQX_RPC__X",
        "# EMQX_C=1",
        "PATH=/bin",
        "",
        "EMQX_LOADED_PLUGINS=emqx_retainer",
    ]
)


@given(st.lists(LINES, max_size=12))
def test_every_line_of_a_file_of_variables_is_in_the_account(lines: list[str]) -> None:
    account = run("A=1\n" + "\n".join(lines) + "\n", "node.name = a@b\n").account
    spoken = [line for line in lines if "EMQX_" in line and not line.startswith("#")]
    assert account.counts.get("my.env", 0) == len(spoken)
    assert sum(item.section == "my.env" for item in account.items) == len(spoken)


def test_both_sides_of_the_proof_see_what_a_variable_sets() -> None:
    acl = '{deny, all, publish, ["a"]}.\n'
    files = {
        "my.env": "EMQX_ACL_NOMATCH=allow\n",
        "acl.conf": acl,
        "loaded_plugins": "",
        "loaded_modules": "{emqx_mod_acl_internal, true}.\n",
    }
    proof = prove(Source(None, "", [], files), "4.4.19", "5.8.11", topics=["a", "b"], options=Options(now=1.0))
    assert proof.decisions
    assert (proof.widened, proof.narrowed) == (0, 0)


def test_a_file_of_variables_alone_is_checked_and_its_values_are_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my.env").write_text("EMQX_AUTH__MYSQL__PASSWORD=S3CRET-v\n", encoding="utf-8")
    main(["check", str(tmp_path / "my.env"), "--from", "4.4.19", "--to", "5.8.11", "--strategy", "two-cluster"])
    out, err = capsys.readouterr()
    assert "auth.mysql.password" in out
    assert "S3CRET" not in out + err


@pytest.mark.parametrize("digit", ["²", "③", "٣"])
def test_a_digit_that_is_no_number_is_no_fault_in_a_setting(digit: str) -> None:
    assert unlimited_at_zero("²") == "²"
    source = Source(None, "", list(parse("emqx.conf", f"retainer.expiry_interval = {digit}\n").settings))
    ledger = Ledger()
    config, _ = convert_features(source, Settings(source, ledger), ledger)
    assert config["retainer"]["msg_expiry_interval"] == digit
