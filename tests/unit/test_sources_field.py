"""What people really have (field cases 02, 03, 05, 09, 10), by the command: each file is read or refused, and a value is the container's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from components.migration.__main__ import main
from tools.bench_migration import readings_of_compose

pytestmark = pytest.mark.unit

FIELD = Path(__file__).parent / "recordings/field"
SPELLED = sorted((FIELD / "02-env-spellings").iterdir())
NAMED = FIELD / "05-named-source-not-read"


def convert(out: Path, *sources: Path, origin: str = "4.4.19", target: str = "5.8.11", edition: str = "ee") -> int:
    return main(
        ["convert", *map(str, sources), "--from", origin, "--to", target, "--edition", edition, "--out", str(out)]
    )


def users(out: Path) -> list[dict[str, object]]:
    requests = json.loads((out / "requests.json").read_text(encoding="utf-8"))
    return [one["body"] for one in requests if str(one["path"]).endswith("built_in_database/users")]


@pytest.mark.parametrize("file", SPELLED, ids=lambda file: str(file.name))
def test_the_same_settings_are_read_from_every_spelling(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = convert(tmp_path / "out", file)
    said = "not known: EMQX_ACL_NOMATCH (" in capsys.readouterr().out
    assert status == (1 if said else 0), "0 means that all of it was understood"
    assert said is ("substituted" in file.name)
    assert [(one["user_id"], one["password"]) for one in users(tmp_path / "out")] == [("meter-1", "first-word")]
    manifest = (tmp_path / "out/manifest.md").read_text(encoding="utf-8")
    assert "first-word" not in manifest
    if "substituted" in file.name:
        assert "acl\\_nomatch" in manifest or "acl_nomatch" in manifest
        assert "not known here: it is made of NOMATCH" in manifest


def test_a_block_scalar_says_the_same_as_a_plain_one(tmp_path: Path) -> None:
    for name in ("http-block", "http-plain"):
        assert convert(tmp_path / name, FIELD / f"03-env-user-without-word/{name}.yml") == 0
    block, plain = (
        json.loads((tmp_path / name / "manifest.json").read_text(encoding="utf-8"))["items"]
        for name in ("http-block", "http-plain")
    )
    assert [(one["label"], one["verdict"]) for one in block] == [(one["label"], one["verdict"]) for one in plain]


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("export.JSON", "pump-7"),
        ("export.json.bak", "pump-7"),
        ("emqx-export", "pump-7"),
        ("export.txt", "pump-7"),
        ("acl.txt", "acl.txt"),
        ("permissions.acl", "permissions.acl"),
        ("acl.conf.bak", "acl.conf.bak"),
        ("loaded_plugins.txt", "emqx_auth_mnesia"),
        ("LOADED_PLUGINS", "emqx_auth_mnesia"),
        ("emqx_auth_http.conf.new", "auth.http.auth_req.url"),
    ],
)
def test_a_file_is_known_by_its_content(tmp_path: Path, name: str, seen: str) -> None:
    assert convert(tmp_path / "out", NAMED / "emqx.conf", NAMED / name) == 0
    assert seen in (tmp_path / "out/manifest.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text", ["hello\n", "groups: [{name: a, rules: []}]\n", "", "[section]\nkey = value\n", "<xml/>", "{}"]
)
def test_a_file_of_which_nothing_is_read_is_refused(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "notes"
    odd.write_text(text, encoding="utf-8")
    assert convert(tmp_path / "out", NAMED / "emqx.conf", odd) == 2
    assert f"{odd}: nothing is read from this file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_resources_of_the_operator_are_read(tmp_path: Path) -> None:
    file = FIELD / "09-operator-and-helm/emqxbroker.yaml"
    assert convert(tmp_path / "out", file, origin="4.4.14", target="5.8.9", edition="ce") == 0
    items = json.loads((tmp_path / "out/manifest.json").read_text(encoding="utf-8"))["items"]
    labels = {item["label"].split(" = ")[0]: item["verdict"] for item in items}
    assert labels["mqtt.max_packet_size"] == labels["acl_nomatch"] == labels["rule in line 1"] == "carried"
    assert labels["emqx_auth_http"] == labels["emqx_mod_delayed"] == "carried"


def hits(file: Path, capsys: pytest.CaptureFixture[str]) -> set[str]:
    given = [str(FIELD / "10-env-of-5x/cluster.hocon"), str(file)]
    main(
        ["check", *given, "--from", "5.6.1", "--to", "5.10.4", "--edition", "ee", "--strategy", "two-cluster", "--json"]
    )
    return {rule["id"] for rule in json.loads(capsys.readouterr().out)["rules"] if rule["places"]}


def test_variables_of_5x_give_the_hits_that_the_same_hocon_gives(capsys: pytest.CaptureFixture[str]) -> None:
    case = FIELD / "10-env-of-5x"
    expected = {"57-01", "58-03", "59-04", "59-05", "59-06", "59-08"}
    by_hocon, by_helm = hits(case / "settings.hocon", capsys), hits(case / "values.yaml", capsys)
    assert by_hocon == by_helm
    assert expected <= by_helm


def test_a_value_that_is_not_known_makes_a_rule_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "compose.yml"
    file.write_text("services: {b: {environment: [EMQX_FORCE_SHUTDOWN__MAX_HEAP_SIZE]}}\n", encoding="utf-8")
    (tmp_path / "c.hocon").write_text("mqtt {}\n", encoding="utf-8")
    main(["check", str(file), str(tmp_path / "c.hocon"), "--from", "5.6.1", "--to", "5.10.4", "--edition", "ee"])
    assert re.search(
        r"ask: what is EMQX_FORCE_SHUTDOWN__MAX_HEAP_SIZE \(.*compose\.yml, line 1\)\?", capsys.readouterr().out
    )


def test_a_compose_file_is_read_once_whatever_asks_for_its_variables() -> None:
    assert readings_of_compose(20)[0] == 1
