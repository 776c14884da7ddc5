"""An export is read as what it holds: as the API hands it out, packed, with a byte order mark, with any line ends, under any name."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cutover.versions import parse
from components.migration import downloads
from components.migration.facts import Facts, Plan
from components.migration.loading import add, load
from components.migration.manifest import BadSource

pytestmark = pytest.mark.unit

WRAPPER = Path(__file__).parent / "recordings/field/01-api-download-wrapper"
PLAN = Plan(parse("4.4.3"), parse("5.8.9"), "ce", "ce")
PLAIN = (WRAPPER / "plain.json").read_text(encoding="utf-8")


def read(name: str, data: bytes) -> Any:
    facts = add(Facts(PLAN), name, data)
    return None if facts.export is None else facts.export.data


@pytest.mark.parametrize(
    "name", ["download.json", "data-code.json", "code-data-file.json", "bom.json", "crlf.json", "upper.JSON"]
)
def test_every_way_to_have_an_export_is_read_like_the_plain_file(name: str) -> None:
    facts = load(PLAN, (WRAPPER / name, WRAPPER / "emqx.conf"))
    assert facts.export is not None
    assert facts.export.data == json.loads(PLAIN)
    assert (len(facts.export.rows("rules")), len(facts.export.rows("users"))) == (1, 1)


def test_utf_16_is_refused_and_the_remedy_names_a_command() -> None:
    with pytest.raises(BadSource, match=r"utf16\.json, line 1: UTF-16.*Remedy: .*iconv"):
        load(PLAN, (WRAPPER / "utf16.json",))


@settings(deadline=None)
@given(
    st.sampled_from(["e.json", "e.JSON", "emqx-export", "export.txt", "e.json.bak", "e.jsonl", "e.json.gz", "x"]),
    st.sampled_from(["plain", "file-first", "filename-first", "data", "code-data-file"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_neither_name_nor_wrapping_decides_what_is_read(
    name: str, wrap: str, marked: bool, windows: bool, packed: bool, indent: int | None
) -> None:
    export = json.loads(PLAIN)
    text = json.dumps(export)
    wrapped = {
        "plain": export,
        "file-first": {"file": text, "filename": "n.json"},
        "filename-first": {"filename": "n.json", "file": text},
        "data": {"code": 0, "data": export},
        "code-data-file": {"code": 0, "data": {"file": text, "filename": "n.json"}},
    }[wrap]
    written = json.dumps(wrapped, indent=indent)
    data = (written.replace("\n", "\r\n") if windows else written).encode("utf-8-sig" if marked else "utf-8")
    assert read(name, gzip.compress(data) if packed else data) == export


def test_an_export_that_was_cut_off_is_refused_under_any_name_and_in_any_wrapping() -> None:
    text = '{"version": "4.4", "auth_mnesia": [{"login": "a"'
    for name, data in (
        ("export.txt", text.encode()),
        ("x", json.dumps({"filename": "n", "file": text}).encode()),
        ("e.json", gzip.compress(PLAIN.encode())[:-9]),
    ):
        with pytest.raises(BadSource, match="truncated"):
            read(name, data)


def test_what_is_unpacked_is_bounded_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MOST_UNPACKED_BYTES", 1000)
    with pytest.raises(BadSource, match="when it is unpacked"):
        read("e.json", gzip.compress(b" " * 5000))


def test_other_json_is_no_export_and_stays_what_it_was() -> None:
    facts = add(Facts(PLAN), "notes.txt", b'{"version": "3.8", "services": {}}')
    assert (facts.export, [text.file for text in facts.texts or ()]) == (None, ["notes.txt"])
