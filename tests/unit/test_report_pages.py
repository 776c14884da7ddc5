"""The report as it is shown: a page that is escaped and the same bytes for the same events, a short summary, and the command that writes both."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from components.report.__main__ import main
from components.report.files import read_lines, write_report
from components.report.html import page
from components.report.model import Report
from components.report.numbers import report_of
from components.report.terminal import summary
from tests.unit.report_bed import BEGAN, SUMMARY, Event, cutover, fleet

pytestmark = pytest.mark.unit


def test_the_same_events_give_the_same_bytes() -> None:
    assert page(report_of(cutover(), fleet=fleet())) == page(report_of(cutover(), fleet=fleet()))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onclick"}
        if tag not in {"meta", "line", "rect", "path"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag


def test_the_page_is_self_contained_well_formed_and_escapes_everything() -> None:
    evil = '<script>alert("1")</script>&'
    events = [json.loads(json.dumps(one).replace("shift-10", "SHIFT")) for one in cutover()]
    events = [
        {
            key: evil if value in {"SHIFT", "green", "cutover-import"} and key != "to" else value
            for key, value in one.items()
        }
        for one in events
    ]
    events += [
        {"t": BEGAN + 1, "run": "aaaa", "event": "error", "type": evil, "message": evil},
        {"t": BEGAN + 1, "run": "aaaa", "event": "loss", "section": evil, "count": 3},
        {
            "t": BEGAN + 1,
            "run": "aaaa",
            "event": "gate",
            "verdict": "fail",
            "name": evil,
            "node": evil,
            "reason": evil,
            "step": evil,
        },
    ]
    text = page(report_of(events, fleet=fleet()))
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert "script" not in tags.seen
    assert not re.search(r"https?://|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text


def test_the_summary_is_short_plain_text() -> None:
    text = summary(report_of(cutover(), fleet=fleet()))
    assert text.isascii()
    assert len(text.splitlines()) <= 12
    assert max(map(len, text.splitlines())) <= 130
    for part in ("done", "2000", "1932 of 2000", "gap p50 0.10 p99 0.20 max 0.24", "500 sessions", "ratio"):
        assert part in text


def test_the_command_writes_both_files_and_passes_over_torn_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, told = tmp_path / "journal.jsonl", tmp_path / "summary.json"
    lines = [json.dumps(one) for one in cutover()]
    journal.write_text("\n".join([*lines[:9], lines[9][:20], "[1]", '{"t": 1}', *lines[10:]]))
    told.write_text(json.dumps(SUMMARY))
    assert main([str(journal), "--fleet", str(told), "--out", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert Report.model_validate(report).clients == 2_000
    assert "<svg" in (tmp_path / "out" / "report.html").read_text()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]
    assert "cutover: done" in capsys.readouterr().out


def test_a_journal_without_a_cutover_is_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "journal.jsonl").write_text('{"t": 1, "event": "link"}\n')
    assert main([str(tmp_path / "journal.jsonl"), "--out", str(tmp_path)]) == 2
    assert main([str(tmp_path / "nothing.jsonl"), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_write_report_returns_the_summary_with_the_pages_place(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_text("\n".join(json.dumps(one) for one in cutover()))
    assert len(list(read_lines(journal))) == len(list(cutover()))
    _, told = write_report(journal, tmp_path)
    assert told.endswith(str(tmp_path / "report.html"))


def test_events_of_no_run_are_passed_over(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    nobodys = [{"t": 1, "event": "run"}, {"t": 2, "event": "sample"}, {"t": 3, "event": "run", "run": None}]
    journal.write_text("\n".join(json.dumps(one) for one in [*nobodys, *cutover(), *nobodys]))
    assert main([str(journal), "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "report.json").read_text()) == report_of(cutover()).model_dump(mode="json")


@pytest.mark.parametrize("text", ["no JSON", "[1]", '{"disconnects": {}}', '{"disconnects": {"max": "x", "mean": 1}}'])
def test_a_file_that_is_no_fleets_summary_is_named_in_one_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, told = tmp_path / "journal.jsonl", tmp_path / "summary.json"
    journal.write_text("\n".join(json.dumps(one) for one in cutover()))
    told.write_text(text)
    assert main([str(journal), "--fleet", str(told), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"no report: {told}: not the summary.json of a fleet")
    assert said.count("\n") == 1


def test_a_file_that_will_not_do_is_told_without_numbers_of_the_system(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, there = tmp_path / "journal.jsonl", tmp_path / "there"
    journal.write_text("\n".join(json.dumps(one) for one in cutover()))
    there.write_text("")
    assert main([str(journal), "--out", str(there)]) == 2
    assert main([str(tmp_path / "nothing"), "--out", str(tmp_path)]) == 2
    said = f"no report: {there}: File exists\nno report: {tmp_path}/nothing: No such file or directory\n"
    assert capsys.readouterr().err == said


def test_the_summary_says_that_clients_moved_only_where_somebody_did() -> None:
    whole = list(cutover())
    begun = next(index for index, one in enumerate(whole) if one["event"] == "move")
    empty = [one for one in cutover(clients=0) if one["event"] != "move"]

    def head(events: list[Event]) -> str:
        return summary(report_of(events)).splitlines()[0]

    assert "done, clients moved to green" in head(whole)
    assert "interrupted, no clients moved to green" in head(whole[:begun])
    assert "interrupted, 100 clients moved to green" in head(whole[: begun + 1])
    assert "done, no clients moved to green" in head(empty)
    back = [{**one, "to": "blue", "direction": "back"} if one["event"] == "run" else one for one in whole[:begun]]
    assert "interrupted, no clients moved back to blue" in head(back)
