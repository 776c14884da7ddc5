"""Topics: the index, the retained table and `covers` agree with the plain definition of matching."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.node.kept.message import Message
from lab.node.kept.retained import RetainedTable
from lab.node.kept.topics import FilterIndex, covers, matches, split_share, valid_filter, valid_topic

pytestmark = pytest.mark.unit

names = st.sampled_from(["a", "b", "", "$SYS", "$x"])
topics = st.lists(names, min_size=1, max_size=4).map("/".join).filter(bool)


@st.composite
def filters(draw: st.DrawFn) -> str:
    levels = draw(st.lists(st.sampled_from(["a", "b", "", "$SYS", "$x", "+"]), min_size=1, max_size=4))
    if draw(st.booleans()):
        levels.append("#")
    return "/".join(levels) or "+"


@pytest.mark.parametrize(
    ("topic", "topic_filter", "wanted"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/+", True),
        ("a/b", "+", False),
        ("a", "a/#", True),
        ("a/b/c", "a/#", True),
        ("b", "a/#", False),
        ("/a", "+/+", True),
        ("/a", "+", False),
        ("$SYS/x", "#", False),
        ("$SYS/x", "+/x", False),
        ("$SYS/x", "$SYS/#", True),
        ("a/$b", "a/+", True),
    ],
)
def test_matching_is_that_of_the_standard(topic: str, topic_filter: str, wanted: bool) -> None:
    assert matches(topic, topic_filter) is wanted


@given(topics, st.lists(filters(), max_size=12, unique=True), st.data())
def test_the_index_finds_exactly_the_filters_that_match(topic: str, wanted: list[str], data: st.DataObject) -> None:
    index: FilterIndex[str] = FilterIndex()
    for one in wanted:
        index.put(one, one)
    gone = data.draw(st.lists(st.sampled_from(wanted), unique=True)) if wanted else []
    for one in gone:
        index.discard(one)
    left = [one for one in wanted if one not in gone]
    assert sorted(index.match(topic)) == sorted(one for one in left if matches(topic, one))
    assert sorted(key for key, _ in index) == sorted(left)
    assert all(index.get(one) == (one if one in left else None) for one in wanted)


@given(st.lists(topics, max_size=12, unique=True), filters(), st.data())
def test_the_retained_table_selects_exactly_what_matches(stored: list[str], wanted: str, data: st.DataObject) -> None:
    table = RetainedTable()
    for topic in stored:
        table[topic] = Message(topic, b"x")
    gone = data.draw(st.lists(st.sampled_from(stored), unique=True)) if stored else []
    for topic in gone:
        del table[topic]
    found = sorted(message.topic for message in table.select(wanted, 0.0))
    assert found == sorted(topic for topic in stored if topic not in gone and matches(topic, wanted))


def test_an_expired_retained_message_is_not_selected_and_can_be_dropped() -> None:
    table = RetainedTable()
    table["a"] = Message("a", b"x", at=100.0, properties={0x02: 10})
    assert [one.topic for one in table.select("#", 109.0)] == ["a"]
    assert list(table.select("#", 110.0)) == []
    assert table.drop_expired(110.0) == 1
    assert len(table) == 0


@given(filters(), filters(), topics)
def test_a_filter_that_covers_another_matches_all_its_topics(narrow: str, wide: str, topic: str) -> None:
    if covers(narrow, wide) and matches(topic, narrow):
        assert matches(topic, wide)


def test_shared_filters_are_split_and_checked() -> None:
    assert split_share("$share/g/a/b") == ("g", "a/b")
    assert split_share("$queue/a") == ("$queue", "a")
    assert split_share("a/b") == (None, "a/b")
    assert valid_filter("$share/g/a/#")
    assert not valid_filter("$share/g")
    assert not valid_filter("$share/+/a")
    assert not valid_filter("$share//a")


@pytest.mark.parametrize("bad", ["", "a/#/b", "a#", "a+/b", "#/a"])
def test_a_wildcard_stands_alone_and_at_its_place(bad: str) -> None:
    assert not valid_filter(bad)


def test_a_topic_to_publish_to_has_no_wildcard() -> None:
    assert valid_topic("a/b")
    assert not valid_topic("a/+")
    assert not valid_topic("")
    assert not valid_topic("/".join("a" * 200))
