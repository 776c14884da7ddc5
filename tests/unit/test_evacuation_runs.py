"""The state machine goes through the recorded runs change by change, on a clock of the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from lab.node.api import check
from lab.node.moving.evacuation import Census, Parameters, Phase, begin
from tests.lab.recordings.runs import RUNS, recorded

pytestmark = pytest.mark.unit

POLL_SECONDS = 0.35
"""How much later than it happened the recording may have seen a change (it polled four times a second)."""


def _parameters(name: str) -> Parameters:
    body = RUNS[name].body
    fields: dict[str, Any] = {
        key: check.duration_seconds(value, key) if key.startswith("wait_") else value for key, value in body.items()
    }
    return Parameters(**fields)


def _simulate(name: str, seconds: float) -> list[tuple[float, str, int, int]]:
    run = RUNS[name]
    live, idle, clean = run.persistent + run.clean, run.idle, run.clean
    now, taken = 0.0, False
    state = begin(_parameters(name), now, Census(live, live + idle, run.recipients))
    seen: list[tuple[float, str, int, int]] = []
    while now <= seconds:
        while now >= state.due:
            state = state.advance(now, Census(live, live + idle, run.recipients))
            gone = min(state.act.connections, clean)
            live -= state.act.connections
            clean -= gone
            idle += state.act.connections - gone - state.act.sessions
            if state.phase is Phase.WAITING_TAKEOVER and not taken:
                taken, idle = True, idle - run.taken
        stats = state.stats()
        entry = (str(state.phase), stats["current_connected"], stats["current_sessions"])
        if not seen or seen[-1][1:] != entry:
            seen.append((now, *entry))
        now = round(now + 0.01, 2)
    return seen


@pytest.mark.parametrize("name", RUNS)
def test_changes_come_in_the_recorded_order_and_at_the_recorded_seconds(name: str) -> None:
    expected = recorded(name)
    mine = _simulate(name, expected[-1][0] + 0.2)
    states = [one[1] for one in mine]
    # A poll may miss a state that lasts less than its interval; what it saw must come in this order.
    wanted = [one[1:] for one in expected]
    found = [one[1:] for one in mine if one[1:] in wanted]
    assert found == wanted, f"states {states}"
    at = {one[1:]: one[0] for one in reversed(mine)}
    for seconds, state, connected, sessions in expected:
        # The second poll of a run may be the first that saw it.
        mine_at = at[state, connected, sessions]
        assert -0.1 <= seconds - mine_at <= POLL_SECONDS, (state, connected, sessions, seconds, mine_at)
