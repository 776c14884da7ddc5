"""``python -m components.migration``: status 0, 1 where something blocks, 2 for bad input; never a traceback, never a secret."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.migration.__main__ import main
from components.migration.rules import catalogue
from tests.unit.migration_cli_bed import HOP, OLD, SAMPLES, TO5, run

pytestmark = pytest.mark.unit


def test_a_check_shows_route_rules_and_losses_and_says_what_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "check", SAMPLES / "v4.2.11.json", OLD, *HOP)
    assert (status, err) == (1, "")
    assert out.startswith("Route\n  4.2.14 -> 4.3.22 (two-cluster)\n")
    assert "restart-after-import" in out
    assert re.search(r"43-10 BLOCK: .*\n    at: .*emqx_web_hook\.conf:1:web\.hook\.api\.url\n    do: ", out)
    assert re.search(r"auth_mnesia\[0\] user_mnesia: changed: no longer a superuser", out)
    assert re.search(r"\d+ block: 43-01, ", out)


def test_what_is_said_and_acknowledged_does_not_block(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "loaded_plugins").write_text("{emqx_auth_mnesia, true}.\n", encoding="utf-8")
    (tmp_path / "emqx.conf").write_text("node.name = a@b\n", encoding="utf-8")
    said = (
        "--strategy",
        "two-cluster",
        "--data-directory",
        "empty",
        "--credential",
        "username",
        "--step",
        "backup",
        "--step",
        "restart",
    )
    status, out, _ = run(capsys, "check", SAMPLES / "v4.2.11.json", tmp_path, *HOP, *said)
    assert status == 0, out
    assert out.endswith("Nothing blocks.\n")
    status, out, _ = run(capsys, "check", SAMPLES / "v4.2.11.json", tmp_path, *HOP, *said, "--data-directory", "used")
    assert (status, "43-20 BLOCK" in out) == (1, True)
    status, out, _ = run(
        capsys,
        "check",
        SAMPLES / "v4.2.11.json",
        tmp_path,
        *HOP,
        *said,
        "--data-directory",
        "used",
        "--acknowledge",
        "43-20",
    )
    assert (status, "43-20 acknowledged" in out) == (0, True)


def test_a_check_without_a_source_asks(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "check", *TO5)
    assert status == 1
    assert "ask: give the export of the 4.4 cluster" in out


def test_a_refused_route_shows_the_path_and_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "check", "--from", "4.2.14", "--to", "5.8.11", "--json")
    answer = json.loads(out)
    assert status == 1
    assert [hop["to"] for hop in answer["hops"]] == ["4.3.22", "4.4.33", "5.8.11"]
    assert answer["blocking"][0] == "route"


def test_a_strategy_that_the_route_does_not_allow_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "check", "--from", "4.4.19", "--to", "5.8.11", "--strategy", "rolling")
    assert status == 1
    assert "rolling is not possible" in out


def test_the_json_of_a_check_has_every_rule_that_is_not_clear(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "check", SAMPLES / "v4.4.19.json", *TO5, "--json")
    answer = json.loads(out)
    assert {row["id"] for row in answer["rules"]} <= {rule.id for rule in catalogue()}
    assert all(bool(row["places"]) != bool(row["question"]) for row in answer["rules"])
    assert set(answer["blocking"]) - {"route", "conversion"} == {row["id"] for row in answer["rules"] if row["blocks"]}


def test_both_credential_types_of_4_4_block_by_their_rule_and_the_conversion_says_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, _ = run(capsys, "check", SAMPLES / "v4.4.19.json", *TO5)
    assert status == 1
    assert "51-14 BLOCK" in out
    assert "Conversion: refused." in out


def test_live_answers_settle_what_only_the_cluster_knows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    live = tmp_path / "live.json"
    live.write_text(json.dumps({"retained_messages": 3, "green_reindexed": True}), encoding="utf-8")
    _, out, _ = run(capsys, "check", *TO5, "--live", live)
    assert "BK-06" not in out
    for text in ("[]", "{", '{"retained": 3}', '{"connections": "many"}'):
        live.write_text(text, encoding="utf-8")
        status, _, err = run(capsys, "check", *TO5, "--live", live)
        assert (status, err.startswith(f"refused: {live}")) == (2, True)


BAD: dict[str, tuple[str, bytes, tuple[str, ...], str]] = {
    "truncated": ("e.json", (SAMPLES / "v4.4.19.json").read_bytes()[:900], TO5, "e.json, line 1, column"),
    "not JSON": ("e.json", b"hello", TO5, "no JSON"),
    "another version": ("e.json", b'{"version": "4.4"}', HOP, "an export of 4.4, declared as 4.2.14"),
    "4.3 given as 4.4": ("e.json", b'{"version": "4.3"}', TO5, "an export of 4.3, declared as 4.4.19"),
    "two shapes of users": (
        "e.json",
        b'{"version": "4.4", "auth_mnesia": [{"type": "username"}, {}]}',
        TO5,
        "with and without",
    ),
    "unparsable acl.conf": ("acl.conf", b"{allow, all}.\n{allow, {user, \n", TO5, "acl.conf, line 2"),
    "unparsable loaded_plugins": ("loaded_plugins", b"[emqx]", TO5, "loaded_plugins, line 1"),
    "no UTF-8": ("emqx.conf", b"\xff", TO5, "emqx.conf, line 1"),
    "damaged archive": ("x.tar.gz", b"junk", ("--from", "5.8.11", "--to", "5.9.3"), "no whole gzip tar"),
    "no HOCON": ("cluster.hocon", b"a {", ("--from", "5.8.11", "--to", "5.9.3"), "no HOCON"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused_with_file_place_and_remedy(
    what: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    name, data, arguments, words = BAD[what]
    (tmp_path / name).write_bytes(data)
    status, out, err = run(capsys, "check", tmp_path / name, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"refused: {tmp_path / name}")
    assert words in err
    assert "Remedy: " in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--from", "four", "--to", "5.8.11"),
        ("check", "nowhere.json", "--from", "4.4.19", "--to", "5.8.11"),
        ("check", "--from", "4.4.19", "--to", "5.8.11", "--acknowledge", "51-99"),
        ("convert", "nowhere", *HOP, "--out", "x"),
        ("prove", SAMPLES / "v4.2.11.json", *HOP),
    ],
)
def test_bad_arguments_are_refused_in_one_line(
    arguments: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("refused: ")


@pytest.mark.parametrize(
    "arguments", [(), ("check",), ("check", "--from", "4.4.19"), ("melt",), ("check", *HOP, "--strategy", "hope")]
)
def test_wrong_usage_has_status_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_a_fault_of_ours_is_one_line_without_values(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("s3cr3t")

    monkeypatch.setattr("components.migration.__main__.check", broken)
    status, out, err = run(capsys, "check", *TO5)
    assert (status, out) == (2, "")
    assert re.fullmatch(r"refused: a fault in this program, KeyError at test_migration_cli\.py:\d+; report it\n", err)


def test_the_module_is_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "components.migration", "check", "--from", "5.8.11", "--to", "5.8.11"],
        capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.startswith("Route: nothing changes\n")
    assert done.returncode == 1  # rules about backups ask, whatever the versions are


@pytest.mark.parametrize("command", ["check", "convert", "prove"])
def test_a_key_that_stands_twice_is_refused_so_that_none_of_the_two_is_lost(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "e.json").write_text('{"version": "4.4", "users": [], "users": [{"username": "S3CRET"}]}')
    out = ("--out", tmp_path / "new") if command == "convert" else ()
    hop = ("--from", "4.4.19", "--to", "5.8.11")
    status, said, err = run(capsys, command, tmp_path / "e.json", *hop, *out)
    assert (status, "users" in err, "S3CRET" in said + err) == (2, True, False)


def test_a_refusal_is_one_line_that_no_terminal_obeys(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text(json.dumps({"version": "4.4", "odd\n\x1b[31m" + "n" * 65536: [1]}))
    status, _, err = run(capsys, "prove", tmp_path / "e.json", "--from", "4.4.19", "--to", "5.8.11")
    assert (status, err.count("\n"), "\x1b" in err) == (2, 1, False)
    assert len(err) < 1000
