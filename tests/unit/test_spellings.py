"""Spelling does not matter: what a container would get is read from every way in which people write it, or the file is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.migration.configs.flat import Setting, parse
from components.migration.hop_44_5 import Options, Source, convert
from components.migration.manifest import BadSource
from components.migration.sources import registry
from components.migration.sources.base import Document, key_of
from tests.unit.hop_42_43_bed import PATIENT
from tests.unit.spellings_bed import WRITERS

pytestmark = pytest.mark.unit

NAMES = st.sampled_from(
    [
        "EMQX_ALLOW_ANONYMOUS",
        "EMQX_ACL_NOMATCH",
        "EMQX_AUTH__USER__1__USERNAME",
        "EMQX_AUTH__USER__1__PASSWORD",
        "EMQX_MQTT__MAX_PACKET_SIZE",
        "EMQX_LISTENERS__TCP__DEFAULT__BIND",
    ]
)
ODD = [
    "true",
    "off",
    "5.10",
    "null",
    "~",
    "",
    " a b ",
    "a # b",
    "#",
    "$X",
    "$$",
    "${X:-y}",
    "$(X)",
    "it's",
    '"q"',
    "a: b",
    "- a",
]
ODD += [
    "x\ny",
    "é\u2028ü",
    "\\n",
    "a\\",
    "%u,%c",
    "%%",
    "`id`",
    "[1, 2]",
    "{a = 1}",
    "{{ x }}",
    "yes",
    "0777",
    "1:30",
    "!x",
    "&a",
    "*a",
    "<<",
]
LETTERS = st.characters(blacklist_categories=["Cs", "Cc", "Co", "Cn"], blacklist_characters="\ufeff")
VALUES = st.dictionaries(NAMES, st.one_of(st.sampled_from(ODD), st.text(LETTERS, max_size=12)), min_size=1, max_size=4)


def read(name: str, text: str) -> dict[str, str | None]:
    environment = registry.read((Document(name, text),))
    return {one.name: one.value for one in environment.variables}


@pytest.mark.parametrize("name", WRITERS)
@PATIENT
@given(VALUES)
@example({"EMQX_ALLOW_ANONYMOUS": "EMQX_0"})
@example({"EMQX_ACL_NOMATCH": "x\ny", "EMQX_MQTT__MAX_PACKET_SIZE": "$(X) # 'a' \\ \"b\""})
def test_a_value_is_the_same_in_every_spelling(name: str, values: dict[str, str]) -> None:
    text = WRITERS[name](values)
    if text is None:
        return
    found = read(name, text)
    # A template is not known here, whoever writes it.
    assert found == {key: None if _is_template(name, value) else value for key, value in values.items()}


def _is_template(name: str, value: str) -> bool:
    return (
        "compose" not in name
        and name != "flow.yml"
        and name.endswith((".yml", ".yaml", ".json"))
        and any(mark in value for mark in ("{{", "{%", "<%"))
        and name not in ("mapped.yaml", "secret.json")
    )


LOADED = {"EMQX_LOADED_PLUGINS": "emqx_auth_mnesia"}


def outcome(name: str, text: str, lines: tuple[Setting, ...] = ()) -> object:
    """What a conversion of 4.4 makes of one file, or why it is refused; without the places, which are each file's own."""
    try:
        made = convert(Source(None, "", lines, {name: text}), "4.4.19", "5.8.11", Options(now=1.0))
    except BadSource as error:
        return error.seen
    items = sorted((item.label, str(item.verdict), item.value) for item in made.account.items if item.label)
    return made.config, [(one.path, one.body) for one in made.requests], dict(made.bootstrap), items


@settings(PATIENT, max_examples=20)
@given(st.sampled_from(sorted(WRITERS)), VALUES)
def test_a_conversion_is_the_same_for_every_spelling(name: str, values: dict[str, str]) -> None:
    values = {**values, **LOADED}
    text = WRITERS[name](values)
    if text is not None and not any(_is_template(name, value) for value in values.values()):
        assert outcome(name, text) == outcome("broker.env", WRITERS["broker.env"](values) or "")


@settings(PATIENT, max_examples=20)
@given(VALUES)
def test_a_conversion_of_variables_is_that_of_the_plain_file(values: dict[str, str]) -> None:
    """What 4.4's file cannot hold is left out: a line end, blanks around a value, and nothing at all, which leaves the default."""
    kept = {
        name: value for name, value in values.items() if value == value.strip(" \t") and value and "\n" not in value
    }
    conf = "".join(f"{key_of(name)} = {value}\n" for name, value in kept.items())
    by_file = outcome("loaded.env", WRITERS["broker.env"](LOADED) or "", tuple(parse("emqx.conf", conf).settings))
    assert by_file == outcome("broker.env", WRITERS["broker.env"]({**kept, **LOADED}) or "")
