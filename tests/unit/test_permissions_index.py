"""The index of filters answers as one filter after the other would, and a cluster of many rules is proved in seconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.permissions.before import BUILT_IN, Before, Row
from components.migration.permissions.client import Access, Action, Client
from components.migration.permissions.index import Filters
from components.migration.permissions.topics import matches
from tests.unit.hop_42_43_bed import PATIENT

pytestmark = pytest.mark.unit

WORDS = st.lists(st.sampled_from(["a", "b", "+", "#", "$x", ""]), min_size=1, max_size=4).map(tuple)


@PATIENT
@given(st.lists(st.one_of(st.none(), WORDS), max_size=8), WORDS, st.booleans())
def test_the_first_that_matches_is_that_of_asking_one_after_the_other(
    filters: list[tuple[str, ...] | None], topic: tuple[str, ...], loose: bool
) -> None:
    index = Filters(filters)
    wanted = [at for at, one in enumerate(filters) if one is not None and matches(topic, one, loose=loose)]
    assert index.first(topic, loose=loose) == (wanted[0] if wanted else None)
    assert index.others == [at for at, one in enumerate(filters) if one is None]


TOPICS = st.lists(st.sampled_from(["a", "%c", "%u", "+", "c-%c"]), min_size=1, max_size=3).map("/".join)


@PATIENT
@given(st.lists(st.tuples(TOPICS, st.sampled_from(["allow", "deny"])), max_size=8), TOPICS, st.booleans())
def test_a_rule_with_a_name_to_be_put_in_keeps_its_place_among_the_others(
    rules: list[tuple[str, str]], topic: str, literal: bool
) -> None:
    client = Client("a", "b/c")
    rows = [Row("all", "", pattern, "pub", access, 0) for pattern, access in rules]
    side = Before(rows={("all", ""): rows}, sources=(BUILT_IN,), is_literal=literal, no_match=Access.DENY)

    def fed(pattern: str) -> list[str]:
        words = [{"%c": "a", "%u": "b/c"}.get(word, word) for word in pattern.split("/")]
        return (pattern if literal else "/".join(words)).split("/")

    asked = topic.split("/")
    wanted = next((access for pattern, access in rules if matches(asked, fed(pattern), loose=False)), "deny")
    assert side.decide(client, Action.PUBLISH, topic) == wanted


def test_a_filter_of_ten_thousand_levels_is_one_of_many() -> None:
    deep = tuple(["+"] * 10_000)
    index = Filters([deep, (*deep, "#"), ("#",)])
    assert index.first(["a"] * 10_000, loose=False) == 0
    assert index.first(["a"] * 10_001, loose=False) == 1
    assert index.first(["a"], loose=False) == 2
