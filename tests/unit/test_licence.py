"""A licence key is read without EMQX, and what is wrong with one is said without a character of it."""

from __future__ import annotations

import base64
import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.licence import BadLicenceError, Licence, read

pytestmark = pytest.mark.unit


def key(*, days: str = "365", sessions: str = "1000", began: str = "20260101", form: str = "220111") -> str:
    lines = [form, "1", "2", "Planted Customer", "planted@example.org", "default", began, days, sessions]
    payload = base64.b64encode("\n".join(lines).encode()).decode()
    return f"{payload}.{base64.b64encode(b'signature').decode()}"


def test_the_sessions_and_the_last_day_are_read() -> None:
    assert read(key()) == Licence(1000, date(2027, 1, 1))
    assert read(f"  {key()}\n") == Licence(1000, date(2027, 1, 1))


@pytest.mark.parametrize("word", ["default", "evaluation"])
def test_without_a_key_of_ones_own_it_is_the_evaluation_licence(word: str) -> None:
    assert read(word) == Licence(25, None)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("planted-not-a-key", "it has not two parts"),
        ("cGxhbnRlZA==.", "it has not two parts"),
        ("planted!.cGxhbnRlZA==", "a part of it is no base64"),
        (f"{key().partition('.')[0]}.planted!", "a part of it is no base64"),
        ("cGxhbnRlZA==.cGxhbnRlZA==", "its first part has 1 lines and is not of format 220111"),
        (key(form="999999"), "not of format 220111"),
        (key(days="planted"), "its first day, days or sessions are no numbers"),
        (key(began="2026"), "its first day, days or sessions are no numbers"),
        (key(days="9" * 12), "its first day, days or sessions are no numbers"),
    ],
)
def test_a_wrong_key_is_said_to_be_one_and_nothing_of_it_is_told(wrong: str, says: str) -> None:
    with pytest.raises(BadLicenceError, match=says) as refused:
        read(wrong)
    assert "lanted" not in str(refused.value)
    assert refused.value.__context__ is None or refused.value.__suppress_context__


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadLicenceError):
        read(text)
