"""The edition is never assumed: it is said, read from what was given, or asked for; and the same pairs are refused by every command."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from components.migration.__main__ import main

pytestmark = pytest.mark.unit
HERE = Path(__file__).parent / "recordings"
SAMPLES = HERE / "migration/samples"
OWN = HERE / "field/07-ee-export-own-module/export.json"
HOP = ("--from", "4.4.19", "--to", "5.8.9")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def edition_in(directory: Path) -> str:
    """What the archive says that it is for."""
    archive = next((directory / "archive").iterdir())
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as tar:
        meta = tar.extractfile(next(name for name in tar.getnames() if name.endswith("META.hocon")))
        assert meta is not None
        return meta.read().decode().split()[2]


@pytest.mark.parametrize("command", ["convert", "prove"])
def test_files_that_do_not_tell_are_not_converted_and_the_remedy_names_the_option(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    (tmp_path / "emqx.conf").write_text("allow_anonymous = true\n", encoding="utf-8")
    out = ("--out", tmp_path / "o") if command == "convert" else ()
    status, _, err = run(capsys, command, tmp_path / "emqx.conf", *HOP, *out)
    assert status == 2
    assert "--edition ee (Enterprise) or --edition ce" in err
    assert not (tmp_path / "o").exists()


def test_a_check_asks_for_it_and_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "check", *HOP, "--json")
    assert (status, "edition" in json.loads(out)["blocking"]) == (1, True)
    status, out, _ = run(capsys, "check", *HOP)
    assert "ask: which edition is it? Say --edition ee or ce" in out
    _, out, _ = run(capsys, "check", *HOP, "--edition", "ce", "--json")
    assert "edition" not in json.loads(out)["blocking"]


@pytest.mark.parametrize(
    ("source", "target", "edition"),
    [
        (OWN, "5.8.9", "ee"),
        (HERE / "field/01-api-download-wrapper/plain.json", "5.8.9", "ce"),
        (HERE / "field/01-api-download-wrapper/plain.json", "5.8.11", "ee"),  # there is no open source 5.8.11
    ],
)
def test_an_export_says_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, source: Path, target: str, edition: str
) -> None:
    status, out, err = run(capsys, "convert", source, "--from", "4.4.19", "--to", target, "--out", tmp_path / "o")
    assert (status, err) == (0, "")
    assert edition_in(tmp_path / "o") == edition
    assert {"ee": "for Enterprise", "ce": "for open source"}[edition] in out


@pytest.mark.parametrize(
    ("name", "text", "edition"),
    [
        ("docker-compose.yml", "services:\n  b:\n    image: emqx/emqx-ee:4.4.19\n    environment: [EMQX_A=b]\n", "ee"),
        ("docker-compose.yml", "services:\n  b:\n    image: emqx/emqx:4.4.19\n    environment: [EMQX_A=b]\n", "ce"),
        ("loaded_modules", '[{"name": "internal_acl", "enable": true, "configs": {}}]', "ee"),
    ],
)
def test_other_files_say_it_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, text: str, edition: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "emqx.conf").write_text("acl_nomatch = deny\n", encoding="utf-8")
    files = (tmp_path / name, tmp_path / "emqx.conf")
    status, _, err = run(capsys, "convert", *files, *HOP, "--out", tmp_path / "o")
    assert (status, err) == (0, "")
    assert edition_in(tmp_path / "o") == edition


def test_an_archive_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--from", "5.8.9", "--to", "5.9.3", "--strategy", "two-cluster", "--json")
    _, out, err = run(capsys, "check", SAMPLES / "export-ce-5.8.9.tar.gz", *words)
    assert err == ""
    assert "edition" not in json.loads(out)["blocking"]


@pytest.mark.parametrize(
    ("origin", "target", "edition"),
    [
        ("4.4.19", "4.4.20", "ce"),
        ("4.4.19", "4.3.22", "ce"),
        ("4.4.19", "5.0.3", "ce"),
        ("4.4.19", "5.9.3", "ce"),
        ("4.4.19", "5.8.0", "ee"),
        ("4.2.14", "5.8.11", "ee"),
        ("5.8.11", "5.9.3", "ee"),
        ("4.4.19", "5.8.11", "ee"),
        ("4.4.19", "6.1.0", "ee"),
    ],
)
def test_prove_and_convert_refuse_the_same_pairs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, origin: str, target: str, edition: str
) -> None:
    (tmp_path / "emqx.conf").write_text("acl_nomatch = deny\n", encoding="utf-8")
    words = (tmp_path / "emqx.conf", "--from", origin, "--to", target, "--edition", edition)
    status, _, refusal = run(capsys, "convert", *words, "--out", tmp_path / "o")
    proved, _, refused = run(capsys, "prove", *words)
    assert (status == 2) is (proved == 2)
    assert refusal == refused
