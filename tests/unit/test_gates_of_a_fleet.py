"""Gates that look at who is where: small fleets, moved clients that stay away, messages that nobody wanted."""

from __future__ import annotations

import pytest

from components.cutover.gates import Facts
from tests.unit.gates_bed import one, only

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("clients", "away", "says"), [(4, 2, "pass"), (99, 2, "pass"), (30, 3, "fail"), (1_000, 60, "fail")]
)
def test_a_client_or_two_are_no_deviation_of_a_small_fleet(clients: int, away: int, says: str) -> None:
    gate = only("share_deviation_percent", 5.0, settle_seconds=1)
    measured = {"share_wanted_percent": 75.0, "share_measured_percent": 75.0 - 100 * away / clients}
    assert one(gate, [Facts(at=at, clients=clients, **measured) for at in (0.0, 2.0)]).verdict == says


def test_a_deviation_says_how_many_moved_clients_have_not_come_back() -> None:
    gate = only("share_deviation_percent", 5.0, settle_seconds=1)
    facts = {"clients": 400, "clients_away": 200, "moved": 300}
    seen = [Facts(at=at, share_wanted_percent=75.0, share_measured_percent=60.0, **facts) for at in (0.0, 2.0)]
    assert (found := one(gate, seen)).verdict == "fail"
    assert "200 of the 300 clients that were moved have not come back" in found.reason


@pytest.mark.parametrize(("dropped", "says"), [(3, "pass"), (4, "fail"), (None, "unknown")])
def test_messages_without_a_subscriber_may_be_bounded(dropped: int | None, says: str) -> None:
    found = one(only("dropped_messages", 3), [Facts(at=1, messages_dropped=dropped)])
    assert (found.gate, found.verdict) == ("dropped_messages", says)


def test_an_old_colour_that_does_not_answer_hides_no_messages_of_the_new_one() -> None:
    assert one(only("dropped_messages", 3), [Facts(at=1, source_silent=True)]).verdict == "pass"
