"""What a child gets of our environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.system.environment import KEPT, kept

pytestmark = pytest.mark.unit


@given(st.dictionaries(st.text(min_size=1) | st.sampled_from([*KEPT, "MORE"]), st.text()))
def test_only_named_variables_are_kept_and_as_they_are(ours: dict[str, str]) -> None:
    assert kept(ours) == {name: value for name, value in ours.items() if name in KEPT}
    assert kept(ours, "MORE") == {name: value for name, value in ours.items() if name in {*KEPT, "MORE"}}
