"""The lab node answers as the recorded clusters did, pair by pair; what is not compared stands in docs/conformance.md."""

from __future__ import annotations

import asyncio
import re

import pytest
import pytest_asyncio

from tests.lab.recordings.document import DOCUMENT, render
from tests.lab.recordings.excluded import NOT_REPLAYED
from tests.lab.recordings.replay import HERE, Tally
from tests.lab.recordings.runs import SKIPPED_RUNS
from tests.lab.recordings.scenarios import SCENARIOS, Scenario, run

pytestmark = pytest.mark.lab

FILES = [(scenario.name, file) for scenario in SCENARIOS for file in scenario.files]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tallies(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Tally]:
    """All scenarios at once, each with clusters of its own."""

    async def played(one: Scenario) -> list[Tally]:
        return await run(one, tmp_path_factory.mktemp("world"))

    found = await asyncio.gather(*map(played, SCENARIOS))
    return {(one.name, tally.file): tally for one, tallies in zip(SCENARIOS, found, strict=True) for tally in tallies}


@pytest.mark.parametrize(("scenario", "file"), FILES, ids=[f"{file} in {name}" for name, file in FILES])
def test_answers_are_those_of_the_recording(tallies: dict[tuple[str, str], Tally], scenario: str, file: str) -> None:
    tally = tallies[scenario, file]
    assert not tally.differences, "\n".join(tally.differences[:20])
    assert tally.compared + sum(tally.excluded.values()) > 0


def test_tests_that_the_list_names_exist() -> None:
    named = set(re.findall(r"test_\w+\.py", " ".join([*NOT_REPLAYED.values(), *SKIPPED_RUNS.values()])))
    there = {path.name for path in HERE.parents[1].rglob("test_*.py")}
    assert named <= there, named - there


def test_what_is_not_covered_is_listed_and_nothing_else_is(tallies: dict[tuple[str, str], Tally]) -> None:
    """Run ``python -m tests.lab.recordings.document`` to write the list anew."""
    assert DOCUMENT.read_text() == render(tallies)
