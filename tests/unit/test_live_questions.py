"""The questions that live clusters are asked: few, decisive, and none that could reach a device."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.permissions.before import Before, Row
from components.migration.permissions.client import Access, Action, Client
from components.migration.permissions.live import chosen

pytestmark = pytest.mark.unit

WORDS = st.sampled_from(["a", "b", "+", "x1"])
TOPICS = st.lists(WORDS, min_size=1, max_size=3).map("/".join)
ROWS = st.lists(
    st.builds(
        Row,
        kind=st.just("username"),
        value=st.sampled_from(["ann", "bob"]),
        topic=TOPICS,
        action=st.sampled_from(["pub", "sub"]),
        access=st.sampled_from(["allow", "deny"]),
        created_at=st.integers(0, 9),
    ),
    max_size=8,
)


def before(rows: list[Row]) -> Before:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.kind, row.value), []).append(row)
    return Before(rows=found)


@given(ROWS, st.integers(1, 20))
def test_a_publish_is_only_asked_for_where_it_is_denied_and_there_are_never_more_than_wanted(
    rows: list[Row], most: int
) -> None:
    old, clients = before(rows), [Client("c-0", "ann"), Client("c-1", "bob")]
    asked = chosen(old, clients, most)
    assert len(asked) <= most
    for one in asked:
        access, is_known = old.ask(clients[one.client], Action(one.action), one.topic)
        assert is_known
        assert one.expected == (access is Access.ALLOW)
        if one.action == "publish":
            assert not one.expected
            assert not {"+", "#"} & set(one.topic.split("/"))


def test_each_rule_decides_one_of_them() -> None:
    rows = [Row("username", "ann", f"own/{number}", "sub", "deny", number) for number in range(5)]
    asked = {one.topic for one in chosen(before(rows), [Client("c", "ann")])}
    assert asked == {row.topic for row in rows}


def test_clients_are_asked_in_turn_so_that_none_is_left_out() -> None:
    rows = [Row("username", who, f"t/{number}", "sub", "deny", number) for who in ("ann", "bob") for number in range(9)]
    asked = chosen(before(rows), [Client("c-0", "ann"), Client("c-1", "bob")], 4)
    assert [one.client for one in asked] == [0, 1, 0, 1]
