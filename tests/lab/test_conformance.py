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

IN_REAL_TIME = {"04b_evacuation_run"}
"""What is asked at instants of an evacuation: a busy machine misses one now and then, a node that behaves otherwise does each time."""
MORE_TRIES = 3
FILES = [(scenario.name, file) for scenario in SCENARIOS for file in scenario.files]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tallies(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Tally]:
    """All scenarios at once, each with clusters of its own: the longest of them waits 17 s for an evacuation."""

    async def played(one: Scenario) -> list[Tally]:
        return await run(one, tmp_path_factory.mktemp("world"))

    played_first = await asyncio.gather(*map(played, SCENARIOS))
    done = {one.name: found for one, found in zip(SCENARIOS, played_first, strict=True)}
    for one in (one for one in SCENARIOS if IN_REAL_TIME & set(one.files)):
        for _ in range(MORE_TRIES):
            if not any(tally.differences for tally in done[one.name]):
                break
            done[one.name] = await played(one)
    return {(name, tally.file): tally for name, found in done.items() for tally in found}


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
