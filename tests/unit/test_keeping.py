"""Journal and archives survive the machine of a run: the next one fetches what was left, and one report tells of both."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.report.files import write_report
from components.run import keeping
from components.run.journal import Journal
from components.run.keeping import ARCHIVES, JOURNAL, Places, fetch, journal_lines, keep, kept, merged, problem
from tests.unit.settings_bed import config, read, refusal

pytestmark = pytest.mark.unit

PATIENCE_SECONDS = 60.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes long to load a store's package."""
    monkeypatch.setattr(keeping, "SECONDS", PATIENCE_SECONDS)


def warned(_: str) -> None:
    raise AssertionError(_)


def run(work: Path, token: str, at: float, *events: dict[str, Any]) -> None:
    journal = Journal(work / JOURNAL, token, lambda: at)
    journal.record("run", to="green", direction="forward", clients=10, budget_per_second=5)
    for event in events:
        journal.record(**event)


def test_a_cutover_that_two_machines_made_has_one_report(tmp_path: Path) -> None:
    places = Places(journal=f"file://{tmp_path}/store/dev")
    one, two = tmp_path / "one", tmp_path / "two"
    run(one, "a", 100.0, {"event": "error", "type": "Stopped", "message": "the engine is gone"})
    asyncio.run(keep(places, one, warned))
    asyncio.run(fetch(places, two, warned))
    run(two, "b", 200.0, {"event": "end", "outcome": "done", "to": "green"})
    asyncio.run(keep(places, two, warned))
    report, _ = write_report(two / JOURNAL, two / "report")
    assert (report.runs, report.outcome) == (2, "done")
    assert report.earlier_errors
    asyncio.run(fetch(places, one, warned))
    assert (one / JOURNAL).read_text() == (two / JOURNAL).read_text()
    assert (one / JOURNAL).stat().st_mode & 0o077 == 0


def test_archives_go_only_where_a_place_is_named_for_them(tmp_path: Path) -> None:
    work, other, store = tmp_path / "work", tmp_path / "other", tmp_path / "store"
    (work / ARCHIVES).mkdir(parents=True)
    (work / ARCHIVES / "a.tar.gz").write_bytes(b"planted")
    (work / ARCHIVES / "archives.json").write_text("[1]")
    run(work, "a", 1.0)
    asyncio.run(keep(Places(journal=f"file://{store}"), work, warned))
    assert not (store / ARCHIVES).exists()
    places = Places(archives=f"file://{store}")
    asyncio.run(keep(places, work, warned))
    (work / ARCHIVES / "archives.json").write_text("[1, 2]")
    asyncio.run(keep(places, work, warned))
    asyncio.run(fetch(places, other, warned))
    assert (other / ARCHIVES / "a.tar.gz").read_bytes() == b"planted"
    assert (other / ARCHIVES / "archives.json").read_text() == "[1, 2]"
    assert (other / ARCHIVES / "a.tar.gz").stat().st_mode & 0o077 == 0
    assert not (other / JOURNAL).exists()


def test_a_place_that_does_not_take_it_is_told_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "work", "a", 1.0)
    (tmp_path / "file").write_text("in the way")
    told: list[str] = []
    asyncio.run(keep(Places(journal=f"file://{tmp_path}/file/below"), tmp_path / "work", told.append))
    assert len(told) == 1
    assert "could not be copied: " in told[0]
    assert told[0].endswith("; the update goes on")


def test_a_place_that_hangs_keeps_nobody_longer_than_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go, told = threading.Event(), list[str]()
    monkeypatch.setattr(keeping, "SECONDS", 0.05)
    monkeypatch.setattr(keeping, "fetched", lambda *_: let_go.wait())
    try:
        asyncio.run(fetch(Places(journal="memory://x"), tmp_path, told.append))
        assert not let_go.is_set(), "it hangs still, and the loop has ended"
    finally:
        let_go.set()
    assert told == ["journal and archives could not be fetched: no answer in 0.05 s; the update goes on"]


def test_a_copy_at_a_file_place_is_whole_or_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, work = tmp_path / "store", tmp_path / "work"
    run(work, "a", 1.0)
    kept(Places(journal=f"file://{place}"), work)
    before = (place / JOURNAL).read_text()
    run(work, "a", 2.0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        kept(Places(journal=f"file://{place}"), work)
    assert (place / JOURNAL).read_text() == before
    assert [one.name for one in place.iterdir()] == [JOURNAL]


def test_who_only_looks_sees_both_journals_and_writes_neither(tmp_path: Path) -> None:
    here, there, places = tmp_path / "here", tmp_path / "there", Places(journal=f"file://{tmp_path}/store")
    run(there, "a", 1.0)
    kept(places, there)
    run(here, "b", 2.0)
    (mine,) = (here / JOURNAL).read_text().splitlines()
    theirs, also = journal_lines(places, here, PATIENCE_SECONDS)
    assert ('"run": "a"' in theirs, also) == (True, mine)
    assert (here / JOURNAL).read_text().splitlines() == [mine]
    assert journal_lines(Places(journal="memory://nothing/there"), here, PATIENCE_SECONDS) == [mine]
    assert journal_lines(Places(), tmp_path / "nowhere", PATIENCE_SECONDS) == []


def test_any_store_of_fsspec_will_do(tmp_path: Path) -> None:
    run(tmp_path / "work", "a", 1.0)
    places = Places(journal="memory://journals/dev")
    kept(places, tmp_path / "work")
    asyncio.run(fetch(places, tmp_path / "new", warned))
    assert (tmp_path / "new" / JOURNAL).read_text() == (tmp_path / "work" / JOURNAL).read_text()


LINES = st.lists(
    st.builds(lambda at, name: json.dumps({"t": at, "event": name}), st.integers(0, 50), st.sampled_from("abc"))
)


@given(LINES, LINES)
def test_two_journals_become_one_in_the_order_of_time_with_each_line_once(theirs: list[str], mine: list[str]) -> None:
    both = merged([*theirs, '{"t": 3, "torn'], [*mine, "null", ""])
    assert set(both) == {*theirs, *mine}
    assert len(both) == len(set(both))
    assert [json.loads(line)["t"] for line in both] == sorted(json.loads(line)["t"] for line in both)
    assert merged(both, mine) == both


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftq://bucket/x", "emqx:journal: ftq://bucket/x; allowed: a URL of file, s3, gs or az"),
        ("bucket/x", "emqx:journal"),
        ("gs://bucket/x", "emqx:journal: gs://bucket/x; allowed: a URL that can be opened here"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused_before_anything_is_touched(
    url: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: str) -> None:
        raise ImportError("Please install gcsfs to access Google Storage")

    if url.startswith("gs://"):
        monkeypatch.setattr("fsspec.get_filesystem_class", missing)
    assert any(said in line for line in refusal(config(journal=url)))


def test_a_file_and_no_place_at_all_are_right(tmp_path: Path) -> None:
    assert problem("") is None
    assert read(config(journal=f"file://{tmp_path}/x")).journal.endswith("/x")
    assert read(config()).journal == ""
