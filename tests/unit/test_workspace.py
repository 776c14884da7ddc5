"""Configuration values on their way into a stack's file: secrets are never among what is written in clear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.workspace import Secret, secrets_of, without_secrets

pytestmark = pytest.mark.unit

leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.builds(Secret, st.just("planted"))
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


@given(values)
def test_what_is_written_in_clear_holds_no_secret(value: object) -> None:
    assert "planted" not in repr(without_secrets(value))


@given(values)
def test_every_secret_has_a_path_of_its_own(value: object) -> None:
    paths = [path for path, _ in secrets_of("emqx:credentials", value)]
    assert len(paths) == len(set(paths)) == repr(value).count("Secret(...)")


def test_a_value_without_secrets_is_written_as_it_is() -> None:
    value = {"blue": {"nodes": [{"name": "a", "weight": 1.5}], "on": True, "nothing": None}}
    assert without_secrets(value) == value


def test_a_path_names_keys_and_places() -> None:
    value = {"blue": {"keys": ["plain", Secret("x")]}}
    assert [path for path, _ in secrets_of("emqx:credentials", value)] == ['emqx:credentials["blue"]["keys"][1]']
