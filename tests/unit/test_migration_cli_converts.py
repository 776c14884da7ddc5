"""``python -m components.migration convert`` and ``prove``: all is accounted for, nothing is overwritten, and a proof without a fact is none."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.migration_cli_bed import HOP, OLD, SAMPLES, run

pytestmark = pytest.mark.unit


def test_a_conversion_writes_files_account_and_steps_for_their_owner_only(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "new"
    status, text, _ = run(capsys, "convert", SAMPLES / "v4.2.11.json", OLD, *HOP, "--out", out)
    assert status == 0
    assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} >= {
        "v4.2.11.json", "emqx.conf", "plugins/emqx_auth_http.conf", "manifest.json", "manifest.md", "steps.md",
    }  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in out.rglob("*")} <= {0o600, 0o700}
    tally = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["tally"].values()
    assert all(row["source"] == row["carried"] + row["changed"] + row["dropped"] for row in tally)
    assert f"of {sum(row['source'] for row in tally)} items" in text
    passwords = [
        row["password"] for row in json.loads((SAMPLES / "v4.2.11.json").read_text(encoding="utf-8"))["auth_mnesia"]
    ]
    assert not [word for word in passwords if word in (out / "manifest.json").read_text(encoding="utf-8")]


def test_the_result_of_a_conversion_can_be_checked_as_it_lies_there_and_what_it_mended_is_gone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "new"
    assert run(capsys, "convert", SAMPLES / "v4.2.11.json", OLD, *HOP, "--out", out)[0] == 0
    assert (out / "requests.json").exists()
    status, text, err = run(capsys, "check", out, *HOP, "--strategy", "two-cluster")
    assert (status, err) == (1, "")
    assert not re.search(r"^\s*43-(02|10|40|41|44|45) ", text, re.MULTILINE)


def test_nothing_is_ever_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x", encoding="utf-8")
    status, _, err = run(capsys, "convert", OLD, *HOP, "--out", tmp_path)
    assert (status, "not an empty directory" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_two_files_of_one_name_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "emqx.conf").write_text("x.y = z\n", encoding="utf-8")
    status, _, err = run(
        capsys, "convert", tmp_path / "a/emqx.conf", tmp_path / "b/emqx.conf", *HOP, "--out", tmp_path / "o"
    )
    assert (status, "two files of one name" in err) == (2, True)


@pytest.mark.parametrize(
    ("origin", "target", "words"),
    [("4.2.14", "5.8.11", "go 4.2.14 -> 4.3.22"), ("5.8.11", "5.9.3", "nothing to convert")],
)
def test_only_one_hop_with_something_to_convert_is_converted(
    origin: str, target: str, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "emqx.conf").write_text("a = b\n", encoding="utf-8")
    status, _, err = run(
        capsys, "convert", tmp_path / "emqx.conf", "--from", origin, "--to", target, "--out", tmp_path / "o"
    )
    assert status == 2
    assert words in err


def test_4_4_is_converted_and_proved(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    hop = ("--from", "4.4.19", "--to", "5.8.9", "--edition", "ce", "--credential", "username")
    status, out, err = run(capsys, "convert", SAMPLES / "v4.4.19.json", *hop, "--out", tmp_path / "o")
    assert (status, err) == (0, "")
    assert "read manifest.md" in out
    assert (tmp_path / "o/manifest.json").exists()
    files = (tmp_path / "emqx.conf", tmp_path / "acl.conf")
    files[0].write_text("allow_anonymous = true\nacl_nomatch = allow\n", encoding="utf-8")
    files[1].write_text("{allow, all}.\n", encoding="utf-8")
    status, out, err = run(capsys, "prove", SAMPLES / "v4.4.19.json", *files, *hop, "--topic", "x/1")
    assert (status, err) == (0, "")
    assert re.match(r"\d+ decisions: 0 wider, \d+ narrower\n", out)


@pytest.mark.parametrize("given", [(), ("emqx.conf",), ("acl.conf",)])
def test_a_proof_without_a_fact_is_no_proof(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, given: Sequence[str]
) -> None:
    (tmp_path / "emqx.conf").write_text("allow_anonymous = true\nacl_nomatch = allow\n", encoding="utf-8")
    (tmp_path / "acl.conf").write_text("{allow, all}.\n", encoding="utf-8")
    hop = ("--from", "4.4.19", "--to", "5.8.9", "--edition", "ce", "--credential", "username")
    sources = (SAMPLES / "v4.4.19.json", *(tmp_path / name for name in given))
    status, out, err = run(capsys, "prove", *sources, *hop, "--topic", "x/1")
    assert (status, err) == (1, "")
    assert " 0 wider" in out
    assert "not known without" in out
