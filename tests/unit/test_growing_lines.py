"""A journal that somebody watches while it grows: every whole line once, and never those of a file that is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.growing import GrowingLines

pytestmark = pytest.mark.unit


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.dictionaries(st.text(), st.text())), st.lists(st.integers(0, 400)))
def test_however_it_grows_the_whole_lines_are_seen_in_order_and_once(
    tmp_path: Path, values: list[dict[str, str]], cuts: list[int]
) -> None:
    text = "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values).encode(errors="surrogatepass")
    path = tmp_path / "grows"
    path.write_bytes(b"")
    lines = GrowingLines(path)
    for cut in sorted(cuts):
        path.write_bytes(text[:cut])
        assert lines.values() == values[: text[:cut].count(b"\n")]
    path.write_bytes(text)
    assert lines.values() == lines.values() == values


def test_a_file_that_is_not_there_yet_or_not_any_more_has_none(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    lines = GrowingLines(path)
    assert lines.values() == []
    path.write_text('{"run": 1}\n{"run": 2}\n')
    assert lines.values() == [{"run": 1}, {"run": 2}]
    path.unlink()
    assert lines.values() == []


@pytest.mark.parametrize("other", ['{"run": 3}\n', '{"run": 3}\n{"run": 4}\n', '{"run": 3}\n{"run": 44}\n{"run": 5}\n'])
def test_another_file_in_its_place_is_read_from_its_beginning(tmp_path: Path, other: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"run": 1}\n{"run": 2}\n')
    lines = GrowingLines(path)
    lines.values()
    path.write_text(other)
    assert lines.values() == [json.loads(line) for line in other.splitlines()]


def test_what_is_done_to_an_answer_is_not_seen_in_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"run": 1}\n')
    lines = GrowingLines(path)
    lines.values().clear()
    assert lines.values() == [{"run": 1}]
