"""The report: what the journal says and nothing else, bounded, whatever the journal holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.report.fleet import fleet_part
from components.report.html import page
from components.report.numbers import MOST_SAMPLES, NoCutoverError, report_of
from components.report.terminal import summary
from tests.unit.report_bed import BEGAN, SUMMARY, Event, cutover, fleet

pytestmark = pytest.mark.unit


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


def moved_by(*movers: tuple[str, int | None]) -> list[dict[str, Any]]:
    """The cutover with other movers; of each how many were told to go, where it says so."""
    told = iter(movers)
    events = [dict(event) for event in cutover()]
    for event in events:
        if event["event"] == "move":
            mover, count = next(told, movers[-1])
            event.update({"mover": mover} if count is None else {"mover": mover, "told": count})
    return events


def test_who_was_told_to_go_is_counted_and_unknown_where_a_mover_does_not_say() -> None:
    assert report_of(moved_by(("close", None))).told_to_go == 0
    some = report_of(moved_by(("close", None), ("kick", 3), ("kick", 4), ("close", None)))
    assert some.told_to_go == 7
    assert "; 7 MQTT 5 clients got a DISCONNECT" in summary(some)
    assert "MQTT 5 clients told to go" in page(some)
    for unknown in (("evacuation", None), ("kick", None)):
        assert report_of(moved_by(("close", None), unknown)).told_to_go is None
    assert "DISCONNECT" not in summary(report_of(moved_by(("close", None))))


def test_without_the_fleet_its_part_is_unknown_and_not_zero() -> None:
    report = report_of(cutover())
    assert (report.disconnects, report.gap_seconds, report.refused_connections, report.messages) == (None,) * 4
    assert report.connected is not None
    assert report.connected.of == 2_000
    assert "connects refused" not in page(report)
    assert "connects refused" not in summary(report)


def test_what_refused_devices_met_is_counted_by_its_name_and_shown() -> None:
    met = {"connack 0x89": 2, "FIN": 5}
    report = report_of(cutover(), fleet=fleet_part(SUMMARY | {"refused_connections": 7, "refused_by_reason": met}))
    assert report.model_dump(mode="json")["refused_by_reason"] == met
    assert "7 connects refused: FIN 5, connack 0x89 2" in summary(report)
    assert "connack 0x89" in page(report)


@pytest.mark.parametrize(("stayed_away", "told"), [(25, True), (0, False), (None, False)])
def test_devices_that_never_come_back_are_counted_though_no_disconnect_or_refusal_shows_it(
    stayed_away: int | None, *, told: bool
) -> None:
    report = report_of(cutover(), fleet=fleet_part(SUMMARY | {"stayed_away": stayed_away}))
    assert report.model_dump(mode="json")["stayed_away"] == stayed_away
    assert ("; 25 stayed away for good" in summary(report)) == told
    assert ("stayed away for good" in page(report)) == (stayed_away is not None)


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


def test_what_a_cut_off_step_moved_counts_also_when_the_next_run_found_nobody_left_in_it() -> None:
    whole = list(cutover("aaaa"))
    cut = next(index for index, one in enumerate(whole) if one["event"] == "move" and one["step"] == "shift-50") + 4
    again = [one for one in cutover("bbbb", began=BEGAN + 30) if one["event"] != "move"]
    again = [{**one, "clients": 0} if one["event"] == "step" and one["phase"] == "end" else one for one in again]
    report = report_of([*whole[:cut], *again])
    assert report.steps[1].clients == 4 // 2 * 100


def test_a_cutover_that_was_sent_back_is_not_counted_into_the_next_one() -> None:
    failed = [*list(cutover("aaaa"))[:30], {"t": BEGAN + 20, "run": "aaaa", "event": "sent-back", "clients": 7}]
    report = report_of([*failed, *cutover("bbbb", began=BEGAN + 60)])
    assert (report.runs, report.began_at) == (1, BEGAN + 60)


def test_a_cutover_whose_clients_are_back_says_where_they_are() -> None:
    back = {"t": BEGAN + 20, "run": "aaaa", "event": "sent-back", "to": "blue", "clients": 200}
    report = report_of([*list(cutover("aaaa"))[:30], {**ERROR, "run": "aaaa"}, back])
    assert summary(report).startswith("cutover: failed, all clients are back on blue, 200 of them were moved back")


def test_an_error_of_a_run_before_is_not_told_as_this_ones() -> None:
    cut = [*list(cutover("aaaa"))[:40], {**ERROR, "run": "aaaa"}]
    report = report_of([*cut, *cutover("bbbb", began=BEGAN + 60)])
    assert (report.outcome, report.errors) == ("done", ())
    assert report.earlier_errors == ("Stopped: interrupted",)
    assert "  error " not in summary(report)
    assert "Stopped: interrupted (a run before this one)" in summary(report)


def test_a_device_that_is_counted_on_both_colours_is_no_more_than_one() -> None:
    twice = {"t": BEGAN + 13, "run": "aaaa", "event": "sample", "blue": 1_900, "green": 158, "share": 1_000}
    connected = report_of([*list(cutover("aaaa"))[:40], twice]).connected
    assert connected is not None
    assert connected.of == 2_000
    assert connected.min <= connected.of


@pytest.mark.parametrize(("clients", "has_one"), [(24, False), (399, False), (400, True)])
def test_below_a_second_of_the_budgets_time_there_is_no_ratio(clients: int, has_one: bool) -> None:
    report = report_of(cutover(clients=clients, budget=400))
    assert report.limit_seconds == clients / 400
    assert (report.ratio is not None) is has_one
    assert ("ratio -" not in summary(report)) is has_one


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


ERROR = {"t": BEGAN + 19, "event": "error", "type": "Stopped", "message": "interrupted"}
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


def test_gaps_and_levels_come_from_the_fleets_log() -> None:
    part = fleet()
    assert sum(one.count for one in part.gaps) == 2_000
    levels = part.levels_between(BEGAN, BEGAN + 32)
    assert levels[0].connected == 2_000
    assert min(level.connected for level in levels) < 2_000
    assert levels[-1].connected == 2_000
