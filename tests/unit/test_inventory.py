"""Inventories: equal ones have no difference, every difference is named, order decides where it decides, nothing is lost in JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.foreign import foreign, written_by_clients
from components.migration.inventory import (
    Difference,
    Inventory,
    Section,
    Unlisted,
    blocking,
    compare,
    digest,
    settled,
    some,
    written_since,
)

pytestmark = pytest.mark.unit

NAMES = ("authenticators", "users:password_based:built_in_database", "retained", "banned", "rules", "acl_all")
keys = st.text(min_size=1, max_size=8)
items = st.dictionaries(keys, st.integers(0, 2**48 - 1), max_size=6)


@st.composite
def sections(draw: st.DrawFn) -> Section:
    found = draw(items)
    optional = draw(st.frozensets(st.sampled_from(sorted(found)), max_size=2)) if found else frozenset()
    until = {key: draw(st.floats(0, 2e9)) for key in sorted(found)[:1]} if draw(st.booleans()) else {}
    return Section(items=found, ordered=draw(st.booleans()), optional=optional, until=until)


unlisted = st.builds(Unlisted, st.text(max_size=20))
inventories = st.dictionaries(st.sampled_from(NAMES), st.one_of(sections(), unlisted)).map(Inventory)


@given(inventories)
def test_json_loses_nothing(inventory: Inventory) -> None:
    assert Inventory.from_json(json.loads(json.dumps(inventory.to_json()))) == inventory


@given(inventories)
def test_json_keeps_the_order(inventory: Inventory) -> None:
    again = Inventory.from_json(json.loads(json.dumps(inventory.to_json())))
    for name, section in inventory.sections.items():
        other = again.sections[name]
        if isinstance(section, Section):
            assert isinstance(other, Section)
            assert list(other.items) == list(section.items)


@pytest.mark.parametrize("broken", [{"rules": {}}, {"rules": 1}, {"rules": {"items": [1]}}, {"rules": None}])
def test_what_is_no_inventory_is_told(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no inventory"):
        Inventory.from_json(broken)


@given(inventories, st.floats(0, 2e9))
def test_equal_inventories_do_not_differ(inventory: Inventory, now: float) -> None:
    assert compare(inventory, inventory, now) == []
    assert written_since(inventory, inventory) == []


@given(inventories, inventories)
def test_without_optional_or_ended_items_two_sections_differ_exactly_when_they_are_not_equal(
    one: Inventory, two: Inventory
) -> None:
    plain = [
        Inventory({n: Section(s.items, s.ordered) for n, s in i.sections.items() if isinstance(s, Section)})
        for i in (one, two)
    ]
    named = {difference.section for difference in compare(plain[0], plain[1], now=0.0)}
    for name in set(plain[0].sections) & set(plain[1].sections):
        ours, theirs = plain[0].sections[name], plain[1].sections[name]
        assert isinstance(ours, Section)
        assert isinstance(theirs, Section)
        same = ours.items == theirs.items and (not ours.ordered or list(ours.items) == list(theirs.items))
        assert (name in named) == (not same)


@given(items, st.data())
def test_a_missing_item_is_always_named(found: dict[str, int], data: st.DataObject) -> None:
    if not found:
        return
    gone = data.draw(st.sampled_from(sorted(found)))
    rest = {key: value for key, value in found.items() if key != gone}
    differences = compare(Inventory({"rules": Section(found)}), Inventory({"rules": Section(rest)}), 0.0)
    assert [d.kind for d in differences] == ["missing"]
    assert gone in differences[0].expected
    assert blocking(differences) == differences


@given(st.lists(keys, min_size=2, max_size=5, unique=True))
def test_another_order_is_a_difference_only_where_order_decides(names: list[str]) -> None:
    forward, backward = dict.fromkeys(names, 1), dict.fromkeys(reversed(names), 1)
    for ordered in (True, False):
        differences = compare(
            Inventory({"authorization_sources": Section(forward, ordered)}),
            Inventory({"authorization_sources": Section(backward, ordered)}),
            0.0,
        )
        assert [d.kind for d in differences] == (["order"] if ordered else [])


def test_file_before_database_is_named_in_order() -> None:
    differences = compare(
        Inventory({"authorization_sources": Section({"built_in_database": 1, "file": 2}, ordered=True)}),
        Inventory({"authorization_sources": Section({"file": 2, "built_in_database": 1}, ordered=True)}),
        0.0,
    )
    assert str(differences[0]) == (
        "authorization_sources: expected built_in_database > file, found file > built_in_database (the order decides here)"
    )


def test_what_blue_cannot_list_is_not_expected_and_what_green_cannot_list_is() -> None:
    listed, not_listed = Inventory({"psk": Section({"a": 1})}), Inventory({"psk": Unlisted("no REST API")})
    assert compare(not_listed, listed, 0.0) == []
    assert [d.kind for d in compare(listed, not_listed, 0.0)] == ["unlisted"]
    assert compare(Inventory({"psk": Section()}), not_listed, 0.0) == []
    assert not_listed.counts() == {"psk": None}
    assert not_listed.unlisted() == {"psk": "no REST API"}


def test_an_item_that_ended_by_itself_is_forgiven_on_both_sides_and_no_other() -> None:
    ban = Section({"clientid:a": 1, "clientid:b": 0}, until={"clientid:a": 100.0})
    rest = Inventory({"banned": Section({"clientid:b": 0})})
    assert compare(Inventory({"banned": ban}), rest, now=200.0) == []
    assert compare(rest, Inventory({"banned": ban}), now=200.0) == []
    assert [d.kind for d in compare(Inventory({"banned": ban}), rest, now=50.0)] == ["missing"]


def test_what_changed_while_we_exported_may_be_either_way() -> None:
    before = Inventory({"retained": Section({"still": 1, "moving": 1, "gone": 1})})
    after = Inventory({"retained": Section({"still": 1, "moving": 2, "new": 1})})
    expected = settled(before, after)
    for found in ({"still": 1, "moving": 1, "gone": 1}, {"still": 1, "moving": 2, "new": 1}, {"still": 1}):
        assert compare(expected, Inventory({"retained": Section(found)}), 0.0) == []
    assert [d.kind for d in compare(expected, Inventory({"retained": Section({"moving": 1})}), 0.0)] == ["missing"]


def test_extra_items_that_clients_write_are_told_and_refuse_nothing() -> None:
    blue = Inventory({"retained": Section({"a": 1}), "rules": Section()})
    green = Inventory({"retained": Section({"a": 1, "b": 1}), "rules": Section({"x": 1})})
    differences = compare(blue, green, 0.0)
    assert {(d.section, d.kind) for d in differences} == {("retained", "extra"), ("rules", "extra")}
    assert [d.section for d in blocking(differences)] == ["rules"]
    assert [d.section for d in written_by_clients(green, blue)] == ["retained"]
    assert [str(d) for d in written_since(blue, green)] == [
        "retained: expected none of these, found b (1 added)",
        "rules: expected none of these, found x (1 added)",
    ]


FACTORY_GREEN = Inventory(
    {
        "authorization_sources": Section({"file": 7}, ordered=True),
        "authorization_settings": Section({"settings": 8}),
        "authenticators": Section(ordered=True),
        "retained": Section(),
        "psk": Unlisted("no REST API"),
    }
)
BLUE = Inventory(
    {
        "authenticators": Section({"password_based:built_in_database": 5}, ordered=True),
        "users:password_based:built_in_database": Section({"alice": 0}),
        "retained": Section({"t": 1}),
    }
)


@pytest.mark.parametrize("ours", [True, False])
def test_a_new_cluster_is_empty(ours: bool) -> None:
    assert foreign(FACTORY_GREEN, BLUE, ours=ours) == []


def test_a_foreign_item_is_refused_with_section_and_name_even_beside_our_archive() -> None:
    green = Inventory({**FACTORY_GREEN.sections, "users:password_based:built_in_database": Section({"eve": 0})})
    for ours in (True, False):
        found = foreign(green, BLUE, ours=ours)
        assert [(d.section, d.found) for d in found] == [("users:password_based:built_in_database", "eve")]


def test_half_of_our_own_import_is_accepted_only_where_our_archive_lies() -> None:
    half = Inventory(
        {
            **FACTORY_GREEN.sections,
            "authenticators": Section({"password_based:built_in_database": 999}, ordered=True),
            "users:password_based:built_in_database": Section({"alice": 0}),
            "retained": Section({"t": 9, "written-by-a-device-since": 1}),
        }
    )
    assert foreign(half, BLUE, ours=True) == []
    assert {d.section for d in foreign(half, BLUE, ours=False)} == {
        "authenticators",
        "users:password_based:built_in_database",
        "retained",
    }


def test_an_authenticator_that_stands_in_both_configurations_is_no_foreign_item() -> None:
    green = Inventory(
        {**FACTORY_GREEN.sections, "authenticators": Section({"password_based:built_in_database": 5}, ordered=True)}
    )
    assert foreign(green, BLUE, ours=False) == []


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_secret_never_reaches_a_digest(one: str, two: str) -> None:
    for word in ("password", "secret", "api_secret", "headers", "authToken", "private_key"):
        assert digest({"name": "h", word: one}) == digest({"name": "h", word: two})


@given(st.dictionaries(st.sampled_from(["topic", "qos", "sql", "url"]), st.integers() | st.text(), min_size=1))
def test_a_digest_sees_content_and_neither_key_order_nor_status(content: dict[str, object]) -> None:
    turned = dict(reversed(content.items()))
    assert digest(content) == digest({**turned, "status": "connected", "created_at": 5})
    assert digest(content) != digest({**content, "more": 1})
    assert 0 <= digest(content) < 2**48


@given(st.lists(st.text(min_size=0, max_size=100), max_size=12))
def test_a_list_in_a_sentence_stays_short_and_says_how_many_are_left_out(names: list[str]) -> None:
    text = some(names)
    assert len(text) <= 5 * 62 + 20
    assert ("more" in text[-8:]) or len(names) <= 5


def test_a_difference_is_one_line() -> None:
    assert str(Difference("rules", "extra", "none of these", "r1")) == "rules: expected none of these, found r1"
