"""Grants and denials that meet: topic filters overlap exactly when some topic fits both, however many there are."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.detectors import DETECTORS
from components.migration.permissions.overlap import Filters
from components.migration.rules import Clear, Hit
from tests.unit.detector_facts import PATIENT, export, given_facts, grants

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("one", "two", "met"),
    [
        ("cmd/#", "cmd/secret", True),
        ("cmd/#", "cmd", True),
        ("cmd/+", "cmd/secret", True),
        ("cmd/+", "cmd", False),
        ("cmd/+/x", "cmd/secret", False),
        ("#", "a/b/c", True),
        ("a/b", "a/c", False),
        ("dev/%c/up", "dev/7/up", True),
        ("dev/%c/up", "dev/7/down", False),
        ("dev-%u/up", "dev-7/up", True),
    ],
)
def test_filters_overlap_when_one_topic_fits_both(one: str, two: str, met: bool) -> None:
    rows = grants(("u", one, "pub", "allow"), ("u", two, "pub", "deny"))
    assert isinstance(DETECTORS["51-35"](given_facts("51-35", export(acl_mnesia=rows))), Hit) is met


def test_one_login_s_deny_does_not_stand_against_another_s_allow() -> None:
    everybody = [{"type": "all", "topic": "z", "action": "pub", "access": "deny"}]
    rows = [*grants(("u", "a", "pub", "allow"), ("v", "a", "pub", "deny")), *everybody]
    assert DETECTORS["51-35"](given_facts("51-35", export(acl_mnesia=rows))) == Clear()
    rows.append({"type": "all", "topic": "a", "action": "pub", "access": "allow"})
    assert isinstance(DETECTORS["51-35"](given_facts("51-35", export(acl_mnesia=rows))), Hit)


def test_a_rule_for_all_stands_against_everybodys_rules() -> None:
    everybody = [{"type": "all", "topic": "#", "action": "pubsub", "access": "deny"}]
    rows = [*grants(("u", "a", "pub", "allow")), *everybody]
    assert isinstance(DETECTORS["51-35"](given_facts("51-35", export(acl_mnesia=rows))), Hit)


LEVEL = st.sampled_from(["a", "b", "c"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=3).map("/".join)
FILTER = st.lists(st.one_of(LEVEL, st.just("+")), min_size=1, max_size=3).flatmap(
    lambda levels: st.sampled_from(["/".join(levels), "/".join([*levels, "#"]), "#"])
)


def fits(topic: str, pattern: str) -> bool:
    """MQTT's own rule, spelled out (5.0, section 4.7.1)."""
    levels, wanted = topic.split("/"), pattern.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)] if len(levels) >= len(wanted) else []
    return len(levels) == len(wanted) and all(want in {"+", level} for level, want in zip(levels, wanted, strict=True))


@PATIENT
@given(st.lists(FILTER, min_size=1, max_size=4), FILTER)
def test_filters_meet_exactly_when_some_topic_fits_both(granted: list[str], denied: str) -> None:
    filters = Filters()
    for one_filter in granted:
        filters.add(one_filter)
    # Four levels of three letters are enough to tell filters of at most four levels apart.
    topics = ("/".join(levels) for count in range(1, 5) for levels in product("abcd", repeat=count))
    met = any(fits(topic, denied) and any(fits(topic, one_filter) for one_filter in granted) for topic in topics)
    assert filters.meets(denied) is met


@PATIENT
@given(TOPIC, FILTER)
def test_a_topic_is_a_filter_of_its_own(topic: str, pattern: str) -> None:
    filters = Filters()
    filters.add(pattern)
    assert filters.meets(topic) is fits(topic, pattern)


def test_100_000_rules_of_one_login_are_looked_through() -> None:
    rows = [("u", f"dev/{index}/#", "pub", "allow") for index in range(50_000)] + [
        ("u", f"cmd/{index}/#", "pub", "deny") for index in range(50_000)
    ]
    assert DETECTORS["51-35"](given_facts("51-35", export(acl_mnesia=grants(*rows)))) == Clear()


def test_100_000_logins_with_a_rule_each_are_looked_through() -> None:
    rows = [(f"u{index}", f"dev/{index}/#", "pub", "deny" if index % 3 else "allow") for index in range(100_000)]
    assert DETECTORS["51-35"](given_facts("51-35", export(acl_mnesia=grants(*rows)))) == Clear()


def test_a_topic_of_64_kb_is_looked_at() -> None:
    filters = Filters()
    filters.add("a/" * 32_768)
    assert filters.meets("a/" * 32_768)
    assert not filters.meets("a/" * 32_767)
