"""The lab's nodes of 4.2, 4.3 and 4.4 answer as the recorded ones did, and let in, allow and throw off whom those did."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.lab.recordings.old import SUBJECTS, VERSIONS
from tests.lab.recordings.old_document import DOCUMENT, KINDS, render, run
from tests.lab.recordings.replay import Tally

pytestmark = pytest.mark.lab
NAMES = [
    *(f"V_{version}_{subject}" for version in VERSIONS for subject in SUBJECTS),
    *(f"V_4.2.14_to_4.3.22_as_{kind}" for kind in KINDS),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tallies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tally]:
    """All recordings at once."""
    return await run(tmp_path_factory.mktemp("old"))


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_of_the_recording(tallies: dict[str, Tally], name: str) -> None:
    tally = tallies[name]
    assert not tally.differences, "\n".join(tally.differences[:40])
    assert tally.compared > 0


def test_what_is_not_covered_is_listed_and_nothing_else_is(tallies: dict[str, Tally]) -> None:
    """Run ``python -m tests.lab.recordings.old_document`` to write the list anew."""
    assert DOCUMENT.read_text() == render(tallies)
