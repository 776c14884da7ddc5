"""Who was moved when: every one of them is found again, and nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.run.moved import Departures

pytestmark = pytest.mark.unit

IDS = st.lists(st.text(min_size=1, max_size=6), unique=True, max_size=40).map(sorted)


@given(st.lists(st.tuples(IDS, st.integers(1, 7)), max_size=3), st.text(min_size=1, max_size=6))
def test_whoever_left_is_known_and_since_when_and_nobody_else_is(
    rounds: list[tuple[list[str], int]], other: str
) -> None:
    departures, when, clock = Departures(), dict[str, float](), 0.0
    for ids, batch in rounds:
        departures.leave(ids)
        for done in range(0, len(ids), batch):
            clock += 60.0
            departures.left(min(done + batch, len(ids)), clock)
            when |= dict.fromkeys(ids[done : done + batch], clock)
    assert set(departures) == when.keys()
    assert all(one in departures for one in when)
    assert (other in departures) == (other in when)
    for one, moment in when.items():
        assert departures.told(one).endswith(
            f"(MQTT 3, since {int(moment // 3600):02}:{int(moment // 60) % 60:02}:00Z)"
        )


def test_who_was_about_to_leave_when_it_was_cut_off_has_not_left() -> None:
    departures = Departures()
    departures.leave(["a", "b", "c"])
    departures.speaks_mqtt5("a")
    departures.left(1, 0.0)
    assert list(departures) == ["a"]
    assert "b" not in departures
    assert departures.told("a") == "a (MQTT 5, since 00:00:00Z)"
