"""The fleet's figures follow from what happened, in any order and in any number of processes."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lab.fleet.ledger import Counts, Ledger
from lab.fleet.settings import FleetError, FleetSettings
from lab.fleet.shown import account, table
from lab.fleet.tally import OfKind, Tally, lowest, merge, spread, summary

pytestmark = pytest.mark.unit

HERE = (("127.0.0.1", 1883),)


@given(st.lists(st.sampled_from(["arrives", "lost", "twice", "late"]), max_size=40), st.integers())
def test_every_message_is_counted_exactly_once(fates: list[str], seed: int) -> None:
    ledger, late = Ledger(), []
    for fate in fates:
        sequence = ledger.publish(now=100.0)
        for _ in range({"arrives": 1, "twice": 2}.get(fate, 0)):
            ledger.receive(sequence)
        if fate == "late":
            late.append(sequence)
    random.Random(seed).shuffle(late)
    for sequence in late:
        ledger.receive(sequence)
    counts, expected = ledger.counts(before=101.0), Counter(fates)
    assert counts.published == counts.expected == len(fates)
    assert counts.received + counts.lost == len(fates)
    assert (counts.lost, counts.duplicated) == (expected["lost"], expected["twice"])
    assert counts.out_of_order <= len(late)


def test_a_message_on_its_way_is_neither_lost_nor_expected() -> None:
    ledger = Ledger()
    ledger.publish(now=10.0)
    ledger.publish(now=20.0)
    assert ledger.counts(before=15.0) == Counts(published=2, received=0, expected=1, lost=1)
    ledger.receive(0)
    assert ledger.counts(before=15.0) == Counts(published=2, received=1, expected=1)


def test_order_is_by_the_highest_that_came() -> None:
    ledger = Ledger()
    for _ in range(3):
        ledger.publish(now=0.0)
    assert [ledger.receive(sequence) for sequence in (0, 2, 1, 1)] == ["first", "first", "late", "again"]


def test_the_lowest_number_counts_from_the_moment_when_all_are_ready() -> None:
    changes = [(1.0, -1), (2.0, +1), (5.0, -1), (5.1, -1), (6.0, +1), (7.0, +1)]
    assert lowest(changes, 10, since=3.0) == 8
    assert lowest(changes, 10, since=5.05) == 8
    assert lowest(changes, 10, since=6.5) == 9
    assert lowest(changes, 10, since=9.0) == 10
    assert lowest([], 10, since=0.0) == 10


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 2)), max_size=30))
def test_the_parts_together_are_the_whole(events: list[tuple[float, int]]) -> None:
    parts = [Tally(disconnects=[0], kinds={"plain": OfKind(devices=1)}) for _ in range(3)]
    for moment, part in events:
        parts[part].levels += [(moment, -1), (moment + 0.5, +1)]
        parts[part].kinds["plain"].gaps.append(0.5)
        parts[part].kinds["plain"].stayed_away["0x98"] += 1
        parts[part].reasons["0x98"] += 1
        parts[part].messages["1"].add(Counts(published=2, received=1, expected=2, lost=1))
    whole = summary(merge(Tally.from_json(json.loads(json.dumps(part.as_json()))) for part in parts), ready_at=0.0)
    assert whole["clients"] == whole["connected"]["of"] == 3
    assert whole["disconnects"]["by_reason"] == ({"0x98": len(events)} if events else {})
    assert whole["messages"]["lost_qos1"] == whole["messages"]["lost"] == len(events)
    assert whole["messages"]["lost_qos0"] == 0
    assert whole["stayed_away"] == len(events)
    mine = whole["kinds"]["plain"]
    assert mine["devices"] == 3
    assert mine["stayed_away_by_reason"] == ({"0x98": len(events)} if events else {})
    assert mine["gap_seconds"] == whole["gap_seconds"] == spread([0.5] * len(events))
    changes = sorted(level for part in parts for level in part.levels)
    running = [3 + sum(change for _, change in changes[: count + 1]) for count in range(len(changes))]
    assert whole["connected"]["min"] == min([3, *running])


def test_percentiles_are_values_that_occurred() -> None:
    values = [number / 100 for number in range(1, 101)]
    assert spread(values) == {"p50": 0.5, "p99": 0.99, "max": 1.0}
    assert spread([0.7]) == {"p50": 0.7, "p99": 0.7, "max": 0.7}
    assert spread([]) == {"p50": None, "p99": None, "max": None}


@given(st.integers(1, 500), st.integers(1, 9), st.floats(0, 1))
def test_parts_have_the_same_devices_as_the_whole(clients: int, processes: int, fraction: float) -> None:
    whole = FleetSettings(HERE, clients, persistent_fraction=fraction)
    processes = min(processes, clients)
    parts = [whole.part(number, processes) for number in range(processes)]
    assert [spec for part in parts for spec in part.specs()] == list(whole.specs())
    assert sum(part.connects_per_second for part in parts) == pytest.approx(whole.connects_per_second)


def test_a_plain_fleet_has_every_sort_of_device() -> None:
    specs = list(FleetSettings(HERE, 800, persistent_fraction=0.25).specs())
    kinds = Counter((spec.level, spec.qos, spec.persistent) for spec in specs)
    assert kinds == {
        (level, qos, persistent): 50 if persistent else 150
        for level in (4, 5)
        for qos in (0, 1)
        for persistent in (False, True)
    }
    assert len({spec.client_id for spec in specs}) == 800


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({"clients": 0}, "0 clients"),
        ({"addresses": ()}, "0 addresses"),
        ({"persistent_fraction": 1.1}, r"1\.1"),
        ({"connects_per_second": 0}, "0 connects"),
        ({"keep_alive_seconds": -1}, "below 0"),
        ({"clients": 28001}, "at most 28000"),
        ({"clients": 56001, "sources": ("127.0.0.1", "127.0.0.2")}, "at most 56000"),
    ],
)
def test_a_fleet_that_cannot_be_is_refused(values: dict[str, object], seen: str) -> None:
    settings: dict[str, Any] = {"addresses": HERE, "clients": 1, **values}
    with pytest.raises(FleetError, match=seen):
        FleetSettings(**settings)


def test_the_password_is_in_no_representation() -> None:
    assert "hunter2" not in repr(FleetSettings(HERE, 1, username="u", password="hunter2"))


@pytest.mark.parametrize(
    ("away", "stayed_away", "silent", "told"),
    [
        (0, 0, 0, "40 of 40 devices are connected"),
        (3, 2, 0, "37 of 40 devices are connected; 2 stay away for good; 1 have not come back yet"),
        (0, 0, 5, "40 of 40 devices are connected; 5 have no subscription any more and do not ask for one"),
    ],
)
def test_the_account_says_who_is_connected_and_who_is_not(away: int, stayed_away: int, silent: int, told: str) -> None:
    gone = Counter({"0x98": stayed_away} if stayed_away else {})
    kind = OfKind(devices=40, disconnected=40, away=away, silent=silent, gaps=[1.0], stayed_away=gone)
    fleet = summary(Tally(disconnects=[1] * 40, kinds={"libmosquitto-old": kind}), ready_at=0.0)
    assert account(fleet) == told
    console = Console(width=120, file=io.StringIO())
    console.print(table(fleet))
    written = console.file.getvalue()  # type: ignore[attr-defined]  # the file is ours
    assert f" {40 - away} " in written
    assert (f"{stayed_away} (0x98)" in written) == bool(stayed_away)
