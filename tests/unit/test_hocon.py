"""The one HOCON reader gives what EMQX's own parser gives.

`recordings/hocon/parsed_by_emqx.json`: our texts, each answered by emqx/hocon (commit 84d8a801, Erlang/OTP 25): its tree, or where and before
what it refused. Made once with 100,000 random texts more, all of which agreed.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.hocon.document import loads, read
from components.hocon.errors import HoconError, NotGivenError, UnexpectedTokenError
from components.migration.hop_44_5.result import hocon
from lab.node.archive.printed import dumps

pytestmark = pytest.mark.unit

ANSWERS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "recordings/hocon/parsed_by_emqx.json").read_text(encoding="utf-8")
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "true",
        "off",
        "5.10",
        "null",
        "a # b",
        "${x}",
        "10s",
        '"""',
        "\\",
        "a\\\\",
        'q"',
        "~\n x\n~",
        "\r\n",
        "\u2028",
        "include",
    ]
)
TREES = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**18), 10**18) | TEXTS,
        lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXTS, below, max_size=3),
        max_leaves=12,
    ),
    max_size=4,
)


def typed(tree: Any) -> Any:
    """With the type of each value: 1, 1.0 and true are equal to Python."""
    if isinstance(tree, dict):
        return {key: typed(value) for key, value in tree.items()}
    return [typed(item) for item in tree] if isinstance(tree, list) else (type(tree), tree)


@pytest.mark.parametrize("answer", [one for one in ANSWERS if "tree" in one], ids=lambda one: repr(one["text"]))
def test_a_text_means_what_it_means_to_emqx(answer: dict[str, Any]) -> None:
    assert typed(loads(answer["text"])) == typed(answer["tree"])


@pytest.mark.parametrize("answer", [one for one in ANSWERS if "tree" not in one], ids=lambda one: repr(one["text"]))
def test_what_emqx_refuses_is_refused_at_the_same_place(answer: dict[str, Any]) -> None:
    with pytest.raises(HoconError) as refused:
        loads(answer["text"])
    if "before" in answer:
        assert isinstance(refused.value, UnexpectedTokenError)
        assert (refused.value.line, refused.value.token) == (answer["line"], answer["before"])


@given(TREES)
def test_what_emqx_would_print_is_read_as_it_was(tree: dict[str, Any]) -> None:
    assert typed(loads(dumps(tree))) == typed(tree)


@given(TREES)
def test_what_a_conversion_writes_is_read_as_it_was(tree: dict[str, Any]) -> None:
    assert typed(loads(hocon(tree).decode())) == typed(tree)


@given(st.text(st.characters(codec="utf-8") | st.sampled_from('{}[],:="\\\n#$?~ab1.'), max_size=60))
def test_any_text_is_a_tree_or_is_refused(text: str) -> None:
    with suppress(HoconError):
        assert isinstance(loads(text), dict)


def test_a_password_is_in_no_message() -> None:
    for text in ("a = s3cr3t s3cr3t = = {", "a = ${s3cr3t}", 'a = "s3cr3t" [1]', 'a = ["s3cr3t', "a {s3cr3t"):
        with pytest.raises(HoconError) as refused:
            loads(text)
        assert "s3cr3t" not in str(refused.value), text


HOSTILE = {
    "brackets": ("a = " + "[" * 200, "more than 100 brackets"),
    "a long key": ("a." * 200 + "b = 1", "more parts than any setting"),
    "a number": ("a = " + "1" * 5000, "5000 digits"),
    "doubling": ("a0 = xx\n" + "".join(f"a{n + 1} = ${{a{n}}}${{a{n}}}\n" for n in range(60)), "name too much"),
    "doubling lists": (
        "a0 = [1]\n" + "".join(f"a{n + 1} = [${{a{n}}}, ${{a{n}}}]\n" for n in range(60)),
        "name too much",
    ),
    "itself": ("a = " + "${a}" * 200_000, "name too much"),
    "a circle": ("a = ${b}\nb = ${a}", "stands nowhere"),
    "a tower": ("a0 = {}\n" + "".join(f"a{n + 1} = {{x = ${{a{n}}}}}\n" for n in range(500)), "deep"),
}


@pytest.mark.parametrize(("text", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_text_made_to_hang_its_reader_is_refused(text: str, said: str) -> None:
    with pytest.raises(HoconError, match=said):
        loads(text)


def test_a_text_of_more_tokens_than_any_configuration_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.hocon.tokens.MOST_TOKENS", 50)
    assert loads("a = [" + "1," * 20 + "]")
    with pytest.raises(HoconError, match="more than 50 words and marks"):
        loads("a = [" + "1," * 30 + "]")


class TestIncludes:
    @staticmethod
    def given(files: dict[str, str]) -> Any:
        return lambda name, _: (name, files[name]) if name in files else None

    def test_what_is_given_stands_where_it_is_included(self) -> None:
        files = {"b.conf": "x = 2\ny = ${x}\n"}
        text = 'x = 1\na {\n  include "b.conf"\n  z = 3\n}\nx = ${a.y}\n'
        # A path in an included file begins where it is included.
        assert read([("a.conf", text)], self.given(files)).tree == {"x": 2, "a": {"x": 2, "y": 2, "z": 3}}

    @pytest.mark.parametrize("line", ["include b-c.conf", 'include "b-c.conf"', 'include required("b-c.conf")'])
    def test_each_way_to_include_is_read(self, line: str) -> None:
        document = read([("a.conf", f"x = 1\n{line}\n")], self.given({"b-c.conf": "\ufeffx = 2"}))
        assert (document.tree, document.included) == ({"x": 2}, ("b-c.conf",))
        assert document.spots["x"] == ("b-c.conf", 1)

    def test_what_is_not_given_is_named(self) -> None:
        with pytest.raises(NotGivenError, match=r"^a\.conf: line 2: it includes b\.conf, which was not given$"):
            read([("a.conf", "x = 1\ninclude b.conf")])

    def test_a_file_that_includes_itself_is_refused(self) -> None:
        files = {"b.conf": "include c.conf", "c.conf": "include b.conf"}
        with pytest.raises(HoconError, match="includes itself"):
            read([("a.conf", "include b.conf")], self.given(files))


def test_files_that_emqx_reads_together_are_one_document() -> None:
    texts = [("base", "a {x = 1}\nb = ${a.x}"), ("cluster", "a = 5"), ("emqx", "a {y = 2}")]
    assert read(texts).tree == {"a": {"y": 2}, "b": 1}


def test_a_path_has_the_place_of_its_last_value() -> None:
    document = read(
        [("a", 'r {\n  "x y" {k = 1}\n  l = [\n    {p = 1}\n    {p = 2}\n  ]\n}\nr.l.2.p = 3\n'), ("b", "\nr.l = []")]
    )
    assert document.spots["r.x y.k"] == ("a", 2)
    assert document.spots["r.l.1.p"] == ("a", 5)
    assert document.spots["r.l"] == ("b", 2)
