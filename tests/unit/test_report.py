"""The report: what the journal says and nothing else, bounded, escaped, and the same bytes for the same events."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.report.__main__ import main
from components.report.files import read_lines, write_report
from components.report.fleet import FleetPart, fleet_part
from components.report.html import page
from components.report.model import Report
from components.report.numbers import MOST_SAMPLES, NoCutoverError, report_of
from components.report.terminal import summary

pytestmark = pytest.mark.unit

BEGAN = 1_795_346_000.0
Event = dict[str, Any]

SUMMARY = {
    "clients": 2_000,
    "disconnects": {"max": 1, "mean": 1.0, "by_reason": {"0x98": 1_000}},
    "gap_seconds": {"p50": 0.1, "p99": 0.2, "max": 0.24},
    "refused_connections": 0,
    "connected": {"min": 1_932, "of": 2_000},
    "messages": {"published": 9_000, "received": 9_000, "lost": 0, "duplicated": 0, "lost_qos0": 0, "by_qos": {}},
}


def cutover(name: str = "aaaa", clients: int = 2_000, budget: int = 400, began: float = BEGAN) -> Iterator[Event]:
    """The journal of an ordinary cutover 10, hold 5, 50, 100 with evacuation, as the operations write it."""

    def event(after: float, kind: str, /, **facts: Any) -> Event:
        return {"t": round(began + after, 3), "run": name, "event": kind, **facts}

    def sample(after: float, step: str, share: int) -> Event:
        away = min(40, clients // 50) if moving else 0
        return event(after, "sample", step=step, blue=clients - moved, green=moved - away, share=share)

    moved, moving, at = 0, False, 12.0
    yield event(0, "run", to="green", origin="blue", direction="forward", clients=clients, budget_per_second=budget)
    yield event(0, "loss", section="sessions", count=500, messages=40, acknowledged=True)
    for link, seconds in (("export", 0.6), ("import", 8.0), ("verification", 3.2)):
        yield event(0.1, "link", name=f"cutover-{link}", phase="begin")
        yield event(0.1 + seconds, "link", name=f"cutover-{link}", phase="end", seconds=seconds)
        yield event(0.1 + seconds, "fact", section=link, equal=True)
    for step, percent, mover in (("shift-10", 10, "kick"), ("shift-50", 50, "kick"), ("drain", 100, "evacuation")):
        cohort, start, moving = clients * percent // 100 - moved, at, True
        yield event(at, "step", name=step, share=float(percent), phase="begin", mover=mover)
        done = 0
        while done < cohort:
            batch = min(max(1, budget // 4), cohort - done)
            done, moved, at = done + batch, moved + batch, at + 0.25
            yield event(at, "move", step=step, mover=mover, count=batch)
            yield sample(at, step, percent * 100)
        moving, seconds = False, at - start
        yield sample(at + 0.5, step, percent * 100)
        yield event(
            at + 0.5,
            "step",
            name=step,
            share=float(percent),
            phase="end",
            mover=mover,
            clients=cohort,
            moving_seconds=seconds,
        )
        for _ in range(5):
            at += 1
            yield sample(at, step, percent * 100)
    yield event(at, "end", outcome="done", to="green")


def fleet_log() -> Iterator[Event]:
    for number in range(2_000):
        yield {"t": BEGAN - 10, "event": "connected", "id": f"dev-{number}"}
    for number in range(2_000):
        lost, gap = BEGAN + 12 + number / 300, 0.05 + number % 20 / 100
        yield {"t": lost, "event": "disconnected", "id": f"dev-{number}", "reason": "0x98"}
        yield {"t": lost + gap, "event": "connected", "id": f"dev-{number}", "gap": gap}


def fleet() -> FleetPart:
    return fleet_part(SUMMARY, sorted(fleet_log(), key=lambda line: line["t"]))


def test_the_fields_of_the_issue_are_there_by_their_names() -> None:
    told = report_of(cutover(), fleet=fleet()).model_dump(mode="json")
    assert told["clients"] == 2_000
    assert told["disconnects"] == {"max": 1, "mean": 1.0}
    assert told["gap_seconds"] == {"p50": 0.1, "p99": 0.2, "max": 0.24}
    assert told["refused_connections"] == 0
    assert told["connected"] == {"min": 1_932, "of": 2_000}
    assert told["messages"] == {"published": 9_000, "received": 9_000, "lost": 0, "duplicated": 0}
    assert told["limit_seconds"] == 5.0
    assert told["ratio"] == pytest.approx(told["moving_seconds"] / 5.0, abs=1e-3)
    assert told["cutover_seconds"] == pytest.approx(32.0)
    assert [(step["name"], step["clients"], step["mover"]) for step in told["steps"]] == [
        ("shift-10", 200, "kick"),
        ("shift-50", 800, "kick"),
        ("drain", 1_000, "evacuation"),
    ]


def test_without_the_fleet_its_part_is_unknown_and_not_zero() -> None:
    report = report_of(cutover())
    assert (report.disconnects, report.gap_seconds, report.refused_connections, report.messages) == (None,) * 4
    assert report.connected is not None
    assert report.connected.of == 2_000
    assert "connects refused" not in page(report)
    assert "connects refused" not in summary(report)


def test_the_same_events_give_the_same_bytes() -> None:
    assert page(report_of(cutover(), fleet=fleet())) == page(report_of(cutover(), fleet=fleet()))


def test_a_killed_run_and_the_one_that_went_on_are_one_cutover() -> None:
    whole = list(cutover("aaaa"))
    cut = next(index for index, one in enumerate(whole) if one["event"] == "move" and one["step"] == "shift-50") + 4
    again = list(cutover("bbbb", clients=1_600, began=BEGAN + 30))
    report = report_of([*whole[:cut], *again])
    assert report.runs == 2
    assert report.clients == 2_000
    assert report.began_at == BEGAN
    assert [step.name for step in report.steps] == ["shift-10", "shift-50", "drain"]
    assert report.steps[1].clients == 4 // 2 * 100 + 640
    assert report.outcome == "done"


def test_a_cutover_that_was_sent_back_is_not_counted_into_the_next_one() -> None:
    failed = [*list(cutover("aaaa"))[:30], {"t": BEGAN + 20, "run": "aaaa", "event": "sent-back", "clients": 7}]
    report = report_of([*failed, *cutover("bbbb", began=BEGAN + 60)])
    assert (report.runs, report.began_at) == (1, BEGAN + 60)


def test_a_run_can_be_asked_for_by_its_token() -> None:
    both = [*cutover("aaaa"), *cutover("bbbb", began=BEGAN + 99)]
    assert report_of(both).began_at == BEGAN + 99
    assert report_of(both, run="aaaa").began_at == BEGAN
    with pytest.raises(NoCutoverError, match="cccc"):
        report_of(both, run="cccc")


def test_a_run_that_ends_in_the_middle_says_so_and_keeps_what_it_did() -> None:
    whole = list(cutover())
    report = report_of(whole[:40])
    assert report.outcome == "interrupted"
    assert report.steps[-1].ended is None
    assert report.steps[-1].clients > 0
    error = {
        "t": BEGAN + 20,
        "run": "aaaa",
        "event": "error",
        "type": "GateFailed",
        "message": "gate x\nsecond line",
        "details": "Traceback",
    }
    told = report_of([*whole[:40], error])
    assert told.outcome == "failed"
    assert told.errors == ("GateFailed: gate x\nsecond line",)
    assert "Traceback" not in page(told)
    assert "second line" not in summary(told)


def test_the_report_is_bounded_whatever_the_journal_holds() -> None:
    run, *rest = cutover()
    many = [
        {"t": BEGAN + n / 10, "run": "aaaa", "event": "sample", "blue": 5 if n != 7_777 else 1, "green": 5, "share": 0}
        for n in range(20_000)
    ]
    gates = [{"t": BEGAN, "run": "aaaa", "event": "gate", "name": f"g{n}", "verdict": "fail"} for n in range(900)]
    report = report_of([run, *many, *gates])
    assert len(report.samples) <= MOST_SAMPLES
    assert any(one.blue == 1 for one in report.samples)  # the deepest point is kept
    assert len(page(report)) < 200_000
    assert rest


def test_gates_that_failed_name_step_value_threshold_and_node() -> None:
    events = list(cutover())
    gate = {"t": BEGAN + 13, "run": "aaaa", "event": "gate", "step": "shift-10", "name": "memory_used_fraction"}
    said = {"value": 0.95, "threshold": 0.9, "node": "emqx@127.0.2.1", "reason": "0.95 of the memory in use"}
    unknown = {"value": None, "threshold": 0.9, "node": "", "reason": "could not be listed"}
    report = report_of(
        [*events[:20], {**gate, "verdict": "fail", **said}, {**gate, "verdict": "unknown", **unknown}, *events[20:]]
    )
    (shown,) = report.gates
    assert (shown.failed, shown.unknown, shown.value, shown.node) == (1, 1, 0.95, "emqx@127.0.2.1")
    assert "emqx@127.0.2.1" in page(report)
    assert "memory_used_fraction failed in shift-10" in summary(report)


VALUES = st.none() | st.integers(-5, 5_000) | st.floats(-5, 5_000) | st.text(max_size=5) | st.booleans()
EVENTS = st.fixed_dictionaries(
    {
        "t": st.floats(BEGAN, BEGAN + 100),
        "run": st.sampled_from(["aaaa", "bbbb"]),
        "event": st.sampled_from(
            ["run", "link", "step", "sample", "move", "gate", "loss", "error", "end", "sent-back", "new"]
        ),
    },
    optional={
        "name": st.text(max_size=5),
        "step": st.sampled_from(["shift-10", "drain"]),
        "phase": st.sampled_from(["begin", "end"]),
        "verdict": st.sampled_from(["pass", "fail", "unknown"]),
        **dict.fromkeys(
            ["clients", "budget_per_second", "blue", "green", "share", "count", "value", "moving_seconds", "seconds"],
            VALUES,
        ),
    },
)


@settings(max_examples=400)
@given(st.lists(EVENTS, max_size=25))
def test_whatever_a_journal_holds_it_is_reported_or_holds_no_cutover(events: list[Event]) -> None:
    try:
        report = report_of(sorted(events, key=lambda one: one["t"]))
    except NoCutoverError:
        assert not any(one["event"] == "run" for one in events)
        return
    assert page(report).endswith("</html>\n")
    assert summary(report)


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


def test_gaps_and_levels_come_from_the_fleets_log() -> None:
    part = fleet()
    assert sum(one.count for one in part.gaps) == 2_000
    levels = part.levels_between(BEGAN, BEGAN + 32)
    assert levels[0].connected == 2_000
    assert min(level.connected for level in levels) < 2_000
    assert levels[-1].connected == 2_000


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
