"""Packed texts are a sorted list of strings in all but their memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.emqx.packed import Packed

pytestmark = pytest.mark.unit

any_text = st.text(st.characters(codec=None))


@given(st.lists(any_text), any_text, st.slices(6))
def test_they_are_read_like_a_list(texts: list[str], other: str, some: slice) -> None:
    texts.sort()
    packed = Packed(texts)
    assert list(packed) == texts
    assert packed[some] == texts[some]
    assert [packed[-1 - index] for index in range(len(texts))] == texts[::-1]
    assert all(one in packed for one in texts)
    assert (other in packed) == (other in texts)
    with pytest.raises(IndexError):
        packed[len(texts)]


def test_each_needs_its_letters_and_little_more() -> None:
    tracemalloc.start()
    try:
        packed = Packed(f"dev-{number:013}" for number in range(10_000))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < len(packed) * 30
