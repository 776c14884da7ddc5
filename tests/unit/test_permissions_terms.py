"""Erlang terms are read with their lines and written so that they read the same; what 4.4 would not read is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.permissions.erlang import Atom, Term, TermError, Text, parse, write
from components.migration.permissions.file_rules import compile_file

pytestmark = pytest.mark.unit

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(Text)
ATOMS = st.sampled_from(["allow", "deny", "all", "and", "or", "Capital", "with space", "it's"]).map(Atom)
TERMS: st.SearchStrategy[Term] = st.recursive(
    TEXTS | ATOMS | st.integers(-1000, 1000),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=8,
)


@given(st.lists(TERMS, max_size=4))
def test_what_is_written_reads_the_same(terms: list[Term]) -> None:
    assert [placed.term for placed in parse("".join(f"{write(term)}.\n" for term in terms))] == terms


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{allow, all}", 1),
        ("{allow, all}.\n{deny, all", 2),
        ('{allow, {user, "a}, all, ["#"]}.', 1),
        ('\n\n{allow, {user, "x"}, pubsub , ["$SYS/#"]}}.', 3),
        ("allow all.", 1),
        ("{allow, All}.", 1),
        ('{allow, {user, "\\x{110000}"}, pubsub, []}.', 1),
        ("%% a comment only\n{", 2),
    ],
)
def test_a_syntax_error_names_its_line(text: str, line: int) -> None:
    with pytest.raises(TermError) as caught:
        parse(text)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "term",
    [
        '{allow, <<"bare">>, pubsub, ["#"]}.',
        '{allow, all, listen, ["#"]}.',
        "{permit, all}.",
        '{allow, {ipaddr, "300.1.1.1"}, pubsub, ["#"]}.',
        '{allow, {user, {re, "x"}}, pubsub, ["#"]}.',
        '{allow, all, pubsub, "a/b"}.',
        '{allow, {user, "日"}, pubsub, ["#"]}.',
        "{allow, all, pubsub, [1]}.",
    ],
)
def test_a_rule_that_44_does_not_load_is_refused(term: str) -> None:
    with pytest.raises(TermError):
        compile_file(parse(f"{{allow, all}}.\n{term}"))


def test_the_forms_that_44_takes_are_taken() -> None:
    text = """
    {allow, {user, "dashboard"}, subscribe, ["$SYS/#"]}. % a comment
    {allow, {ipaddrs, ["10.0.0.0/8", "::1"]}, pubsub, [<<"a/b"/utf8>>, {eq, "#"}]}.
    {deny, {'and', [{client, all}, {'or', [{user, "a" "b"}, all]}]}, publish, <<"x">>}.
    {deny, all}."""
    assert [rule.line for rule in compile_file(parse(text))] == [2, 3, 4, 5]


def test_escapes_are_read_as_erlang_reads_them() -> None:
    assert parse(r'["\x41\x{42}\103\n\"\\\s"].')[0].term == [Text('ABC\n"\\ ')]


def test_a_file_of_more_rules_than_any_node_asks_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(TermError, match="more than 300,000 words and marks"):
        parse("{allow, all}.\n" * 60_000)
