"""Nothing named is passed over: every file that is given is in the account or refused, and a missing one is said to be missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.__main__ import main
from tests.unit.hop_42_43_bed import PATIENT

pytestmark = pytest.mark.unit

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
EXPORT = '{"version": "4.4", "users": [], "auth_mnesia": [], "acl_mnesia": [{"type": "all", "topic": "t/#", "action": "pub", "access": "deny", "created_at": 2}]}'
TEXTS = {
    "emqx.conf": "allow_anonymous = false\nacl_nomatch = allow\n",
    "a comment": "## nothing is set here\n",
    "acl.conf": '{deny, all, publish, ["valves/#"]}.\n{allow, all}.\n',
    "loaded_plugins": "{emqx_auth_mnesia, true}.\n",
    "loaded_modules": "{emqx_mod_acl_internal, true}.\n",
    "export": EXPORT,
    "certificate": CERTIFICATE,
    "plugin": "auth.http.auth_req.url = http://a.example/login\n",
    "variables": "EMQX_MQTT__MAX_PACKET_SIZE=2MB\n",
    "compose": "services: {broker: {environment: {EMQX_MQTT__MAX_PACKET_SIZE: ${SIZE:-2MB}}}}\n",
    "manifest": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {EMQX_ALLOW_ANONYMOUS: 'false'}\n",
    "psk": "client1:1234567890abcdef\n",
    "notes": "what was said on Monday\n",
    "binary": "\x00\x01\x02",
    "alerts": "groups: [{name: a, rules: []}]\n",
}
NAMES = [
    "emqx.conf",
    "acl.conf",
    "loaded_plugins",
    "x",
    "x.txt",
    "x.JSON",
    "x.bak",
    "x.conf.new",
    "x.yml",
    "my.psk",
    "Dockerfile",
    "x.pem",
]


def run(capsys: pytest.CaptureFixture[str], out: Path, *sources: Path, origin: str = "4.4.19") -> tuple[int, str]:
    target, edition = ("5.8.11", "ee") if origin == "4.4.19" else ("4.3.22", "ce")
    status = main(
        ["convert", *map(str, sources), "--from", origin, "--to", target, "--edition", edition, "--out", str(out)]
    )
    return status, capsys.readouterr().err


@pytest.mark.parametrize("origin", ["4.4.19", "4.2.14"])
def test_every_file_of_any_name_is_in_the_account_or_refused(
    origin: str, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    @PATIENT
    @given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(TEXTS)), min_size=1, max_size=4))
    def check(files: dict[str, str]) -> None:
        directory = tmp_path_factory.mktemp("given")
        for name, kind in files.items():
            (directory / name).write_text(TEXTS[kind], encoding="utf-8")
        status, err = run(capsys, directory / "out", *(directory / name for name in files), origin=origin)
        if status == 2:
            assert "refused: " in err
            assert "fault in this program" not in err
            return
        account = json.loads((directory / "out/manifest.json").read_text(encoding="utf-8"))
        sections = {section.partition("#")[0] for section in account["tally"]}
        for name, kind in files.items():
            if kind == "export":
                assert {"acl_mnesia", "auth_mnesia"} <= sections
            else:
                assert str(directory / name) in sections, (name, kind)

    check()


def test_without_emqx_conf_the_account_says_what_is_taken_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "export.json").write_text(EXPORT, encoding="utf-8")
    assert run(capsys, tmp_path / "out", tmp_path / "export.json")[0] == 0
    said = json.loads((tmp_path / "out/manifest.json").read_text(encoding="utf-8"))["not_given"]
    assert any("allow_anonymous is taken as false" in one and "locked out" in one for one in said)
    assert any("acl_nomatch is taken as deny" in one for one in said)
    assert any(one.startswith("no acl.conf:") for one in said)
    main(["check", str(tmp_path / "export.json"), "--from", "4.4.19", "--to", "5.8.11", "--edition", "ee"])
    assert "allow_anonymous is taken as false" in capsys.readouterr().out


def test_what_a_variable_sets_is_not_taken_for_granted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.env").write_text("EMQX_ALLOW_ANONYMOUS=true\n", encoding="utf-8")
    assert run(capsys, tmp_path / "out", tmp_path / "my.env")[0] == 0
    said = json.loads((tmp_path / "out/manifest.json").read_text(encoding="utf-8"))["not_given"]
    assert not any("allow_anonymous" in one for one in said)
    assert any("acl_nomatch" in one for one in said)


def test_rules_that_acl_file_names_are_asked_and_no_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    etc = tmp_path / "etc"
    (etc / "rules").mkdir(parents=True)
    (etc / "emqx.conf").write_text("acl_file = /etc/emqx/rules/site.rules\nacl_nomatch = allow\n", encoding="utf-8")
    (etc / "acl.conf").write_text("{allow, all}.\n", encoding="utf-8")
    (etc / "loaded_modules").write_text("{emqx_mod_acl_internal, true}.\n", encoding="utf-8")
    run(capsys, tmp_path / "none", etc)
    missing = (tmp_path / "none/manifest.md").read_text(encoding="utf-8")
    assert "no site.rules: none of its rules is on green" in missing
    (etc / "rules/site.rules").write_text('{deny, all, publish, ["valves/#"]}.\n{allow, all}.\n', encoding="utf-8")
    run(capsys, tmp_path / "out", etc)
    items = json.loads((tmp_path / "out/manifest.json").read_text(encoding="utf-8"))["items"]
    verdicts = {(Path(item["section"]).name, item["label"]): item["verdict"] for item in items}
    assert verdicts["site.rules", "rule in line 1"] == "carried"
    assert verdicts["acl.conf", "rule in line 1"] == "dropped"


def test_what_lies_in_a_directory_and_sets_variables_is_said_to_be_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "emqx.conf").write_text(TEXTS["emqx.conf"], encoding="utf-8")
    (tmp_path / "docker-compose.yml").write_text(TEXTS["compose"], encoding="utf-8")
    (tmp_path / "acl.conf.bak").write_text(TEXTS["acl.conf"], encoding="utf-8")
    for origin in ("4.4.19", "4.2.14"):
        run(capsys, tmp_path.with_name(f"out-{origin}"), tmp_path, origin=origin)
        said = json.loads((tmp_path.with_name(f"out-{origin}") / "manifest.json").read_text(encoding="utf-8"))[
            "not_given"
        ]
        assert sum("docker-compose.yml sets variables of EMQX and was not read" in one for one in said) == 1


def test_certificates_that_a_setting_names_are_in_the_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "emqx.conf").write_text("listener.ssl.external.certfile = etc/certs/mine.pem\n", encoding="utf-8")
    (tmp_path / "certs/mine.pem").write_text(CERTIFICATE, encoding="utf-8")
    (tmp_path / "certs/unused.pem").write_text(CERTIFICATE, encoding="utf-8")
    run(capsys, tmp_path.with_name("out-of-certificates"), tmp_path)
    tally = json.loads((tmp_path.with_name("out-of-certificates") / "manifest.json").read_text(encoding="utf-8"))[
        "tally"
    ]
    assert tally[str(tmp_path / "certs/mine.pem")]["dropped"] == 1
    assert str(tmp_path / "certs/unused.pem") not in tally


def test_a_file_that_an_include_or_a_setting_names_is_read_under_any_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    etc = tmp_path / "etc"
    (etc / "more").mkdir(parents=True)
    (etc / "emqx.conf").write_text(
        "include more/zones.txt\ninclude gone.conf\nwhat is this\nlicense.file = etc/emqx.lic\n", encoding="utf-8"
    )
    (etc / "more/zones.txt").write_text("zone.external.max_packet_size = 2MB\n", encoding="utf-8")
    (etc / "emqx.lic").write_text("not read by us\n", encoding="utf-8")
    assert run(capsys, tmp_path / "out", etc)[0] == 0
    items = json.loads((tmp_path / "out/manifest.json").read_text(encoding="utf-8"))["items"]
    said = {
        (Path(item["section"]).name, item["label"].split(" =")[0]): (item["verdict"], item["how"]) for item in items
    }
    assert said["zones.txt", "zone.external.max_packet_size"][0] == "carried"
    assert said["emqx.conf", "line 1"] == ("carried", "the included file is converted too")
    assert said["emqx.conf", "line 2"][0] == "dropped"
    assert "gone.conf, which is not given" in said["emqx.conf", "line 2"][1]
    assert said["emqx.conf", "line 3"] == ("dropped", "neither a setting nor a comment")
