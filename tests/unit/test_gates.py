"""Each gate: hit, just missed, unknown for a moment, unknown for too long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.gates import (
    Facts,
    NodeFacts,
    Thresholds,
    failure_rate,
    judge,
    names,
    remember,
)
from tests.unit.gates_bed import FINE, GIB, OFF, connects, one, only, verdicts

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("refused", "says"), [(15, "pass"), (16, "fail")])
def test_connect_failures_are_judged_above_the_old_colours_own_rate(refused: int, says: str) -> None:
    gate = only("connect_failure_rate_above_baseline", 0.05)
    assert one(gate, connects((0, 500, 7), (5, 600, 7 + refused)), baseline=0.10).verdict == says


@pytest.mark.parametrize(("sent", "says"), [(9, "pass"), (10, "fail")])
def test_too_few_connects_are_not_judged(sent: int, says: str) -> None:
    gate = only("connect_failure_rate_above_baseline", 0.05)
    assert one(gate, connects((0, 0, 0), (5, sent, sent))).verdict == says


def test_counters_that_start_again_are_left_out_and_are_no_failure() -> None:
    gate = only("connect_failure_rate_above_baseline", 0.05)
    seen = connects((0, 1_000, 0), (1, 1_100, 2), (2, 4, 4), (3, 24, 4))
    assert one(gate, seen) == (
        "connect_failure_rate_above_baseline",
        "pass",
        2 / 120,
        0.05,
        "",
        "2 of 120 connects refused, 0.0% were before",
    )


def test_old_connects_leave_the_window() -> None:
    gate = only("connect_failure_rate_above_baseline", 0.05, window_seconds=10)
    seen = connects((0, 0, 0), (1, 100, 100), (30, 120, 100), (31, 140, 100))
    assert one(gate, seen).verdict == "pass"


def test_the_baseline_of_too_few_connects_is_not_known() -> None:
    assert failure_rate(100, 10, 50) == pytest.approx(0.1)
    assert failure_rate(49, 10, 50) is None
    gate = only("connect_failure_rate_above_baseline", 0.05)
    assert one(gate, connects((0, 0, 0), (5, 100, 6)), baseline=None).verdict == "fail"


@pytest.mark.parametrize(
    ("gate", "limit", "field", "good", "bad"),
    [
        ("connect_latency_p99_milliseconds", 250.0, "connect_latency_p99_milliseconds", 250.0, 250.1),
        ("memory_used_fraction", 0.5, "nodes", {"a": FINE, "b": NodeFacts(memory_used=2 * GIB, memory_total=4 * GIB)},
         {"a": FINE, "b": NodeFacts(memory_used=int(2.01 * GIB), memory_total=4 * GIB)}),
        ("load1", 1.5, "nodes", {"a": NodeFacts(load1=1.5)}, {"a": NodeFacts(load1=1.51)}),
    ],
)  # fmt: skip
def test_a_measured_value_fails_above_its_threshold_and_not_at_it(
    gate: str, limit: float, field: str, good: Any, bad: Any
) -> None:
    assert {verdict.verdict for verdict in verdicts(only(gate, limit), [Facts(at=0, **{field: good})])} == {"pass"}
    failed = [
        verdict for verdict in verdicts(only(gate, limit), [Facts(at=0, **{field: bad})]) if verdict.verdict == "fail"
    ]
    assert len(failed) == 1
    assert failed[0].value is not None
    assert failed[0].value > failed[0].threshold == limit


def test_the_verdict_names_the_node() -> None:
    facts = Facts(at=0, nodes={"a": FINE, "b": NodeFacts(memory_used=int(3.9 * GIB), memory_total=4 * GIB)})
    said = verdicts(only("memory_used_fraction", 0.9), [facts])
    assert [(verdict.node, verdict.verdict) for verdict in said] == [("a", "pass"), ("b", "fail")]


@pytest.mark.parametrize(("sessions", "says"), [(23, "pass"), (24, "fail")])
def test_the_licence_must_keep_its_headroom(sessions: int, says: str) -> None:
    gate = only("license_headroom_fraction", 0.08)
    assert one(gate, [Facts(at=0, license_sessions=sessions, license_limit=25)]).verdict == says


def test_an_edition_without_a_licence_passes() -> None:
    assert one(only("license_headroom_fraction", 0.5), [Facts(at=0, license_limit=0)]).verdict == "pass"


def nodes(at: float, *running: str) -> Facts:
    return Facts(at=at, nodes_expected=("a", "b"), nodes=dict.fromkeys(running, FINE))


@pytest.mark.parametrize(("until", "says"), [(9.9, "unknown"), (10.0, "fail")])
def test_a_node_is_lost_when_it_stays_away_and_not_while_another_joins(until: float, says: str) -> None:
    gate = only("nodes_lost", 0, settle_seconds=10)
    verdict = one(gate, [nodes(-1, "a", "b"), nodes(0, "a"), Facts(at=3, nodes_expected=("a", "b")), nodes(until, "a")])
    assert (verdict.verdict, verdict.node) == (says, "b")
    assert one(gate, [nodes(0, "a"), nodes(until, "a", "b")]).verdict == "pass"


def test_as_many_nodes_as_allowed_may_be_lost() -> None:
    assert one(only("nodes_lost", 1), [nodes(0, "a"), nodes(60, "a")]).verdict == "pass"


def share(at: float, measured: float | None, *, moving: bool = False) -> Facts:
    return Facts(at=at, share_wanted_percent=50, share_measured_percent=measured, moving=moving)


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([share(0, 45), share(20, 45)], "pass"),
        ([share(0, 44.9), share(9, 44.9)], "unknown"),
        ([share(0, 44.9), share(10, 44.9)], "fail"),
        ([share(0, 44.9), share(5, 50), share(10, 44.9)], "unknown"),
        ([share(0, 10, moving=True), share(60, 10, moving=True)], "pass"),
        ([share(0, 10, moving=True), share(60, 10)], "unknown"),
    ],
)
def test_a_share_that_stays_wrong_after_the_move_fails(seen: list[Facts], says: str) -> None:
    assert one(only("share_deviation_percent", 5, settle_seconds=10), seen).verdict == says


@pytest.mark.parametrize(("until", "says"), [(59, "unknown"), (60, "fail")])
def test_what_is_measured_and_wrong_has_its_own_bound_and_not_that_of_missing_facts(until: int, says: str) -> None:
    for gate, seen in {
        "share_deviation_percent": [share(at, 30) for at in range(until + 1)],
        "nodes_lost": [nodes(at, "a") for at in range(until + 1)],
    }.items():
        assert (
            one(only(gate, 0.5 if gate != "nodes_lost" else 0, settle_seconds=60, unknown_seconds=20), seen)[1] == says
        )


def moving(at: float, moved: int | None, to_move: int = 100) -> Facts:
    return Facts(at=at, moving=True, moved=moved, to_move=to_move)


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([moving(0, 7), moving(30, 7)], "pass"),
        ([moving(0, 7), moving(30.1, 7)], "fail"),
        ([moving(0, 7), moving(15, 8), moving(30.1, 8)], "pass"),
        ([moving(0, 100), moving(90, 100)], "pass"),
        ([moving(0, 7), Facts(at=90)], "pass"),
        ([Facts(at=0, moved=0), moving(60, 0), moving(90, 0)], "pass"),
        # Node evacuation waits for the health check: nobody may leave yet.
        ([moving(0, 0, 0), moving(60, 0, 0), moving(90, 0), moving(120, 0)], "pass"),
        ([moving(0, 0, 0), moving(60, 0, 0), moving(90, 0), moving(120.1, 0)], "fail"),
        ([moving(0, 3, 3), moving(60, 3, 3)], "pass"),
    ],
)
def test_no_client_moved_for_too_long_is_a_stall(seen: list[Facts], says: str) -> None:
    assert one(only("stall_seconds", 30), seen).verdict == says


def test_an_old_colour_that_does_not_answer_is_no_stall_of_the_new_one() -> None:
    silent = [Facts(at=at, moving=True, moved=7, to_move=100, source_silent=True) for at in (1, 40, 80)]
    gate = only("stall_seconds", 30)
    assert one(gate, [moving(0, 7), *silent]).verdict == "pass"
    assert one(gate, [moving(0, 7), *silent, moving(81, 7), moving(111, 7)]).verdict == "pass"
    assert one(gate, [moving(0, 7), *silent, moving(81, 7), moving(111.1, 7)]).verdict == "fail"


def test_an_old_colour_that_does_not_answer_never_fails_the_share() -> None:
    gate = only("share_deviation_percent", 5, settle_seconds=10, unknown_seconds=20)
    silent = [Facts(at=at, nodes={"a": FINE}, share_wanted_percent=50, source_silent=True) for at in range(1, 100)]
    assert one(gate, [share(0, 50), *silent]).verdict == "pass"
    # Back again and wrong: from now on it counts.
    assert one(gate, [share(0, 50), *silent, share(100, 30)]).verdict == "unknown"
    assert one(gate, [share(0, 50), *silent, share(100, 30), share(110, 30)]).verdict == "fail"
    uncounted = [Facts(at=at, nodes={"a": FINE}, share_measured_percent=50) for at in (0, 60)]
    assert one(gate, uncounted).verdict == "pass"


def away(at: float, moved: int, gone: int | None, *, moving: bool = False) -> Facts:
    return Facts(at=at, moved=moved, to_move=1_000, clients_away=gone, moving=moving)


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([away(0, 0, 0), away(119, 100, 100)], "pass"),
        ([away(0, 100, 100), away(119, 100, 100)], "pass"),
        ([away(0, 100, 100), away(120, 100, 10)], "pass"),
        ([away(0, 100, 100), away(120, 100, 11)], "fail"),
        # While others are moved: all those who are away may be of the last two minutes.
        ([away(0, 100, 90, moving=True), away(120, 1_000, 910, moving=True)], "pass"),
        ([away(0, 100, 90, moving=True), away(120, 1_000, 911, moving=True)], "fail"),
        # Of a canary of a few, a single one may stay away.
        ([away(0, 3, 3), away(120, 3, 1)], "pass"),
        ([away(0, 3, 3), away(120, 3, 2)], "fail"),
        ([away(0, 100, 100), away(120, 100, None)], "unknown"),
    ],
)
def test_moved_clients_that_stay_away_for_long_fail_and_those_who_back_off_do_not(seen: list[Facts], says: str) -> None:
    gate = only("clients_away_fraction", 0.1, clients_away_seconds=120)
    assert one(gate, seen).verdict == says


@pytest.mark.parametrize(
    ("gate", "known"),
    [
        ("connect_failure_rate_above_baseline", {"connack_sent": 1, "connack_error": 0}),
        ("connect_latency_p99_milliseconds", {"connect_latency_p99_milliseconds": 1.0}),
        ("nodes_lost", {"nodes": {}}),
        ("memory_used_fraction", {"nodes": {"a": FINE}}),
        ("load1", {"nodes": {"a": FINE}}),
        ("license_headroom_fraction", {"license_sessions": 1, "license_limit": 25}),
        ("share_deviation_percent", {"share_wanted_percent": 10.0, "share_measured_percent": 10.0}),
        ("stall_seconds", {"moving": True, "moved": 1, "to_move": 2}),
    ],
)
def test_a_fact_that_is_missing_is_neither_good_nor_bad_until_its_own_bound(gate: str, known: dict[str, Any]) -> None:
    thresholds = only(gate, 1 if gate == "nodes_lost" else 0.9, unknown_seconds=20)
    missing = {"moving": True} if gate == "stall_seconds" else {}
    for last, says in ((30.0, "unknown"), (30.1, "fail")):
        seen = [Facts(at=9.0, **known), Facts(at=10.0, **missing), Facts(at=11.0, **missing), Facts(at=last, **missing)]
        assert one(thresholds, seen).verdict == says
    back = [Facts(at=10.0, **missing), Facts(at=29.0, **known), Facts(at=31.0, **missing)]
    assert one(thresholds, back).verdict == "unknown"


def test_a_gate_that_is_off_says_nothing() -> None:
    assert verdicts(Thresholds(**OFF), [Facts(at=0)]) == []
    assert "load1" not in names(Thresholds())


@given(st.lists(st.tuples(st.floats(0.1, 5), st.none() | st.integers(0, 50)), min_size=1, max_size=120))
def test_the_history_is_bounded_and_forgetting_changes_no_verdict(steps: list[tuple[float, int | None]]) -> None:
    thresholds = Thresholds(
        stall_seconds=8, unknown_seconds=6, settle_seconds=3, window_seconds=10, clients_away_seconds=9
    )
    at = 0.0
    kept: tuple[Facts, ...] = ()
    everything: tuple[Facts, ...] = ()
    for pause, count in steps:
        at += pause
        facts = Facts(
            at=at, moving=True, moved=count, to_move=50, connack_sent=count, connack_error=count, clients_away=7
        )
        said = [verdict.verdict for verdict in judge(thresholds, None, facts, kept)]
        assert said == [verdict.verdict for verdict in judge(thresholds, None, facts, everything)]
        kept, everything = remember(thresholds, kept, facts), (*everything, facts)
        assert sum(old.at <= at - 10 for old in kept) <= 1
