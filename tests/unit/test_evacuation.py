"""What an evacuation keeps: its order, its bursts, its counters that lag, and the end that never ends by itself."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.node.moving.evacuation import NO_RECIPIENT_SECONDS, Census, Parameters, Phase, begin, resume

pytestmark = pytest.mark.unit

QUICK = Parameters(wait_health_check=0, conn_evict_rate=2, wait_takeover=0, sess_evict_rate=2)


def test_clients_are_let_in_until_the_health_check_has_been_waited_for() -> None:
    state = begin(Parameters(wait_health_check=5), 100.0, Census(3, 3, ("b",)))
    assert not state.refuses_connects
    assert state.advance(104.9, Census(3, 3, ("b",))).phase is Phase.WAITING_HEALTH_CHECK
    assert state.advance(105.0, Census(3, 3, ("b",))).refuses_connects


def test_without_recipients_sessions_are_looked_at_again_only_every_thirty_seconds() -> None:
    state = begin(QUICK, 0.0, Census(0, 4))
    for _ in range(2):
        state = state.advance(state.due, Census(0, 4))
    assert state.phase is Phase.EVICTING_SESSIONS
    assert state.due == NO_RECIPIENT_SECONDS
    assert state.act.sessions == 0
    moved = state.advance(state.due, Census(0, 4, ("b",)))
    assert moved.act.sessions == 2


def test_prohibiting_stays_until_somebody_stops_it() -> None:
    state = begin(QUICK, 0.0, Census(0, 0))
    for _ in range(3):
        state = state.advance(0.0, Census(0, 0))
    assert state.phase is Phase.PROHIBITING
    assert state.due == math.inf
    assert state.advance(1e9, Census(5, 5)).phase is Phase.PROHIBITING


def test_a_restart_skips_the_health_check_counts_nothing_and_forgets_the_recipients() -> None:
    state = resume(Parameters(migrate_to=("b",), conn_evict_rate=7).remembered(), 50.0)
    assert state.phase is Phase.EVICTING_CONNS
    assert state.refuses_connects
    assert state.parameters.migrate_to is None
    assert state.parameters.conn_evict_rate == 7
    assert state.stats() == dict.fromkeys(
        ("current_sessions", "initial_sessions", "current_connected", "initial_connected"), 0
    )


def test_a_late_driver_does_not_slow_the_rate_down() -> None:
    state = begin(QUICK, 0.0, Census(6, 6, ("b",))).advance(0.0, Census(6, 6, ("b",)))
    assert state.due == 1.0
    assert state.advance(1.4, Census(4, 6, ("b",))).due == 2.0


@given(live=st.integers(0, 200), idle=st.integers(0, 50), rate=st.integers(1, 40), sessions=st.integers(1, 40))
def test_every_client_and_session_goes_exactly_once_and_no_burst_is_larger_than_its_rate(
    live: int, idle: int, rate: int, sessions: int
) -> None:
    parameters = Parameters(0, rate, 0, sessions)
    state = begin(parameters, 0.0, Census(live, live + idle, ("b",)))
    order, left, moved = [state.phase], live, 0
    while state.phase is not Phase.PROHIBITING:
        state = state.advance(state.due, Census(left, left + live - left + idle - moved, ("b",)))
        assert state.act.connections <= rate
        assert state.act.sessions <= sessions
        left -= state.act.connections
        moved += state.act.sessions
        order.append(state.phase)
    assert left == 0
    assert moved == live + idle
    assert order == sorted(order, key=list(Phase).index)
