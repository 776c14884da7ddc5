"""4.2 -> 4.3, files: comments, order and what is no setting stay as they were; odd texts are accounted for, not fallen over."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration import facts as known
from components.migration.configs import flat
from components.migration.detectors import DETECTORS
from components.migration.facts import Export, Facts
from components.migration.hop_42_43.convert import convert
from components.migration.kinds import kind_of
from components.migration.loading import load
from components.migration.manifest import BadSource, Verdict
from tests.unit.hop_42_43_bed import OLD, PASSWORD, PATIENT, PLAN, converted, one, sample

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("number", ["²", "9" * 65536])
def test_a_digit_that_is_no_number_is_no_fault(number: str) -> None:
    facts = Facts(
        replace(PLAN, system=f"macos {number}"),
        confs=(flat.parse("emqx.conf", f"rpc.tcp_client_num = {number}\nauth.http.request.timeout = {number}\n"),),
    )
    export = Export("e.json", {"version": f"4.2.{number}", "auth_username": [{"username": "u", "password": PASSWORD}]})
    with pytest.raises(BadSource, match="43-03") if number == "²" else nullcontext():
        convert(replace(facts, export=export))
    assert convert(facts).account.items
    for rule in ("43-03", "43-28", "43-37"):
        DETECTORS[rule](replace(facts, export=export))


def test_a_file_that_is_named_twice_is_converted_once(tmp_path: Path) -> None:
    (tmp_path / "emqx.conf").write_text("rpc.tcp_client_port = 5369\nauth.mongo.login = u\n", encoding="utf-8")
    once, twice = (convert(load(PLAN, paths)) for paths in ((tmp_path,), (tmp_path, tmp_path / "emqx.conf")))
    assert once == twice


def test_an_include_of_enterprise_stays_and_says_what_was_not_given() -> None:
    texts, account = converted(
        flat.parse(
            "etc/emqx.conf",
            "include etc/listeners.conf\n include  etc/zones.conf \n{{ additional_configs }}\nnonsense\n",
        ),
        flat.parse("etc/listeners.conf", "listener.ws.external.verify_protocol_header = on\n"),
    )
    assert texts["etc/emqx.conf"].splitlines()[:4] == [
        "include etc/listeners.conf",
        " include  etc/zones.conf ",
        "{{ additional_configs }}",
        "## not in 4.3: nonsense",
    ]
    assert [(item.label, item.verdict) for item in account.items][:3] == [
        ("line 1", Verdict.CARRIED),
        ("line 2", Verdict.CHANGED),
        ("line 4", Verdict.DROPPED),
    ]
    assert "fail_if_no_subprotocol" in texts["etc/listeners.conf"]


def test_lines_that_are_added_end_as_the_file_does() -> None:
    assert one("log.to = file\r\n")[0].count("\n") == one("log.to = file\r\n")[0].count("\r\n") == 4


@pytest.mark.parametrize("line", ["a = x{}y", "a{}y", "{}y", "include {}\0", "EMQX_A=x{}y", "EMQX_A{}y", "{{{{ {} x"])
def test_a_line_of_blanks_takes_time_with_its_length_only(line: str) -> None:
    """With the square of it, a megabyte would take hours; that is what this bound of the whole suite's time shows."""
    text = line.format(" " * 1_000_000)
    assert str(flat.parse("f", text)) == text
    assert kind_of("f", text, 4) in ("other", "flat", "variables")
    assert len(one(text, "x.conf")[1].items) <= 1


LINES = st.lists(
    st.one_of(
        st.sampled_from([f"{key} = {value or 'x'}" for _, key, value in OLD]),
        st.sampled_from(["", "# comment", "## = odd", "   ", "{{ additional_configs }}", "no setting"]),
        st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=20),
    ),
    max_size=30,
)


@PATIENT
@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_file_reads_back_byte_for_byte(lines: list[str], end: str, closed: bool) -> None:
    text = end.join(lines) + (end if closed else "")
    assert str(flat.parse("f", text)) == text


@PATIENT
@given(LINES, st.sampled_from(["username", "clientid"]))
def test_comments_and_their_order_survive_and_the_account_adds_up(lines: list[str], credential: str) -> None:
    text, account = one("\n".join(lines), credential=credential)
    before = [line for line in "\n".join(lines).split("\n") if line.lstrip().startswith("#")]
    after = [
        line
        for line in text.split("\n")
        if line.lstrip().startswith("#") and not line.startswith(("## not in 4.3: ", "## kept from 4.2"))
    ]
    assert after == [line for line in before if not line.startswith(("## not in 4.3: ", "## kept from 4.2"))]
    for row in account.tally().values():
        assert row["source"] == row["carried"] + row["changed"] + row["dropped"]
    settings = sum(1 for line in flat.parse("f", "\n".join(lines)).rows if line.setting or line.is_foreign)
    assert account.counts.get("emqx.conf", 0) == settings == len(account.items)


@PATIENT
@given(LINES)
def test_the_account_holds_no_value(lines: list[str]) -> None:
    secret = "s3cr3t-of-the-fleet"
    _, account = one(
        "\n".join([*lines, f"auth.mysql.password = {secret}", f"auth.mnesia.1.password = {secret}", f"x {secret}"])
    )
    assert secret not in account.to_json(origin="4.2.14", target="4.3.22")
    assert secret not in account.to_markdown(origin="4.2.14", target="4.3.22")


def test_the_steps_name_the_data_directory_the_import_and_the_restart() -> None:
    facts = Facts(
        PLAN, export=sample("v4.2.10-no-auth.json"), confs=(flat.parse("emqx.conf", "node.data_dir = /srv/emqx\n"),)
    )
    steps = convert(facts).steps
    assert any("/srv/emqx" in step for step in steps)
    assert any("mnesia" in step for step in steps)
    override = replace(facts, texts=(known.Text("e.env", "EMQX_NODE__DATA_DIR=/mnt/data\n"),))
    assert any(step.endswith("/mnt/data") for step in convert(override).steps)
    imported = next(at for at, step in enumerate(steps) if "data import" in step)
    assert any("restart" in step for step in steps[imported:])


def test_files_that_are_no_settings_come_out_as_they_went_in(tmp_path: Path) -> None:
    texts = {
        "acl.conf": '{allow, all, pubsub, ["a"]}.\n',
        "ssl_dist.conf": '[{server, [{certfile, "c"}]}].\n',
        "loaded_modules": "{emqx_mod_presence, true}.\n",
        "psk.txt": "id:secret\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    result = convert(load(PLAN, (tmp_path,)))
    assert {Path(name).name: text for name, text in result.texts.items()} == texts
    assert "secret" not in result.account.to_json(origin="a", target="b")
